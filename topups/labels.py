"""Names of payment methods, reasons and states, as a customer reads them."""

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from topups.decisions import Reason
from topups.models import PaymentMethod, TopUp
from topups.states import RefundStatus, Status

REASONS: dict[Reason, LazyString] = {
    Reason.CHARGED: lazy_gettext("Topped up"),
    Reason.ABOVE_THRESHOLD: lazy_gettext("No top-up: the balance is above the threshold"),
    Reason.MONTHLY_MAXIMUM: lazy_gettext("No top-up: monthly maximum reached"),
    Reason.HOURLY_LIMIT: lazy_gettext("No top-up: we top up at most once an hour"),
    Reason.DAILY_LIMIT: lazy_gettext("No top-up: we top up at most three times a day"),
    Reason.IN_FLIGHT: lazy_gettext("No top-up: enough money is on its way"),
    Reason.NO_VALID_METHOD: lazy_gettext("No top-up: no payment method can be charged"),
    Reason.PAUSED_AFTER_FAILURES: lazy_gettext("No top-up: automatic top-up is paused"),
    Reason.DISABLED: lazy_gettext("No top-up: automatic top-up is off"),
}

# The same beside a tag that says already whether we topped up.
NOTES: dict[Reason, LazyString] = {
    Reason.ABOVE_THRESHOLD: lazy_gettext("the balance is above the threshold"),
    Reason.MONTHLY_MAXIMUM: lazy_gettext("monthly maximum reached"),
    Reason.HOURLY_LIMIT: lazy_gettext("we top up at most once an hour"),
    Reason.DAILY_LIMIT: lazy_gettext("we top up at most three times a day"),
    Reason.IN_FLIGHT: lazy_gettext("enough money is on its way"),
    Reason.NO_VALID_METHOD: lazy_gettext("no payment method can be charged"),
    Reason.PAUSED_AFTER_FAILURES: lazy_gettext("automatic top-up is paused"),
    Reason.DISABLED: lazy_gettext("automatic top-up is off"),
}

# Where Mollie cannot be asked for its own names.
METHODS: dict[str, str | LazyString] = {
    "ideal": "iDEAL | Wero",
    "bancontact": "Bancontact",
    "creditcard": lazy_gettext("Credit card"),
    "directdebit": lazy_gettext("Direct debit"),
    "banktransfer": lazy_gettext("Bank transfer"),
    "paypal": "PayPal",
    "applepay": "Apple Pay",
}

_WITHIN: dict[str, LazyString] = {
    "creditcard": lazy_gettext("credit card"),
    "directdebit": lazy_gettext("direct debit"),
    "banktransfer": lazy_gettext("bank transfer"),
}

REMEDIES: dict[Reason, LazyString] = {
    Reason.MONTHLY_MAXIMUM: lazy_gettext("Raise the monthly maximum, or top up by hand."),
    Reason.HOURLY_LIMIT: lazy_gettext("We look again within the hour. You can top up by hand."),
    Reason.DAILY_LIMIT: lazy_gettext("We look again within a day. You can top up by hand."),
    Reason.NO_VALID_METHOD: lazy_gettext("Add a payment method, or top up by hand."),
    Reason.PAUSED_AFTER_FAILURES: lazy_gettext("Resume automatic top-up, or top up by hand."),
}

STATUSES: dict[Status, LazyString] = {
    Status.REQUESTED: lazy_gettext("In progress"),
    Status.SUBMITTING: lazy_gettext("In progress"),
    Status.UNKNOWN: lazy_gettext("In progress"),
    Status.OPEN: lazy_gettext("Waiting for payment"),
    Status.PENDING: lazy_gettext("In progress"),
    Status.PAID: lazy_gettext("Paid"),
    Status.FAILED: lazy_gettext("Failed"),
    Status.CANCELED: lazy_gettext("Cancelled"),
    Status.EXPIRED: lazy_gettext("Expired"),
}

REFUND_STATUSES: dict[RefundStatus, LazyString] = {
    RefundStatus.SUBMITTING: lazy_gettext("In progress"),
    RefundStatus.UNKNOWN: lazy_gettext("In progress"),
    RefundStatus.REFUSED: lazy_gettext("Refused"),
    RefundStatus.QUEUED: lazy_gettext("In progress"),
    RefundStatus.PENDING: lazy_gettext("In progress"),
    RefundStatus.PROCESSING: lazy_gettext("In progress"),
    RefundStatus.REFUNDED: lazy_gettext("Refunded"),
    RefundStatus.FAILED: lazy_gettext("Failed"),
    RefundStatus.CANCELED: lazy_gettext("Cancelled"),
}

_FAILURES: dict[str, LazyString] = {
    "AM04": lazy_gettext("Your bank refused the debit: insufficient funds."),
    "MS03": lazy_gettext("Your bank refused the debit without giving a reason."),
    "AC01": lazy_gettext("Your bank refused the debit: the account number is not right."),
    "AC04": lazy_gettext("Your bank refused the debit: the account is closed."),
    "AC06": lazy_gettext("Your bank refused the debit: the account is blocked."),
    "AG02": lazy_gettext("Your bank refused the debit: the account cannot be debited."),
    "MD01": lazy_gettext("Your bank refused the debit: it does not know the mandate."),
    "MD06": lazy_gettext("The debit was returned at your request."),
    "MD07": lazy_gettext("Your bank refused the debit."),
    "MS02": lazy_gettext("The debit was refused at your request."),
    "SL01": lazy_gettext("Your bank refused the debit: debits by us are blocked on your account."),
    "insufficient_funds": lazy_gettext("Your card was refused: insufficient funds."),
    "card_expired": lazy_gettext("Your card was refused: it has expired."),
    "possible_fraud": lazy_gettext("Your card was refused. Use another card, or ask your bank."),
    "mandate_revoked": lazy_gettext("The mandate for this payment method has been withdrawn."),
    "not_reached": lazy_gettext("We could not reach the bank. Nothing was charged."),
}


def method_label(method: PaymentMethod) -> str:
    """Such as "Direct debit NL·· INGB ···· 4821" or "Mastercard ···· 0042"."""
    mask = method.account_mask or ""
    if method.method == "directdebit":
        return str(gettext("Direct debit %(account)s", account=mask)).strip()
    if method.method == "creditcard":
        return f"{method.card_label or gettext('Credit card')} {mask}".strip()
    return f"{METHODS.get(method.method, method.method)} {mask}".strip()


def name_within(method: str) -> str | None:
    """A way of paying as it is named within a sentence; None for those Mollie must name."""
    known = _WITHIN.get(method) or METHODS.get(method)
    return None if known is None else str(known)


def method_within(method: PaymentMethod) -> str:
    """The label as it stands within a sentence, such as "direct debit NL·· INGB ···· 4821"."""
    mask = method.account_mask or ""
    if method.method == "directdebit":
        return str(gettext("direct debit %(account)s", account=mask)).strip()
    if method.method == "creditcard" and not method.card_label:
        return f"{gettext('credit card')} {mask}".strip()
    return method_label(method)


def failure_text(top_up: TopUp) -> str:
    """Why a payment did not work, in words that say what to do."""
    known = _FAILURES.get(top_up.failure_code or "")
    if known is not None:
        return str(known)
    if top_up.status is Status.CANCELED:
        return str(gettext("The payment was cancelled. Nothing was charged."))
    if top_up.status is Status.EXPIRED:
        return str(gettext("The payment was not completed in time. Nothing was charged."))
    return str(gettext("The payment did not succeed. Nothing was charged."))

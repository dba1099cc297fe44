"""What can be wrong with a top-up, in words that help."""

from flask_babel import gettext, lazy_gettext

from app.config import settings
from app.errors import Conflict, Invalid, NotFound, Unavailable
from app.i18n import money

_MICROS_PER_UNIT = 1_000_000


class UnknownTopUp(NotFound):
    code = "unknown_top_up"
    title = lazy_gettext("There is no such top-up.")


class UnknownPaymentMethod(NotFound):
    code = "unknown_payment_method"
    title = lazy_gettext("There is no such payment method.")


class AmountOutsideLimits(Invalid):
    code = "amount_outside_limits"
    title = lazy_gettext("This amount is too low or too high.")


class AmountNotWholeCents(Invalid):
    code = "amount_not_whole_cents"
    title = lazy_gettext("Enter an amount in whole cents.")


class UnknownMethod(Invalid):
    code = "unknown_method"
    title = lazy_gettext("Choose one of the ways to pay.")


class MonthlyMaximumBelowAmount(Invalid):
    code = "monthly_maximum_below_amount"
    title = lazy_gettext("The monthly maximum must be at least the top-up amount.")


class TargetNotAboveThreshold(Invalid):
    code = "target_not_above_threshold"
    title = lazy_gettext("The amount to fill up to must be above the threshold.")


class AmountOrTarget(Invalid):
    code = "amount_or_target"
    title = lazy_gettext("Give either an amount to top up with, or an amount to fill up to.")


class ConsentMissing(Invalid):
    code = "consent_missing"
    title = lazy_gettext("Tick the box to give your consent.")


class NoPaymentMethod(Conflict):
    code = "no_valid_method"
    title = lazy_gettext("Automatic top-up needs a valid payment method. Add one first.")


class MandateRevoked(Conflict):
    code = "mandate_revoked"
    title = lazy_gettext("This mandate has been withdrawn. Choose another payment method.")


class MandatePending(Conflict):
    code = "mandate_pending"
    title = lazy_gettext("This payment method is not confirmed yet. Try again later or choose another.")


class CustomerClosed(Conflict):
    code = "customer_closed"
    title = lazy_gettext("This customer has been closed: its balance cannot be topped up any more.")


class PaymentsUnderWay(Conflict):
    code = "payments_under_way"
    title = lazy_gettext("A payment is still on its way. Closing is possible once it has arrived or failed.")


class InvoicesOpen(Conflict):
    code = "invoices_open"
    title = lazy_gettext("There are invoices to be paid or credited before this customer can be closed.")


class RequestKeyReused(Conflict):
    code = "idempotency_conflict"
    title = lazy_gettext("This request was made before with another amount or method.")


class FeeNotAccepted(Conflict):
    code = "fee_not_accepted"
    title = lazy_gettext("Paying this way costs a fee. Accept it, or choose another way to pay.")


class PaymentRefused(Conflict):
    code = "payment_refused"
    title = lazy_gettext("This payment could not be started. Choose another way to pay or another amount.")


class PaymentsUnavailable(Unavailable):
    code = "payments_unavailable"
    title = lazy_gettext("We cannot reach the bank right now. Nothing was charged. Try again in a moment.")


class UnknownRefund(NotFound):
    code = "unknown_refund"
    title = lazy_gettext("There is no such refund.")


class ReceiptNotReady(NotFound):
    code = "receipt_not_ready"
    title = lazy_gettext("There is no receipt of this payment yet.")


class NotRefundable(Conflict):
    code = "not_refundable"
    title = lazy_gettext("Only a payment that has been received can be refunded.")


class WholeRefundWithAmount(Invalid):
    code = "whole_refund_with_amount"
    title = lazy_gettext("A refund with the fee is of the whole payment: leave out the amount.")


class RefundAbovePayment(Conflict):
    code = "refund_above_payment"
    title = lazy_gettext("This is more than what is left of the payment.")


class RefundAboveBalance(Conflict):
    code = "refund_above_balance"
    title = lazy_gettext("This is more than what is left of the balance.")


class RefundRefused(Conflict):
    code = "refund_refused"
    title = lazy_gettext("The bank refused this refund.")


def short_money(micros: int) -> str:
    """As `money`, without the cents when there are none: "€ 10"."""
    text = money(micros)
    return text[:-3] if micros % _MICROS_PER_UNIT == 0 else text


def limits_text() -> str:
    """Which amounts may be topped up, in the reader's language."""
    return str(
        gettext(
            "Enter an amount from %(minimum)s to %(maximum)s.",
            minimum=short_money(settings().top_up_minimum_micros),
            maximum=short_money(settings().top_up_maximum_micros),
        )
    )


def check_amount(amount_micros: int, *, field: str = "amount", limited: bool = True) -> None:
    """Raises AmountOutsideLimits or AmountNotWholeCents. Paying an invoice has no limits of ours."""
    if limited and not settings().top_up_minimum_micros <= amount_micros <= settings().top_up_maximum_micros:
        raise AmountOutsideLimits(limits_text(), field=field)
    if amount_micros <= 0:
        raise AmountOutsideLimits(lazy_gettext("Enter an amount above zero."), field=field)
    if amount_micros % 10_000:
        raise AmountNotWholeCents(field=field)

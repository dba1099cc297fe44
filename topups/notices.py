"""Mails about money: each queued in the transaction that it tells of, once, in the customer's language."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from app.customers import addressees
from app.customers.models import Customer
from app.customers.service import billing_email, get_customer
from app.i18n import in_locale
from app.ledger.service import get_balance
from app.mail import Attachment, send
from topups import telling
from topups.consents import consent_of
from topups.facts import ChargebackFacts, RefundFacts
from topups.labels import failure_text, method_label
from topups.models import AutoTopUp, PaymentMethod, TopUp

# What concerns one payment; all else is about the account, and for the customer itself.
ABOUT_PAYMENTS: Final = frozenset(
    {
        "automatic_top_up_received",
        "chargeback",
        "debit_announced",
        "refund_made",
        "top_up_failed",
        "top_up_received",
    }
)


def received(top_up: TopUp, attachments: Sequence[Attachment]) -> None:
    """Money has arrived, by hand or automatically; with its receipt."""
    template = "automatic_top_up_received" if top_up.origin == "automatic" else "top_up_received"
    balance = get_balance(top_up.customer_id)
    _send(
        template,
        top_up.customer_id,
        f"received-{top_up.top_up_id}",
        {"top_up": top_up, "balance_micros": balance.available_micros},
        attachments,
    )


def failed(top_up: TopUp) -> None:
    """A payment from a stored mandate, asked for by hand, did not succeed."""
    _send_failure("top_up_failed", top_up)


def automatic_failed(top_up: TopUp) -> None:
    """The first failure of a run; the last one is told by `paused`."""
    _send_failure("automatic_top_up_failed", top_up)


def _send_failure(template: str, top_up: TopUp) -> None:
    customer = get_customer(top_up.customer_id)
    with in_locale(customer.locale):
        reason = failure_text(top_up)
    _send(template, top_up.customer_id, f"failed-{top_up.top_up_id}", {"top_up": top_up, "reason": reason})


def debit_announced(top_up: TopUp, method: PaymentMethod) -> None:
    """What will be debited, around when, under which mandate, by which creditor."""
    customer = get_customer(top_up.customer_id)
    with in_locale(customer.locale):
        label = method_label(method)
    _send(
        "debit_announced",
        top_up.customer_id,
        f"announced-{top_up.top_up_id}",
        {"top_up": top_up, "method": method, "method_label": label},
    )


def paused(row: AutoTopUp) -> None:
    """The engine has stopped until the customer acts."""
    telling.automatic_paused(row)
    _send(
        "automatic_top_up_paused",
        row.customer_id,
        f"paused-{row.paused_at:%Y%m%d%H%M%S%f}",
        {"because": row.paused_because},
    )


def switched_on(row: AutoTopUp) -> None:
    """Confirms the rule, with a copy of the consent it stands on."""
    _send(
        "automatic_top_up_on",
        row.customer_id,
        f"on-{row.updated_at:%Y%m%d%H%M%S%f}",
        {"rule": row, "consent": consent_of(row)},
    )


def switched_off(row: AutoTopUp) -> None:
    _send("automatic_top_up_off", row.customer_id, f"off-{row.updated_at:%Y%m%d%H%M%S%f}", {})


def mandate_revoked(method: PaymentMethod) -> None:
    """A payment method cannot be charged any more."""
    telling.method_revoked(method)
    customer = get_customer(method.customer_id)
    with in_locale(customer.locale):
        label = method_label(method)
    _send(
        "mandate_revoked",
        method.customer_id,
        f"revoked-{method.payment_method_id}",
        {"method": method, "method_label": label},
    )


def mandate_expiring(method: PaymentMethod) -> None:
    """A card will end soon, told once per date that it bears."""
    customer = get_customer(method.customer_id)
    with in_locale(customer.locale):
        label = method_label(method)
    _send(
        "mandate_expiring",
        method.customer_id,
        f"expiring-{method.payment_method_id}-{method.card_expires_on}",
        {"method_label": label, "expires_on": date.fromisoformat(str(method.card_expires_on))},
    )


def refunded(top_up: TopUp, refund: RefundFacts) -> None:
    _send(
        "refund_made",
        top_up.customer_id,
        f"refund-{refund.mollie_refund_id}",
        {"top_up": top_up, "refund_micros": refund.amount_micros},
    )


def charged_back(top_up: TopUp, chargeback: ChargebackFacts) -> None:
    telling.top_up_charged_back(top_up, chargeback.chargeback_id)
    balance = get_balance(top_up.customer_id)
    _send(
        "chargeback",
        top_up.customer_id,
        f"chargeback-{chargeback.chargeback_id}",
        {
            "top_up": top_up,
            "chargeback_micros": chargeback.amount_micros,
            "balance_micros": balance.available_micros,
        },
    )


def _send(
    template: str,
    customer_id: int,
    dedupe_key: str,
    context: dict[str, Any],
    attachments: Sequence[Attachment] = (),
) -> None:
    customer: Customer = get_customer(customer_id)
    if template in ABOUT_PAYMENTS:
        addressees.send(
            template,
            "payments",
            locale=customer.locale,
            customer_id=customer_id,
            context={"customer": customer, **context},
            attachments=attachments,
            dedupe_key=dedupe_key,
        )
        return
    send(
        template,
        to=billing_email(customer),
        locale=customer.locale,
        customer_id=customer_id,
        context={"customer": customer, **context},
        attachments=attachments,
        dedupe_key=dedupe_key,
    )

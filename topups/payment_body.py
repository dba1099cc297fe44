"""What we ask of Mollie, word for word. Made once per top-up and stored: a replay sends the same bytes."""

from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext

from app.config import settings
from app.customers.models import Customer
from app.document_names import document_text
from app.i18n import in_locale
from topups.models import TopUp

LOCALES: Final = {"nl": "nl_NL", "en": "en_GB"}


def amount_value(amount_micros: int) -> str:
    """Micros (whole cents) as Mollie writes amounts: "25.00"."""
    cents, rest = divmod(amount_micros, 10_000)
    if rest:
        raise ValueError(f"{amount_micros} micros are no whole cents")
    return format(Decimal(cents) / 100, ".2f")


def return_url(top_up_id: str) -> str:
    """The page a payer comes back to unless the request named another."""
    return f"{settings().public_url.rstrip('/')}/top-up/{top_up_id}"


def webhook_url(top_up_id: str) -> str:
    return f"{settings().webhook_base_url}/webhooks/mollie/{top_up_id}"


def description(customer: Customer, top_up: TopUp) -> str:
    """What the payer reads on the bank statement, in the customer's language."""
    with in_locale(customer.locale):
        if top_up.invoice_number is not None:
            document = document_text(top_up.invoice_number)
            text = f"{settings().provider.name} {document}"
        elif top_up.purpose == "method":
            text = gettext("%(provider)s, add payment method", provider=settings().provider.name)
        else:
            number = top_up.top_up_id.rpartition("_")[2][:8].upper()
            text = gettext(
                "%(provider)s balance %(number)s", provider=settings().provider.name, number=number
            )
    return str(text)


def payment_body(
    customer: Customer, top_up: TopUp, mollie_customer_id: str, mollie_mandate_id: str | None
) -> dict[str, Any]:
    """The body of the call that makes this payment. A recurring one always names its mandate."""
    body: dict[str, Any] = {
        "amount": {"currency": top_up.currency, "value": amount_value(top_up.paid_micros)},
        "description": description(customer, top_up),
        "webhookUrl": webhook_url(top_up.top_up_id),
        "locale": LOCALES[customer.locale],
        "customerId": mollie_customer_id,
        "sequenceType": top_up.sequence_type,
        "metadata": {"topup_id": top_up.top_up_id, "customer": customer.reference},
    }
    if top_up.sequence_type == "recurring":
        if mollie_mandate_id is None:
            raise ValueError("a recurring payment names its mandate")
        body["mandateId"] = mollie_mandate_id
        return body
    body["redirectUrl"] = top_up.return_url or return_url(top_up.top_up_id)
    if top_up.method is not None:
        body["method"] = top_up.method
    return body

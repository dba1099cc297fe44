"""Sending an issued document once more, as it was stored, to one of its customer's addressees."""

import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from flask_babel import gettext

from app import audit
from app.audit import Subject
from app.customers import addressees
from app.customers.addressees import Recipient
from app.customers.models import Customer
from app.customers.service import billing_email
from app.errors import Invalid
from invoicing import notices, reading

OWN: Final = "own"
_TOKEN: Final = re.compile(r"[a-f0-9]{32}")


def choices(customer: Customer) -> list[tuple[str, str]]:
    """Whom a document may be sent to, as values and labels of a form: the customer and each addressee."""
    own = billing_email(customer)
    named = addressees.addressees_of(customer.customer_id)
    others = [(str(one.addressee_id), one.email) for one in named if one.email.casefold() != own.casefold()]
    return [(OWN, own), *others]


def from_form(customer: Customer, number: str, form: Mapping[str, str]) -> str:
    """Send as a page's form says, once per form; the address. In a unit of work.

    Raises UnknownInvoice, UnknownAddressee, Rendering, Held, Invalid.
    """
    token = form.get("token", "")
    if not _TOKEN.fullmatch(token):
        raise Invalid(gettext("Reload this page and try again."))
    invoice = reading.find(number, customer.customer_id)
    recipient = _recipient(customer, form.get("to", OWN))
    notices.mail_again(invoice, recipient, request_key=token)
    audit.note(
        "invoice.sent_again",
        Subject("invoice", invoice.number, invoice.customer_id),
        after={"to": recipient.email},
    )
    return recipient.email


def _recipient(customer: Customer, chosen: str) -> Recipient:
    if chosen == OWN:
        return addressees.own_recipient(customer)
    try:
        addressee_id = UUID(chosen)
    except ValueError as error:
        raise addressees.UnknownAddressee from error
    found = addressees.find_addressee(customer.customer_id, addressee_id)
    return addressees.recipient_of(found, billing_email(customer))

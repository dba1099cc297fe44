"""Invoices told to the provider's programs: by outgoing webhook, once, with what makes it so."""

from datetime import date

from sqlalchemy import select

from app.db import db
from app.webhooks import service as webhooks
from invoicing import reading
from invoicing.models import INVOICE, UNPAID, Invoice
from invoicing.shapes import invoice_json


def requested(invoice: Invoice) -> None:
    """A payment request is on its way to the customer; its invoice is told of when it is issued."""
    _tell("invoice.requested", invoice, invoice.number)


def issued(invoice: Invoice) -> None:
    """An invoice or credit note is on its way to the customer."""
    _tell("invoice.issued", invoice, invoice.number)


def paid(invoice: Invoice, allocation: str) -> None:
    """Nothing is outstanding any more; told anew when it is paid again after a chargeback."""
    _tell("invoice.paid", invoice, allocation)


def overdue(invoice: Invoice) -> None:
    """Its due date has passed and no payment is under way."""
    _tell("invoice.overdue", invoice, invoice.number)


def overdue_since(day: date, before: date) -> list[tuple[int, str]]:
    """Customers and numbers of unpaid invoices that fell due from `day` on, and before `before`."""
    rows = db.session.execute(
        select(Invoice.customer_id, Invoice.number)
        .where(
            Invoice.kind == INVOICE,
            UNPAID,
            Invoice.due_date >= day,
            Invoice.due_date < before,
        )
        .order_by(Invoice.customer_id, Invoice.number)
    )
    return [(row.customer_id, row.number) for row in rows]


def tell_if_overdue(customer_id: int, number: str) -> None:
    """In a unit of work; again is harmless."""
    invoice = reading.find(number, customer_id)
    if reading.status_now(invoice) == "overdue":
        overdue(invoice)


def _tell(event: str, invoice: Invoice, dedupe_key: str) -> None:
    webhooks.tell(
        event,
        lambda: invoice_json(next(reading.with_status([invoice]))),
        customer_id=invoice.customer_id,
        dedupe_key=dedupe_key,
    )

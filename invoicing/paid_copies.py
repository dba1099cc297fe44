"""The paid copy: a second stored rendering of a paid invoice that says when and how it was paid, mailed once.

It stands beside the original, which never changes. An invoice that is re-opened and paid again gets another
copy; the first one stays as it was.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ScalarSelect, case, exists, func, select

from app.clock import utc_now
from app.customers import addressees
from app.db import db, in_unit_of_work
from app.pdf import render_pdf
from invoicing import documents, paper, reading, wording
from invoicing.document_links import url_of
from invoicing.models import IS_ISSUED, Allocation, Invoice, InvoiceDocument
from invoicing.notices import attached
from invoicing.paid_by import means_of

MAIL_TEMPLATE: Final = "invoice_paid"
# What is older than this and has no copy was paid before there were copies.
LOOK_BACK: Final = timedelta(days=14)


def make(number: str) -> bool:
    """Make, store and mail the paid copy. False when there is none to make. Raises PdfNotMade."""
    invoice = reading.find(number)
    if not invoice.asked_cents or invoice.outstanding_micros or invoice.settled_at is None:
        return False
    if invoice.credited_cents >= invoice.total_cents:
        # It was taken back, not paid.
        return False
    if _kind(invoice) in documents.paid_copies_of(invoice):
        return False
    paid = paper.Paid(invoice.settled_at, means_of(invoice))
    html = paper.html_of(invoice, paid)
    customer_id, invoice_id = invoice.customer_id, invoice.invoice_id
    db.session.rollback()
    return in_unit_of_work(_store_and_mail, customer_id, invoice_id, render_pdf(html), paid)


def key_of_number(number: str) -> str:
    """What the keys of all mails begin with that brought copies of this number."""
    return f"{MAIL_TEMPLATE}-{number}"


def _key(invoice: Invoice, kind: str) -> str:
    """One mail per copy, whatever runs twice."""
    key = key_of_number(invoice.number)
    return key if kind == documents.PAID_PDF else f"{key}-copy-{kind.rpartition('_')[2]}"


def _kind(invoice: Invoice) -> str:
    """What the copy of this settlement is called: it differs after each time that money left again."""
    reopened = db.session.scalar(select(_reopened(invoice.customer_id, invoice.invoice_id)))
    return f"{documents.PAID_PDF}_{reopened + 1}" if reopened else documents.PAID_PDF


def _reopened(customer_id: Any, invoice_id: Any) -> ScalarSelect[int]:
    """How often money that had settled an invoice left again."""
    return (
        select(func.count())
        .select_from(Allocation)
        .where(
            Allocation.customer_id == customer_id,
            Allocation.invoice_id == invoice_id,
            Allocation.amount_micros < 0,
        )
        .scalar_subquery()
    )


def missing(limit: int) -> list[str]:
    """Numbers of invoices that were paid some minutes ago and have no copy of that yet."""
    now = utc_now()
    reopened = _reopened(Invoice.customer_id, Invoice.invoice_id)
    kind = case((reopened == 0, documents.PAID_PDF), else_=func.concat(documents.PAID_PDF, "_", reopened + 1))
    made = exists().where(
        InvoiceDocument.customer_id == Invoice.customer_id,
        InvoiceDocument.invoice_id == Invoice.invoice_id,
        InvoiceDocument.kind == kind,
    )
    query = (
        select(Invoice.number)
        .where(
            Invoice.settled_at > now - LOOK_BACK,
            Invoice.settled_at < now - timedelta(minutes=5),
            Invoice.due_cents > Invoice.paid_first_cents,
            IS_ISSUED,
            Invoice.credited_cents < Invoice.total_cents,
            ~made,
        )
        .order_by(Invoice.settled_at)
        .limit(limit)
    )
    return list(db.session.scalars(query))


def _store_and_mail(customer_id: int, invoice_id: UUID, content: bytes, paid: paper.Paid) -> bool:
    invoice = db.session.get_one(Invoice, (customer_id, invoice_id), with_for_update=True)
    kind = _kind(invoice)
    if invoice.settled_at != paid.at or not documents.store(invoice, kind, content):
        return False
    addressees.send(
        MAIL_TEMPLATE,
        "payments",
        locale=invoice.locale,
        customer_id=customer_id,
        context={"invoice": invoice, "paid": paid, "url": url_of(invoice), "w": wording},
        attachments=[attached(invoice, kind)],
        dedupe_key=_key(invoice, kind),
    )
    return True

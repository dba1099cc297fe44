"""The paid copy: a second stored rendering of a paid invoice that says when and how it was paid, mailed once.

It stands beside the original, which never changes. An invoice that is re-opened and paid again keeps its
first copy.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select

from app.clock import utc_now
from app.customers import addressees
from app.db import db, in_unit_of_work
from app.i18n import in_locale
from app.pdf import render_pdf
from invoicing import documents, paper, reading, wording
from invoicing.document_links import url_of
from invoicing.models import IS_ISSUED, Allocation, Invoice, InvoiceDocument
from invoicing.notices import attached
from invoicing.paid_by import method_of
from topups import service as topups

MAIL_TEMPLATE: Final = "invoice_paid"
# What is older than this and has no copy was paid before there were copies.
LOOK_BACK: Final = timedelta(days=14)


def make(number: str) -> bool:
    """Make, store and mail the paid copy. False when there is none to make. Raises PdfNotMade."""
    invoice = reading.find(number)
    if not invoice.asked_cents or invoice.outstanding_micros or invoice.settled_at is None:
        return False
    if documents.PAID_PDF in documents.stored_kinds(invoice):
        return False
    method = method_of(invoice)
    if method is None:
        return False
    with in_locale(invoice.locale):
        paid = paper.Paid(invoice.settled_at, topups.name_within(method) or method)
        html = paper.html_of(invoice, paid)
    customer_id, invoice_id = invoice.customer_id, invoice.invoice_id
    db.session.rollback()
    return in_unit_of_work(_store_and_mail, customer_id, invoice_id, render_pdf(html), paid)


def key_of_number(number: str) -> str:
    """One mail per number, whatever runs twice."""
    return f"{MAIL_TEMPLATE}-{number}"


def missing(limit: int) -> list[str]:
    """Numbers of invoices that were paid by a payment some minutes ago and have no copy yet."""
    now = utc_now()
    here = (Allocation.customer_id == Invoice.customer_id, Allocation.invoice_id == Invoice.invoice_id)
    made = exists().where(
        InvoiceDocument.customer_id == Invoice.customer_id,
        InvoiceDocument.invoice_id == Invoice.invoice_id,
        InvoiceDocument.kind == documents.PAID_PDF,
    )
    query = (
        select(Invoice.number)
        .where(
            Invoice.settled_at > now - LOOK_BACK,
            Invoice.settled_at < now - timedelta(minutes=5),
            Invoice.due_cents > Invoice.paid_first_cents,
            IS_ISSUED,
            exists().where(*here, Allocation.top_up_id.is_not(None)),
            ~made,
        )
        .order_by(Invoice.settled_at)
        .limit(limit)
    )
    return list(db.session.scalars(query))


def _store_and_mail(customer_id: int, invoice_id: UUID, content: bytes, paid: paper.Paid) -> bool:
    invoice = db.session.get_one(Invoice, (customer_id, invoice_id))
    if not documents.store(invoice, documents.PAID_PDF, content):
        return False
    addressees.send(
        MAIL_TEMPLATE,
        "payments",
        locale=invoice.locale,
        customer_id=customer_id,
        context={"invoice": invoice, "paid": paid, "url": url_of(invoice), "w": wording},
        attachments=[attached(invoice, documents.PAID_PDF)],
        dedupe_key=key_of_number(invoice.number),
    )
    return True

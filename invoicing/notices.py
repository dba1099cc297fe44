"""Rendering an issued document and telling its customer: each happens once, whatever runs twice."""

from typing import Final
from uuid import UUID

from app import mail
from app.customers.service import billing_email, get_customer
from app.db import db, in_unit_of_work
from app.mail import Attachment
from app.pdf import render_pdf
from invoicing import documents, paper, reading, wording
from invoicing.models import CREDIT_NOTE, Invoice

MAIL_TEMPLATE: Final = "invoice_ready"


def dedupe_key(invoice: Invoice) -> str:
    """One mail per number, whatever runs twice."""
    return f"{MAIL_TEMPLATE}-{invoice.number}"


def render(number: str) -> bool:
    """Make, store and mail a document that is not stored yet. False when it was. Raises PdfNotMade.

    No transaction is open while the PDF is made; of two that make it at once, the first one's bytes stay.
    """
    invoice = reading.find(number)
    html = paper.html_of(invoice)
    customer_id, invoice_id = invoice.customer_id, invoice.invoice_id
    db.session.rollback()
    content = render_pdf(html)
    return in_unit_of_work(_store_and_mail, customer_id, invoice_id, content)


def _store_and_mail(customer_id: int, invoice_id: UUID, content: bytes) -> bool:
    invoice = db.session.get_one(Invoice, (customer_id, invoice_id))
    if not documents.store(invoice, documents.PDF, content):
        return False
    mail_invoice(invoice, content)
    return True


def mail_invoice(invoice: Invoice, content: bytes) -> None:
    """Mail the document in its own language, once per number."""
    attachment = Attachment(
        filename=documents.filename(invoice), content_type="application/pdf", content=content
    )
    mail.send(
        MAIL_TEMPLATE,
        to=billing_email(get_customer(invoice.customer_id)),
        locale=invoice.locale,
        customer_id=invoice.customer_id,
        context={
            "invoice": invoice,
            "is_credit_note": invoice.kind == CREDIT_NOTE,
            "url": paper.pay_url(invoice),
            "w": wording,
        },
        attachments=[attachment],
        dedupe_key=dedupe_key(invoice),
    )

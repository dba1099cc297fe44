"""How an invoice was paid, in words: for its paid copy, and where it was paid before it was issued."""

from sqlalchemy import select

from app.db import db
from app.i18n import in_locale
from invoicing.models import Allocation, Invoice
from invoicing.paper import Paid
from invoicing.wording import gettext
from topups import service as topups


def method_of(invoice: Invoice) -> str | None:
    """Mollie's name of the method that paid last; None when only credits did."""
    top_up_id = db.session.scalar(
        select(Allocation.top_up_id)
        .where(
            Allocation.customer_id == invoice.customer_id,
            Allocation.invoice_id == invoice.invoice_id,
            Allocation.top_up_id.is_not(None),
            Allocation.amount_micros > 0,
        )
        .order_by(Allocation.created_at.desc())
        .limit(1)
    )
    if top_up_id is None:
        return None
    return topups.find_top_up(top_up_id, invoice.customer_id).method or "banktransfer"


def before_issue(invoice: Invoice) -> Paid | None:
    """How it was paid when all of it had been, on payment request, before it was issued; else None."""
    if not invoice.paid_first_cents or invoice.asked_cents:
        return None
    with in_locale(invoice.locale):
        method = method_of(invoice)
        name = gettext("credits") if method is None else topups.name_within(method) or method
        return Paid(invoice.issued_at, name)

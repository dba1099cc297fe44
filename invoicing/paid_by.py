"""How an invoice was paid, in words: for its paid copy, and where it was paid before it was issued."""

from babel.lists import format_list
from sqlalchemy import func, select

from app.db import db
from app.i18n import in_locale
from invoicing.models import Allocation, Invoice
from invoicing.paper import Paid
from invoicing.wording import gettext
from topups import service as topups


def means_of(invoice: Invoice) -> str:
    """The ways of the payments that settle it now, and credits where they do, in its own language.

    What the bank took back pays nothing.
    """
    sources = db.session.scalars(
        select(Allocation.top_up_id)
        .where(Allocation.customer_id == invoice.customer_id, Allocation.invoice_id == invoice.invoice_id)
        .group_by(Allocation.top_up_id)
        .having(func.sum(Allocation.amount_micros) > 0)
        .order_by(Allocation.top_up_id.is_(None), func.max(Allocation.created_at))
    ).all()
    with in_locale(invoice.locale):
        names = [_name(source, invoice.customer_id) for source in sources] or [gettext("credits")]
    return format_list(list(dict.fromkeys(names)), locale=invoice.locale)


def _name(top_up_id: str | None, customer_id: int) -> str:
    if top_up_id is None:
        return gettext("credits")
    method = topups.find_top_up(top_up_id, customer_id).method or "banktransfer"
    return topups.name_within(method) or method


def before_issue(invoice: Invoice) -> Paid | None:
    """How it was paid when all of it had been, on payment request, before it was issued; else None."""
    if not invoice.paid_first_cents or invoice.asked_cents:
        return None
    return Paid(invoice.issued_at, means_of(invoice))

"""Settling invoices: money that comes in settles what is owed, money that leaves re-opens it.

Called inside the transaction that moves the money, under the customer's balance lock; each share is an
allocation row and one transfer between prepaid (or the customer's credits) and receivable. Credits and an
open invoice never stand beside each other: what there is of the one pays the other.
"""

from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import func, select

from app.clock import utc_now
from app.db import db
from app.jobs import enqueue
from app.ledger import service as ledger
from app.ledger.sides import Posting, Side
from app.money import MICROS_PER_CENT
from invoicing import dunning_suspension, payment_orders, payment_requests, telling, write_offs
from invoicing.due import allocate
from invoicing.models import UNPAID, Allocation, Invoice
from topups import service as topups

FOR_INVOICE: Final = "invoice"


def money_arrived(customer_id: int, top_up_id: str, amount_micros: int) -> None:
    """A payment was credited to prepaid: settle the invoices it was paid for, then the oldest open ones.

    What was given up of those it was paid for is owed again first. A top-up of the balance stays on the
    balance, whatever is owed; so does the rest of any payment.
    """
    payment = topups.find_top_up(top_up_id, customer_id)
    if payment.purpose != FOR_INVOICE:
        return
    named = payment_orders.invoices_of(customer_id, payment.request_key) or [str(payment.invoice_number)]
    write_offs.recover(customer_id, named, amount_micros)
    place = {number: position for position, number in enumerate(named)}
    debts = sorted(
        open_invoices(customer_id),
        key=lambda invoice: min(place.get(name, len(place)) for name in invoice.names),
    )
    shares = allocate(amount_micros, [invoice.outstanding_micros for invoice in debts])
    for invoice, share in zip(debts, shares, strict=True):
        if share:
            _allocate(invoice, top_up_id, share)
    dunning_suspension.refresh(customer_id)


def money_left(customer_id: int, top_up_id: str, amount_micros: int) -> None:
    """A refund or chargeback was taken off prepaid: re-open what that payment had settled, the last first."""
    left = amount_micros
    for invoice_id, settled in _settled_by(customer_id, top_up_id):
        share = min(left, settled)
        if share > 0:
            invoice = db.session.get_one(Invoice, (customer_id, invoice_id), with_for_update=True)
            _allocate(invoice, top_up_id, -share)
            left -= share
    settle_with_credits(customer_id)
    dunning_suspension.refresh(customer_id)


def settle_with_credits(
    customer_id: int, first: str | None = None, *, at_most_micros: int | None = None
) -> int:
    """Pay open invoices, that number first and then the oldest, from the customer's credits; micros used."""
    available = ledger.get_balance(customer_id).credits_micros
    available -= available % MICROS_PER_CENT
    if at_most_micros is not None:
        available = min(available, at_most_micros)
    if available <= 0:
        return 0
    debts = sorted(open_invoices(customer_id), key=lambda invoice: first not in invoice.names)
    shares = allocate(available, [invoice.outstanding_micros for invoice in debts])
    for invoice, share in zip(debts, shares, strict=True):
        if share:
            _allocate(invoice, None, share)
    dunning_suspension.refresh(customer_id)
    return sum(shares)


def open_invoices(customer_id: int) -> list[Invoice]:
    """Invoices that are not fully paid, the oldest first, locked."""
    return list(
        db.session.scalars(
            select(Invoice)
            .where(Invoice.customer_id == customer_id, UNPAID)
            .order_by(Invoice.issued_at, Invoice.number)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def _settled_by(customer_id: int, top_up_id: str) -> list[tuple[UUID, int]]:
    """Per invoice what this payment settles now, the share given last first."""
    rows = db.session.execute(
        select(Allocation.invoice_id, func.sum(Allocation.amount_micros))
        .where(Allocation.customer_id == customer_id, Allocation.top_up_id == top_up_id)
        .group_by(Allocation.invoice_id)
        .order_by(func.max(Allocation.created_at).desc())
    )
    return [(invoice_id, int(settled)) for invoice_id, settled in rows]


def _allocate(invoice: Invoice, top_up_id: str | None, amount_micros: int) -> None:
    """Settle (or, below zero, re-open) a share of an invoice: from a payment, or from credits."""
    now = utc_now()
    allocation = Allocation(
        customer_id=invoice.customer_id,
        allocation_id=uuid4(),
        invoice_id=invoice.invoice_id,
        top_up_id=top_up_id,
        amount_micros=amount_micros,
        created_at=now,
    )
    allocation.reference = f"allocation-{allocation.allocation_id}"
    db.session.add(allocation)
    settles = amount_micros > 0
    source = Side.CREDITS if top_up_id is None else Side.PREPAID
    paid_kind = "credits_settled" if top_up_id is None else "invoice_paid"
    ledger.post(
        Posting(
            customer_id=invoice.customer_id,
            kind=paid_kind if settles else "invoice_reopened",
            debit=source if settles else Side.RECEIVABLE,
            credit=Side.RECEIVABLE if settles else source,
            amount_micros=abs(amount_micros),
            reference=allocation.reference,
        )
    )
    invoice.settled_micros += amount_micros
    # What was given up is not paid, though nobody asks for it any more.
    is_settled = invoice.outstanding_micros == 0 and invoice.written_off_micros == 0
    invoice.settled_at = now if is_settled else None
    db.session.flush()
    if invoice.settled_at is not None and invoice.is_request:
        payment_requests.settled(invoice, allocation.reference)
    elif invoice.settled_at is not None:
        telling.paid(invoice, allocation.reference)
        enqueue(
            "invoicing.jobs.make_paid_copy", invoice.number, queue="bulk", job_id=f"paid-{invoice.number}"
        )

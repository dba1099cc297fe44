"""Fees for paying late as claims: beside the invoice, which never changes, and asked with it.

A fee bears no VAT. It is owed like the rest of what is outstanding, so a payment settles both.
"""

from datetime import date

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.clock import utc_now
from app.db import db
from app.errors import Conflict
from app.ledger import service as ledger
from app.ledger.sides import Posting, Side
from app.money import micros_of_cents
from invoicing import payment_requests
from invoicing.dunning_models import LateFee
from invoicing.models import Invoice, is_named
from invoicing.reasons import checked_reason


class NoFeeToWaive(Conflict):
    code = "no_fee_to_waive"
    title = lazy_gettext("There is no unpaid fee to waive on this invoice.")


def charge(invoice: Invoice, amount_cents: int, *, basis: str, today: date) -> LateFee:
    """Claim a fee, once per invoice. In a unit of work, the balance locked."""
    fee = LateFee(
        customer_id=invoice.customer_id,
        invoice_id=invoice.invoice_id,
        amount_cents=amount_cents,
        basis=basis[:64],
        charged_on=today,
    )
    db.session.add(fee)
    ledger.post(
        Posting(
            customer_id=invoice.customer_id,
            kind="late_fee",
            debit=Side.RECEIVABLE,
            credit=Side.REVENUE,
            amount_micros=micros_of_cents(amount_cents),
            reference=_reference(invoice),
        )
    )
    invoice.late_fee_cents = amount_cents
    db.session.flush()
    return fee


def find(invoice: Invoice) -> LateFee | None:
    """The fee of an invoice, waived or not."""
    return db.session.get(LateFee, (invoice.customer_id, invoice.invoice_id))


def waive(customer_id: int, number: str, reason: str) -> None:
    """Take a fee back of which nothing was paid. In a unit of work. Raises NoFeeToWaive, Invalid."""
    why = checked_reason(reason)
    ledger.lock_balance(customer_id)
    invoice = db.session.scalars(
        select(Invoice)
        .where(Invoice.customer_id == customer_id, is_named([number]))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    fee = find(invoice)
    if fee is None or fee.waived_at is not None or not invoice.late_fee_cents:
        raise NoFeeToWaive
    if invoice.outstanding_micros < micros_of_cents(fee.amount_cents):
        raise NoFeeToWaive
    fee.waived_at, fee.waived_because = utc_now(), why
    ledger.post(
        Posting(
            customer_id=customer_id,
            kind="late_fee_waived",
            debit=Side.REVENUE,
            credit=Side.RECEIVABLE,
            amount_micros=micros_of_cents(fee.amount_cents),
            reference=f"{_reference(invoice)}-waived",
        )
    )
    invoice.late_fee_cents = 0
    db.session.flush()
    if invoice.outstanding_micros == 0:
        invoice.settled_at = utc_now()
        if invoice.is_request:
            payment_requests.settled(invoice)


def _reference(invoice: Invoice) -> str:
    return f"late-fee-{invoice.invoice_id}"

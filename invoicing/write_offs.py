"""Uncollectible: what an operator gives up of an invoice, and what arrives of it all the same.

Giving up moves what is outstanding from the receivable to bad debt and notes the VAT in it, which is asked
back in the VAT return. Money that comes later for that invoice takes back as much of it first. The customer
never reads that word: to them the invoice is closed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import uuid4

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.clock import utc_now
from app.db import db
from app.errors import Conflict
from app.i18n import local_date
from app.ledger import service as ledger
from app.ledger.sides import Posting, Side
from app.money import cents_of_micros, round_half_up
from invoicing import payment_requests
from invoicing.dunning_models import WriteOff
from invoicing.errors import NothingToPay, PaymentUnderWay
from invoicing.models import INVOICE, Invoice, is_named
from invoicing.reading import find, with_status
from invoicing.reasons import checked_reason
from invoicing.wording import gettext


class AlreadyWrittenOff(Conflict):
    code = "already_uncollectible"
    title = lazy_gettext("This invoice is uncollectible already.")


@dataclass(frozen=True, slots=True)
class Declared:
    """A row for the VAT return: what was given up, or came back (below zero), and the VAT in it."""

    day: date
    number: str
    issue_date: date
    country: str
    name: str
    amount_cents: int
    vat_cents: int
    reason: str


def write_off(number: str, reason: str, user_id: int | None = None) -> Invoice:
    """Give up what is outstanding of an invoice. In a unit of work.

    Raises UnknownInvoice, NothingToPay, PaymentUnderWay, AlreadyWrittenOff, Invalid.
    """
    why = checked_reason(reason)
    customer_id = find(number).customer_id
    ledger.lock_balance(customer_id)
    invoice = _locked(customer_id, [number])[0]
    listed = next(with_status([invoice]))
    if listed.status == "uncollectible":
        raise AlreadyWrittenOff
    if listed.status == "in_progress":
        raise PaymentUnderWay
    if invoice.outstanding_micros <= 0 or invoice.kind != INVOICE:
        raise NothingToPay
    if invoice.is_request:
        # What is asked back in the VAT return must have been invoiced.
        payment_requests.issue([invoice])
    _book(invoice, invoice.outstanding_micros, why, user_id)
    return invoice


def recover(customer_id: int, numbers: Collection[str], amount_micros: int) -> None:
    """Money has come for these invoices: what was given up of them is owed again, as far as it reaches.

    The customer's balance is locked.
    """
    left = amount_micros
    for invoice in _locked(customer_id, numbers):
        # What is open of the invoice itself is paid before what was given up of it.
        left -= min(left, invoice.outstanding_micros)
        share = min(left, invoice.written_off_micros)
        if share > 0:
            _book(invoice, -share, gettext("A payment or credit note"), None)
            left -= share


def vat_of(invoice: Invoice, amount_micros: int) -> int:
    """The VAT, in cents, within an amount of an invoice; a late fee, given up last, bears none."""
    if invoice.total_cents <= 0:
        return 0
    without_fee = min(cents_of_micros(abs(amount_micros)), invoice.due_cents)
    share = round_half_up(Decimal(invoice.vat_cents * without_fee) / invoice.total_cents, 0)
    return int(share) if amount_micros > 0 else -int(share)


def declared_between(first: date, last: date) -> list[Declared]:
    """What was given up or came back on these days, the oldest first."""
    rows = db.session.execute(
        select(WriteOff, Invoice)
        .join(
            Invoice,
            (Invoice.customer_id == WriteOff.customer_id) & (Invoice.invoice_id == WriteOff.invoice_id),
        )
        .where(WriteOff.booked_on >= first, WriteOff.booked_on <= last)
        .order_by(WriteOff.booked_on, WriteOff.created_at)
    )
    return [
        Declared(
            day=row.WriteOff.booked_on,
            number=row.Invoice.number,
            issue_date=row.Invoice.issue_date,
            country=row.Invoice.buyer["country"],
            name=row.Invoice.buyer["name"],
            amount_cents=cents_of_micros(row.WriteOff.amount_micros),
            vat_cents=row.WriteOff.vat_cents,
            reason=row.WriteOff.reason,
        )
        for row in rows
    ]


def of_invoice(invoice: Invoice) -> list[WriteOff]:
    """What was given up of an invoice and what came back, the oldest first."""
    return list(
        db.session.scalars(
            select(WriteOff)
            .where(WriteOff.customer_id == invoice.customer_id, WriteOff.invoice_id == invoice.invoice_id)
            .order_by(WriteOff.created_at)
        )
    )


def _book(invoice: Invoice, amount_micros: int, reason: str, user_id: int | None) -> None:
    """Give up, or below zero take back, an amount; the rows' VAT adds up to that of what is given up."""
    now = utc_now()
    before = sum(row.vat_cents for row in of_invoice(invoice))
    invoice.written_off_micros += amount_micros
    row = WriteOff(
        customer_id=invoice.customer_id,
        write_off_id=uuid4(),
        invoice_id=invoice.invoice_id,
        amount_micros=amount_micros,
        vat_cents=vat_of(invoice, invoice.written_off_micros) - before,
        reason=reason,
        user_id=user_id,
        booked_on=local_date(now),
        created_at=now,
    )
    db.session.add(row)
    gives_up = amount_micros > 0
    ledger.post(
        Posting(
            customer_id=invoice.customer_id,
            kind="written_off" if gives_up else "write_off_reversed",
            debit=Side.BAD_DEBT if gives_up else Side.RECEIVABLE,
            credit=Side.RECEIVABLE if gives_up else Side.BAD_DEBT,
            amount_micros=abs(amount_micros),
            reference=f"write-off-{row.write_off_id}",
        )
    )
    db.session.flush()


def _locked(customer_id: int, numbers: Collection[str]) -> list[Invoice]:
    return list(
        db.session.scalars(
            select(Invoice)
            .where(Invoice.customer_id == customer_id, is_named(numbers))
            .order_by(Invoice.issued_at, Invoice.number)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )

"""Bank transfers as an operator sees them: what waits, whose it may be and why, and what was decided.

A list costs the same few statements however many transfers are on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from uuid import UUID

from flask_babel import gettext
from sqlalchemy import func, select

from app.customers.models import Customer
from app.customers.service import find_customer, get_customers
from app.db import db
from app.errors import AppError, Invalid
from app.i18n import money
from invoicing import bank_booking, bank_reading
from invoicing.bank_matching import Known, Match, OpenInvoice, Rule, clues_of
from invoicing.bank_models import BankEntry, BankEntryEvent
from invoicing.models import INVOICE, UNPAID, Invoice

Show = Literal["queued", "matched", "other", "all"]
SHOWS: Final[tuple[Show, ...]] = ("queued", "matched", "other", "all")
MOST_SUGGESTIONS: Final = 4
_STATUSES: Final[dict[Show, tuple[str, ...]]] = {
    "queued": ("queued", "new"),
    "matched": ("matched",),
    "other": ("payout", "other", "outgoing", "returned"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Whose a transfer may be, or which transfer it takes back, and why we think so."""

    why: str
    customer: Customer | None = None
    invoice_number: str | None = None
    original: BankEntry | None = None
    # Of a transfer that is taken back in part: how much.
    part_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A transfer on the page, with the customer that it was given to or suggestions whose it may be."""

    entry: BankEntry
    customer: Customer | None = None
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is known of the payers of one list."""

    by_iban: dict[str, Known]
    same_amount: dict[int, list[OpenInvoice]]
    same_name: dict[str, list[int]]
    customers: dict[int, Customer] = field(default_factory=dict)


def page(
    show: Show, *, run: UUID | None = None, after: UUID | None = None, limit: int = 25
) -> tuple[list[Row], UUID | None]:
    """Transfers, the newest first, and the id after which the next page begins."""
    query = select(BankEntry).order_by(BankEntry.booked_on.desc(), BankEntry.entry_id).limit(limit + 1)
    if show in _STATUSES:
        query = query.where(BankEntry.status.in_(_STATUSES[show]))
    if run is not None:
        query = query.where(BankEntry.import_id == run)
    if after is not None:
        last = bank_booking.find_entry(after)
        query = query.where(
            (BankEntry.booked_on < last.booked_on)
            | ((BankEntry.booked_on == last.booked_on) & (BankEntry.entry_id > after))
        )
    found = list(db.session.scalars(query))
    return rows_of(found[:limit]), found[limit - 1].entry_id if len(found) > limit else None


def waiting_count() -> int:
    return int(db.session.scalar(select(func.count()).where(BankEntry.status.in_(_STATUSES["queued"]))) or 0)


def one(entry_id: UUID) -> tuple[Row, list[BankEntryEvent]]:
    """Raises UnknownEntry."""
    entry = bank_booking.find_entry(entry_id)
    row = rows_of([entry])[0]
    if entry.amount_micros < 0 and entry.status in bank_booking.WAITING:
        row = replace(row, suggestions=_takes_back(entry))
    return row, bank_booking.events_of(entry_id)


def rows_of(entries: Sequence[BankEntry]) -> list[Row]:
    facts = _facts(entries)
    return [
        Row(
            entry=entry,
            customer=facts.customers.get(entry.customer_id or 0),
            suggestions=_suggestions(entry, facts) if entry.status in bank_booking.WAITING else (),
        )
        for entry in entries
    ]


def assign(entry_id: UUID, reference: str, number: str, *, to_balance: bool, actor: str) -> BankEntry:
    """An operator's decision whose a transfer is. In a unit of work.

    Raises Invalid naming the field, EntryDecided, UnknownInvoice.
    """
    try:
        customer = find_customer(reference)
    except AppError as error:
        raise Invalid(error.detail or error.title, field="customer") from error
    invoice = number or None
    rule = Rule.BALANCE_REFERENCE if to_balance else Rule.OPERATOR
    if to_balance and invoice:
        raise Invalid(gettext("Choose the balance or an invoice, not both."), field="invoice")
    match = Match(rule, customer.customer_id, invoice)
    try:
        entry = bank_booking.give(entry_id, match, actor=actor)
    except bank_booking.EntryDecided:
        raise
    except AppError as error:
        raise Invalid(error.detail or error.title, field="invoice") from error
    entry.rule = Rule.OPERATOR.value
    return entry


def _facts(entries: Sequence[BankEntry]) -> _Facts:
    waiting = [entry for entry in entries if entry.status in bank_booking.WAITING and entry.amount_micros > 0]
    clues = [clues_of(bank_reading.incoming_of(entry)) for entry in waiting]
    by_iban = bank_reading.known_of(clues, [entry.counterparty_iban for entry in waiting]) if waiting else {}
    same_amount = _same_amount({entry.amount_micros for entry in waiting})
    same_name = _same_name({entry.counterparty_name.casefold() for entry in waiting} - {""})
    wanted = {entry.customer_id for entry in entries if entry.customer_id}
    wanted |= {one.customer_id for known in by_iban.values() for one in known.invoices.values()}
    wanted |= {customer_id for known in by_iban.values() for customer_id in known.payers}
    wanted |= {one.customer_id for found in same_amount.values() for one in found}
    wanted |= {customer_id for found in same_name.values() for customer_id in found}
    customers = get_customers(wanted) if wanted else {}
    return _Facts(by_iban=by_iban, same_amount=same_amount, same_name=same_name, customers=customers)


def _same_amount(amounts: set[int]) -> dict[int, list[OpenInvoice]]:
    """Open invoices of which exactly such an amount is outstanding; a few of each, the oldest first."""
    found: dict[int, list[OpenInvoice]] = {}
    if not amounts:
        return found
    claim = (Invoice.due_cents + Invoice.late_fee_cents) * 10_000
    outstanding = claim - Invoice.settled_micros - Invoice.written_off_micros
    rows = db.session.scalars(
        select(Invoice)
        .where(
            Invoice.kind == INVOICE,
            UNPAID,
            outstanding.in_(amounts),
        )
        .order_by(Invoice.issued_at, Invoice.number)
        .limit(200)
    )
    for row in rows:
        found.setdefault(row.outstanding_micros, []).append(bank_reading.open_invoice_of(row))
    return found


def _same_name(names: set[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    if names:
        name = func.lower(Customer.name)
        rows = db.session.execute(
            select(name, Customer.customer_id).where(name.in_(names), Customer.kind != "house").limit(100)
        )
        for lowered, customer_id in rows:
            found.setdefault(lowered, []).append(customer_id)
    return found


def _takes_back(entry: BankEntry) -> tuple[Suggestion, ...]:
    """Transfers of the same amount first, then those of which this may take back a part."""
    same = [
        Suggestion(why=gettext("Of the same amount."), original=original)
        for original in bank_reading.originals(entry)[:MOST_SUGGESTIONS]
    ]
    room = MOST_SUGGESTIONS - len(same)
    parts = [
        Suggestion(
            why=gettext("Only a part: %(left)s is left of it.", left=money(left)),
            original=original,
            part_micros=-entry.amount_micros,
        )
        for original, left in (bank_reading.larger_originals(entry, room) if room else ())
    ]
    return (*same, *parts)


def _suggestions(entry: BankEntry, facts: _Facts) -> tuple[Suggestion, ...]:
    if entry.amount_micros < 0:
        return ()
    known = facts.by_iban.get(entry.counterparty_iban, Known())
    clues = clues_of(bank_reading.incoming_of(entry))
    found: dict[tuple[int, str | None], str] = {}
    for number in (*clues.references, *clues.numbers, *clues.end_to_end):
        if number in known.invoices:
            found.setdefault((known.invoices[number].customer_id, number), gettext("Names this invoice."))
    for customer_id in sorted(known.payers):
        found.setdefault((customer_id, None), gettext("This account has paid for this customer before."))
    for customer_id in facts.same_name.get(entry.counterparty_name.casefold(), ()):
        found.setdefault((customer_id, None), gettext("The payer has this customer's name."))
    for invoice in facts.same_amount.get(entry.amount_micros, ()):
        found.setdefault((invoice.customer_id, invoice.number), gettext("Exactly this amount is open."))
    return tuple(
        Suggestion(why=why, customer=facts.customers[customer_id], invoice_number=number)
        for (customer_id, number), why in list(found.items())[:MOST_SUGGESTIONS]
        if customer_id in facts.customers
    )

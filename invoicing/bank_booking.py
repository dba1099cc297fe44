"""What becomes of a movement on our account: given to a customer, taken back, set aside, and undone.

Each joins the caller's unit of work, locks the customer's balance first and the movement after it, and acts
only where the movement still waits: of two that decide at once the second is told so. Every decision is an
event that says who made it. Money that was given to the wrong customer is moved back, never unwritten.
"""

from typing import Final
from uuid import UUID

from flask_babel import lazy_gettext
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.clock import utc_now
from app.customers.service import HOUSE_CUSTOMER_ID
from app.db import db
from app.errors import Conflict, Invalid, NotFound
from app.ledger import service as ledger
from app.ledger.sides import Posting, Side
from invoicing import reading
from invoicing.bank_matching import Match, Rule
from invoicing.bank_models import BankEntry, BankEntryEvent, PayerAccount
from invoicing.errors import UnknownInvoice
from invoicing.models import INVOICE
from invoicing.settlement import open_invoices
from topups import service as topups

WAITING: Final = frozenset({"new", "queued"})
MATCHING: Final = "matching"


class UnknownEntry(NotFound):
    code = "unknown_bank_entry"
    title = lazy_gettext("There is no such bank transfer.")


class EntryDecided(Conflict):
    code = "bank_entry_decided"
    title = lazy_gettext("Somebody has dealt with this bank transfer already.")


class NotUndoable(Conflict):
    code = "bank_entry_not_undoable"
    title = lazy_gettext("The bank has taken this transfer back: there is nothing left to undo.")


def find_entry(entry_id: UUID) -> BankEntry:
    """Raises UnknownEntry."""
    found = db.session.get(BankEntry, entry_id)
    if found is None:
        raise UnknownEntry
    return found


def events_of(entry_id: UUID) -> list[BankEntryEvent]:
    query = select(BankEntryEvent).where(BankEntryEvent.entry_id == entry_id)
    return list(db.session.scalars(query.order_by(BankEntryEvent.number)))


def give(entry_id: UUID, match: Match, *, actor: str = MATCHING) -> BankEntry:
    """Credit a transfer to a customer, as every payment is. Raises EntryDecided, UnknownInvoice.

    What names neither an invoice nor the balance settles the oldest open invoice.
    """
    ledger.lock_balance(match.customer_id)
    entry = _lock_waiting(entry_id)
    if entry.amount_micros < 0:
        raise Invalid
    number = match.invoice_number
    if number is not None:
        if reading.find(number, match.customer_id).kind != INVOICE:
            raise UnknownInvoice
    elif match.rule is not Rule.BALANCE_REFERENCE:
        owed = open_invoices(match.customer_id)
        number = owed[0].number if owed else None
    entry.turns += 1
    payment = topups.receive_bank_transfer(
        match.customer_id,
        entry.amount_micros,
        key=f"bank-{entry.entry_id}-{entry.turns}",
        invoice_number=number,
    )
    entry.customer_id, entry.invoice_number, entry.top_up_id = match.customer_id, number, payment.top_up_id
    _decide(entry, "matched", match.rule, actor, number or "")
    _learn(entry)
    return entry


def take_back(entry_id: UUID, original_id: UUID, *, actor: str = MATCHING) -> BankEntry:
    """The bank reversed a transfer, or a part of it: its customer owes again what that had settled.

    Never more than is left of the transfer is taken back. Raises EntryDecided, Invalid.
    A transfer that nobody had been given yet is never given: both leave the queue.
    """
    owner = find_entry(original_id).customer_id
    if owner is not None:
        ledger.lock_balance(owner)
    original, entry = _lock_both(original_id, entry_id)
    if original.customer_id != owner:
        raise EntryDecided
    back_micros = -entry.amount_micros
    if back_micros <= 0 or original.account_iban != entry.account_iban:
        raise Invalid
    left_micros = original.amount_micros - taken_back_micros(original)
    if original.status in WAITING and back_micros != left_micros:
        raise Invalid(lazy_gettext("Match that transfer first: only a part of it is taken back."))
    if left_micros <= 0:
        raise EntryDecided
    if back_micros > left_micros:
        raise Invalid(lazy_gettext("This is more than is left of that transfer."))
    if original.status in WAITING:
        entry.original_id = original_id
        _decide(original, "returned", Rule.REVERSAL, actor, "")
        _decide(entry, "returned", Rule.REVERSAL, actor, "")
        return entry
    if original.top_up_id is None or original.customer_id is None:
        raise EntryDecided
    entry.turns += 1
    key = f"returned-{entry.entry_id.hex}-{entry.turns}"
    topups.take_bank_transfer_back(original.top_up_id, back_micros, key=key)
    entry.original_id, entry.top_up_id = original_id, original.top_up_id
    entry.customer_id, entry.invoice_number = original.customer_id, original.invoice_number
    _decide(entry, "matched", Rule.REVERSAL, actor, original.invoice_number or "")
    return entry


def note_payout(entry_id: UUID) -> BankEntry:
    """Our payment provider paid out what it held for us: nobody's payment."""
    ledger.lock_balance(HOUSE_CUSTOMER_ID)
    entry = _lock_waiting(entry_id)
    entry.turns += 1
    _move_payout(entry, undo=False)
    _decide(entry, "payout", Rule.PAYOUT, MATCHING, "")
    return entry


def queue(entry_id: UUID) -> None:
    """Nothing says whose it is: a person looks."""
    entry = _lock(entry_id)
    if entry.status == "new":
        _decide(entry, "queued", None, MATCHING, "")


def note_outgoing(entry_id: UUID) -> None:
    """We paid somebody: no customer's money came or went."""
    entry = _lock(entry_id)
    if entry.status == "new":
        _decide(entry, "outgoing", None, MATCHING, "")


def set_aside(entry_id: UUID, reason: str, *, actor: str) -> None:
    """Not from a customer, says an operator. Raises EntryDecided."""
    entry = _lock_waiting(entry_id)
    _decide(entry, "other", Rule.OPERATOR, actor, reason)


def undo(entry_id: UUID, *, actor: str) -> BankEntry:
    """Back to the queue: what was moved is moved back. Raises EntryDecided, NotUndoable."""
    entry = find_entry(entry_id)
    owner = HOUSE_CUSTOMER_ID if entry.status == "payout" else entry.customer_id
    if owner is not None:
        ledger.lock_balance(owner)
    before = (entry.status, entry.customer_id, entry.turns)
    entry = _lock(entry_id)
    if entry.status not in _UNDOABLE or before != (entry.status, entry.customer_id, entry.turns):
        raise EntryDecided
    if entry.status == "payout":
        _move_payout(entry, undo=True)
    elif entry.status == "matched":
        _move_back(entry)
    elif entry.status == "returned":
        _release_pair(entry, actor)
    entry.top_up_id = entry.customer_id = entry.invoice_number = entry.original_id = None
    _decide(entry, "queued", None, actor, "", action="undone")
    return entry


_UNDOABLE: Final = frozenset({"matched", "payout", "other", "returned"})


def _move_back(entry: BankEntry) -> None:
    if entry.top_up_id is None:
        raise AssertionError(f"{entry.entry_id} is matched without a payment")
    key = f"undone-{entry.entry_id.hex}-{entry.turns}"
    if entry.original_id is not None:
        topups.give_bank_transfer_again(entry.top_up_id, -entry.amount_micros, key=key)
        return
    if taken_back_micros(entry):
        raise NotUndoable
    _forget(entry)
    kind = topups.CORRECTED
    topups.take_bank_transfer_back(entry.top_up_id, entry.amount_micros, key=key, kind=kind)


def _release_pair(entry: BankEntry, actor: str) -> None:
    """A transfer and its reversal that met in the queue part again."""
    others = BankEntry.original_id == entry.entry_id
    if entry.original_id is not None:
        others = BankEntry.entry_id == entry.original_id
    for other in db.session.scalars(select(BankEntry).where(others, BankEntry.status == "returned")):
        other.original_id = None
        _decide(other, "queued", None, actor, "", action="undone")


def taken_back_micros(original: BankEntry) -> int:
    """What reversals have taken back of a transfer so far."""
    taken = select(func.coalesce(func.sum(-BankEntry.amount_micros), 0)).where(
        BankEntry.original_id == original.entry_id, BankEntry.status.in_(("matched", "returned"))
    )
    return int(db.session.scalar(taken) or 0)


def _move_payout(entry: BankEntry, *, undo: bool) -> None:
    """From the payment provider to the bank; a payout below zero goes the other way."""
    to_bank = (entry.amount_micros > 0) is not undo
    ledger.post(
        Posting(
            customer_id=HOUSE_CUSTOMER_ID,
            kind="payout",
            debit=Side.BANK if to_bank else Side.PSP,
            credit=Side.PSP if to_bank else Side.BANK,
            amount_micros=abs(entry.amount_micros),
            reference=f"payout-{entry.entry_id}-{entry.turns}{'-undone' if undo else ''}",
        )
    )


def _lock(entry_id: UUID) -> BankEntry:
    entry = db.session.scalars(
        select(BankEntry)
        .where(BankEntry.entry_id == entry_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if entry is None:
        raise UnknownEntry
    return entry


def _lock_waiting(entry_id: UUID) -> BankEntry:
    entry = _lock(entry_id)
    if entry.status not in WAITING:
        raise EntryDecided
    return entry


def _lock_both(original_id: UUID, entry_id: UUID) -> tuple[BankEntry, BankEntry]:
    """In the order of their ids, so that two who do this at once do not wait for each other."""
    locked = {one: _lock(one) for one in sorted((original_id, entry_id))}
    if locked[entry_id].status not in WAITING:
        raise EntryDecided
    return locked[original_id], locked[entry_id]


def _decide(
    entry: BankEntry, status: str, rule: Rule | None, actor: str, detail: str, *, action: str | None = None
) -> None:
    entry.status, entry.rule, entry.decided_at = status, rule.value if rule else None, utc_now()
    number = select(func.coalesce(func.max(BankEntryEvent.number), 0) + 1).where(
        BankEntryEvent.entry_id == entry.entry_id
    )
    db.session.add(
        BankEntryEvent(
            entry_id=entry.entry_id,
            number=int(db.session.scalar(number) or 1),
            action=action or status,
            actor=actor[:200],
            detail=detail[:500],
            happened_at=utc_now(),
        )
    )
    db.session.flush()


def _learn(entry: BankEntry) -> None:
    """The account that paid is known as this customer's from now on."""
    if entry.counterparty_iban:
        db.session.execute(
            insert(PayerAccount)
            .values(
                iban=entry.counterparty_iban,
                customer_id=entry.customer_id,
                learned_from=entry.entry_id,
                learned_at=utc_now(),
            )
            .on_conflict_do_nothing()
        )


def _forget(entry: BankEntry) -> None:
    """What was learned from a wrong assignment."""
    db.session.execute(delete(PayerAccount).where(PayerAccount.learned_from == entry.entry_id))

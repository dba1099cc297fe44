"""Reading bank statements: each movement is kept once, then matched in a transaction of its own.

The same file, or one that overlaps it, changes nothing: a movement is known by our account and its key. A
file is taken whole or not at all. A run that dies leaves movements that are `new`; the sweep goes on.
"""

import hashlib
import re
from typing import Final
from uuid import UUID, uuid4

import structlog
from flask_babel import lazy_gettext
from sqlalchemy import select, text

from app.clock import utc_now
from app.config import settings
from app.db import db, in_unit_of_work
from app.errors import Invalid
from app.money import MICROS_PER_CENT
from invoicing import bank_booking, bank_reading, camt
from invoicing.bank_matching import clues_of, is_payout, match, original_of
from invoicing.bank_models import BankEntry, BankImport

_LOCK: Final = 7_053  # of all who import at once, one does
# Whose account our payment provider pays out from, beside the creditor that settings name.
PAYS_OUT: Final = ("Stichting Mollie Payments", "Mollie Payments", "Mollie B.V.", "Mollie")
_log = structlog.get_logger("invoicing")


class StatementRefused(Invalid):
    code = "statement_refused"
    title = lazy_gettext("This is not a bank statement that we can read.")


class UnknownAccount(Invalid):
    code = "unknown_account"
    title = lazy_gettext("This statement is of an account that is not ours.")


def read_file(content: bytes, file_name: str, *, imported_by: str) -> UUID:
    """Keep a file's movements, each once. In a unit of work; matching follows with `match_new`.

    Raises StatementRefused, UnknownAccount.
    """
    try:
        statements = camt.parse(content)
    except camt.NotAStatement as error:
        raise StatementRefused(error.why, field="file") from error
    for statement in statements:
        _check_account(statement)
    db.session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    run = BankImport(
        import_id=uuid4(),
        file_name=re.sub(r"[^\w .()-]", "_", file_name)[-200:] or "-",
        sha256=hashlib.sha256(content).hexdigest(),
        imported_by=imported_by[:200],
        imported_at=utc_now(),
        booked=0,
        duplicates=0,
    )
    db.session.add(run)
    db.session.flush()
    for statement in statements:
        booked = _keep(run, statement)
        run.booked += booked
        run.duplicates += len(statement.movements) - booked
    return run.import_id


def match_new(import_id: UUID | None = None) -> None:
    """Match what is new, of one run or of all, each movement in a transaction of its own.

    Again is harmless. One that cannot be booked stays new and holds up no other; its error is raised last.
    """
    query = select(BankEntry.entry_id).where(BankEntry.status == "new")
    if import_id is not None:
        query = query.where(BankEntry.import_id == import_id)
    # Money that came before what takes it back again, on the same day too.
    waiting = list(
        db.session.scalars(
            query.order_by(BankEntry.booked_on, BankEntry.amount_micros.desc(), BankEntry.entry_id)
        )
    )
    db.session.rollback()
    failed: Exception | None = None
    for entry_id in waiting:
        try:
            in_unit_of_work(_match, entry_id)
        except bank_booking.EntryDecided:
            _log.info("bank_entry_decided_meanwhile", entry_id=str(entry_id))
        except Exception as error:  # noqa: BLE001 -- raised below, when the others are done
            _log.error("bank_entry_not_matched", entry_id=str(entry_id), error=str(error))
            failed = error
    if failed is not None:
        raise failed


def _check_account(statement: camt.Statement) -> None:
    """Raises UnknownAccount, StatementRefused."""
    if statement.iban != camt.compact_iban(settings().provider.iban):
        raise UnknownAccount(
            lazy_gettext("This statement is of account %(iban)s, which is not ours.", iban=statement.iban),
            field="file",
        )
    if statement.currency not in ("", settings().currency):
        raise StatementRefused(
            lazy_gettext("Only %(currency)s is accepted here.", currency=settings().currency), field="file"
        )


def _keep(run: BankImport, statement: camt.Statement) -> int:
    """Keep the movements that are new; how many. An entry that is known is known with all its parts."""
    known = set(
        db.session.scalars(
            select(BankEntry.entry_key).where(
                BankEntry.account_iban == statement.iban,
                BankEntry.entry_key.in_({movement.key for movement in statement.movements}),
            )
        )
    )
    new = {(one.key, one.part): one for one in statement.movements if one.key not in known}
    db.session.add_all(_row(run, statement.iban, movement) for movement in new.values())
    db.session.flush()
    return len(new)


def _row(run: BankImport, iban: str, movement: camt.Movement) -> BankEntry:
    return BankEntry(
        entry_id=uuid4(),
        import_id=run.import_id,
        account_iban=iban,
        entry_key=movement.key,
        part=movement.part,
        booked_on=movement.booked_on,
        amount_micros=movement.amount_cents * MICROS_PER_CENT,
        reversal=movement.reversal,
        transactions=movement.transactions,
        bank_reference=movement.bank_reference,
        counterparty_iban=movement.counterparty_iban,
        counterparty_name=movement.counterparty_name,
        structured=movement.structured,
        remittance=movement.text,
        end_to_end_id=movement.end_to_end_id,
        reason_code=movement.reason_code,
        created_at=run.imported_at,
        status="new",
        turns=0,
    )


def _match(entry_id: UUID) -> None:
    """What is read here without a lock is judged again by those who book: they lock, and look once more."""
    entry = bank_booking.find_entry(entry_id)
    if entry.amount_micros < 0:
        _match_debit(entry)
        return
    if entry.reversal or entry.transactions > 1:
        # Money of ours that came back, or a batch that the bank did not split: a person knows.
        bank_booking.queue(entry_id)
        return
    incoming = bank_reading.incoming_of(entry)
    clues = clues_of(incoming)
    if is_payout(incoming.name, clues, (settings().provider.creditor_name, *PAYS_OUT)):
        bank_booking.note_payout(entry_id)
        return
    known = bank_reading.known_of([clues], [incoming.iban])
    found = match(incoming, clues, known[incoming.iban])
    if found is None:
        bank_booking.queue(entry_id)
    else:
        bank_booking.give(entry_id, found)


def _match_debit(entry: BankEntry) -> None:
    if not entry.reversal:
        bank_booking.note_outgoing(entry.entry_id)
        return
    earlier = [bank_reading.moved_of(one) for one in bank_reading.originals(entry)]
    original_id = original_of(bank_reading.moved_of(entry), earlier)
    if original_id is None:
        bank_booking.queue(entry.entry_id)
    else:
        bank_booking.take_back(entry.entry_id, original_id)

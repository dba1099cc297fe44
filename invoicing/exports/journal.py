"""The journal: what moved per day, kind and pair of sides, in whole cents that never drift from the ledger.

Usage moves fractions of a cent. So each pair of sides is rounded over all it ever moved, and a day's entry is
the difference of two such sums: every entry balances, and a balance is right to the cent on any day.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from app.ledger.books import DayTotal
from app.ledger.sides import Side
from app.money import cents_of_micros
from invoicing.exports.accounts import Account
from invoicing.exports.tables import amount, csv_lines


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry of two lines: debit and credit of the same cents, above zero."""

    number: int
    day: date
    kind: str
    debit: Side
    credit: Side
    cents: int


def entries_of(totals: Iterable[DayTotal], since: date) -> list[Entry]:
    """Entries from a day on, numbered; `totals` begin with the first movement there ever was. Pure."""
    moved: dict[tuple[str, Side, Side], int] = {}
    entries: list[Entry] = []
    for total in totals:
        pair = (total.kind, total.debit, total.credit)
        before = moved.get(pair, 0)
        moved[pair] = before + total.amount_micros
        cents = cents_of_micros(moved[pair]) - cents_of_micros(before)
        if cents and total.day >= since:
            entries.append(Entry(len(entries) + 1, total.day, total.kind, total.debit, total.credit, cents))
    return entries


def journal_lines(entries: Iterable[Entry], accounts: Mapping[Side, Account]) -> Iterator[str]:
    """The journal as CSV, line by line."""
    columns = ("entry", "date", "description", "account", "name", "debit", "credit")
    return csv_lines(columns, (row for entry in entries for row in _rows(entry, accounts)))


def _rows(entry: Entry, accounts: Mapping[Side, Account]) -> Iterator[tuple[object, ...]]:
    for side, debit, credit in ((entry.debit, entry.cents, 0), (entry.credit, 0, entry.cents)):
        account = accounts[side]
        yield (
            entry.number,
            entry.day.isoformat(),
            entry.kind,
            account.code,
            account.name,
            amount(debit),
            amount(credit),
        )

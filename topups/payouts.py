"""The payout report: what Mollie holds for us, day by day, against what our ledger says it should hold.

A day is one in the provider's zone: at Mollie the day on which the money moved, in the ledger the day on
which it was posted. Reads only: what differs is named, and mended by reconciliation.
"""

import calendar
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, or_, select

from app.config import settings
from app.db import db
from app.i18n import local_date
from app.ledger.models import Transfer
from app.ledger.sides import Side
from topups import gateway
from topups.facts import MovementFacts
from topups.fees import KIND, SUFFIX, reference_of
from topups.models import TopUp

# A bank may take a debit back for 13 months, and give it back later still.
LEAD: Final = timedelta(days=460)
_PAID: Final = "-paid"
_RETURNED: Final = "-failed"
_CHUNK: Final = 5_000
What = Literal["not_in_ledger", "not_at_mollie", "other_amount", "other_day", "not_ours"]
_SENTENCES: Final[dict[What, str]] = {
    "not_in_ledger": "moved at Mollie, is not in the ledger",
    "not_at_mollie": "is in the ledger, did not move at Mollie",
    "other_amount": "has another amount in the ledger",
    "other_day": "was posted on another day",
    "not_ours": "is not a payment of ours",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One movement as both sides have it; amounts are signed, positive when money came in."""

    kind: str
    subject: str  # Mollie's id, or the ledger's reference where Mollie knows nothing
    mollie_day: date | None = None
    mollie_micros: int = 0
    ledger_day: date | None = None
    ledger_micros: int = 0
    ours: bool = True

    @property
    def difference(self) -> What | None:
        if not self.ours:
            return "not_ours"
        if self.ledger_day is None:
            return "not_in_ledger"
        if self.mollie_day is None:
            return "not_at_mollie"
        if self.mollie_micros != self.ledger_micros:
            return "other_amount"
        return "other_day" if self.mollie_day != self.ledger_day else None

    @property
    def is_wrong(self) -> bool:
        """Whether money is missing on one side; what was only posted a day later is not wrong."""
        return self.difference not in (None, "other_day")

    @property
    def sentence(self) -> str:
        return _SENTENCES[self.difference] if self.difference else "agrees"


@dataclass(frozen=True, kw_only=True)
class _Posting:
    """What the ledger moved under one reference; the fee's share of a movement is part of it."""

    kind: str
    day: date
    amount_micros: int


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day's totals in micros."""

    day: date
    received_micros: int
    refunded_micros: int
    charged_back_micros: int
    ledger_micros: int

    @property
    def mollie_micros(self) -> int:
        return self.received_micros + self.refunded_micros + self.charged_back_micros

    @property
    def difference_micros(self) -> int:
        return self.mollie_micros - self.ledger_micros


@dataclass(frozen=True, kw_only=True)
class Report:
    """A month; `differences` explains every cent by which a day differs."""

    days: tuple[Day, ...]
    differences: tuple[Line, ...]

    @property
    def agrees(self) -> bool:
        return not any(line.is_wrong for line in self.differences)


def report(month: date) -> Report:
    """The month that this day lies in. Called outside a transaction. Raises NoAnswer."""
    first = month.replace(day=1)
    days = [first + timedelta(days=n) for n in range(calendar.monthrange(first.year, first.month)[1])]
    since, until = _midnight(days[0]), _midnight(days[-1] + timedelta(days=1))
    movements = gateway.list_movements(since, until, lead=LEAD)
    lines = _match(movements, since, until)
    return Report(
        days=tuple(_day(day, lines) for day in days),
        differences=tuple(
            sorted(
                (line for line in lines if line.difference),
                key=lambda line: (line.mollie_day or line.ledger_day or first, line.subject),
            )
        ),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, settings().timezone)


def _match(movements: Collection[MovementFacts], since: datetime, until: datetime) -> list[Line]:
    """Each movement beside its posting, and each posting of this time that has no movement."""
    posted = _posted({name for m in movements for name in _references(m)}, since, until)
    ours = _our_payments(movements)
    lines = []
    for movement in movements:
        if movement.amount_micros == 0:
            continue  # a method was added: nothing moved
        reference = _reference(movement)
        posting = posted.pop(reference, None)
        if movement.counts:
            lines.append(_line(movement, posting, ours=movement.payment_id in ours))
        elif posting is not None:
            lines.append(_line(movement, posting, ours=True))
            lines.append(_came_back(movement, posted.pop(f"{reference}{_RETURNED}", None)))
    lines += [
        Line(kind=p.kind, subject=reference, ledger_day=p.day, ledger_micros=p.amount_micros)
        for reference, p in posted.items()
    ]
    month = {local_date(since), local_date(until - timedelta(days=1))}
    return [line for line in lines if _touches(line, min(month), max(month))]


def _touches(line: Line, first: date, last: date) -> bool:
    return any(day is not None and first <= day <= last for day in (line.mollie_day, line.ledger_day))


def _line(movement: MovementFacts, posting: _Posting | None, *, ours: bool) -> Line:
    return Line(
        kind=movement.kind,
        subject=movement.mollie_id,
        mollie_day=local_date(movement.at),
        mollie_micros=movement.amount_micros,
        ledger_day=posting.day if posting else None,
        ledger_micros=posting.amount_micros if posting else 0,
        ours=ours,
    )


def _came_back(movement: MovementFacts, posting: _Posting | None) -> Line:
    """The return of a refund that came to nothing; Mollie does not say when, so the ledger's day is taken."""
    return Line(
        kind="refund_failed",
        subject=movement.mollie_id,
        mollie_day=posting.day if posting else local_date(movement.at),
        mollie_micros=-movement.amount_micros,
        ledger_day=posting.day if posting else None,
        ledger_micros=posting.amount_micros if posting else 0,
    )


def _reference(movement: MovementFacts) -> str:
    """The reference under which the ledger has this movement."""
    if movement.kind == "payment":
        return f"topup-{movement.top_up_id}-paid" if movement.top_up_id else f"payment-{movement.payment_id}"
    if movement.kind == "chargeback_reversed":
        return f"chargeback-{movement.mollie_id}-reversed"
    return f"{movement.kind}-{movement.mollie_id}"


def _references(movement: MovementFacts) -> tuple[str, ...]:
    """All references that may stand for this movement: a fee's share is posted beside it."""
    reference = _reference(movement)
    both = reference, f"{reference}{_RETURNED}"
    return *both, *(reference_of(each.removesuffix(_PAID)) for each in both)


def _posted(references: Collection[str], since: datetime, until: datetime) -> dict[str, _Posting]:
    """What the ledger moved at Mollie under these references or in this time, by reference."""
    found: dict[str, _Posting] = {}
    conditions: list[ColumnElement[bool]] = [(Transfer.created_at >= since) & (Transfer.created_at < until)]
    conditions += [Transfer.reference.in_(chunk) for chunk in _chunks(sorted(references))]
    rows: dict[tuple[int, int], Transfer] = {}
    for condition in conditions:
        query = select(Transfer).where(
            or_(Transfer.debit == Side.PSP, Transfer.credit == Side.PSP),
            # A payout moves money on to the bank: it came in, and was compared, before.
            Transfer.debit != Side.BANK,
            Transfer.credit != Side.BANK,
            condition,
        )
        rows |= {(t.customer_id, t.number): t for t in db.session.scalars(query)}
    for transfer in sorted(rows.values(), key=lambda t: t.reference.endswith(SUFFIX)):
        reference = transfer.reference
        if reference.endswith(SUFFIX):
            reference = reference.removesuffix(SUFFIX)
            reference += _PAID if transfer.kind == KIND else ""
        before = found.get(reference)
        signed = transfer.amount_micros if transfer.debit == Side.PSP else -transfer.amount_micros
        found[reference] = _Posting(
            kind=before.kind if before else transfer.kind,
            day=before.day if before else local_date(transfer.created_at),
            amount_micros=signed + (before.amount_micros if before else 0),
        )
    return found


def _our_payments(movements: Collection[MovementFacts]) -> set[str]:
    """Which of the payments that these movements belong to were made by us."""
    named = {m.top_up_id: m.payment_id for m in movements if m.top_up_id}
    ours: set[str] = set()
    for chunk in _chunks(sorted(named)):
        known = db.session.scalars(select(TopUp.top_up_id).where(TopUp.top_up_id.in_(chunk)))
        ours |= {named[top_up_id] for top_up_id in known}
    for chunk in _chunks(sorted({m.payment_id for m in movements} - ours)):
        known = db.session.scalars(select(TopUp.mollie_payment_id).where(TopUp.mollie_payment_id.in_(chunk)))
        ours |= {payment_id for payment_id in known if payment_id}
    return ours


def _chunks(values: list[str]) -> list[list[str]]:
    return [values[n : n + _CHUNK] for n in range(0, len(values), _CHUNK)]


def _day(day: date, lines: Iterable[Line]) -> Day:
    here = [line for line in lines if line.mollie_day == day]

    def total(*kinds: str) -> int:
        return sum(line.mollie_micros for line in here if line.kind in kinds)

    return Day(
        day=day,
        received_micros=total("payment"),
        refunded_micros=total("refund", "refund_failed"),
        charged_back_micros=total("chargeback", "chargeback_reversed"),
        ledger_micros=sum(line.ledger_micros for line in lines if line.ledger_day == day),
    )

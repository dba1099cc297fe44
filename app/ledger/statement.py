"""The account as its customer reads it: movements of the available balance, usage joined per day.

Read from top to bottom each row's balance is the one below it plus the row's amount, to the micro: usage is
joined only where nothing else moved the balance in between. Pages are whole days, so a page never cuts one.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Date, case, cast, func, or_, select, true
from sqlalchemy.sql.elements import ColumnElement

from app.config import settings
from app.db import db
from app.ledger.models import Transfer
from app.ledger.sides import AVAILABLE_SIDES

USAGE: Final = "usage"
# What a reader may ask to see alone; whatever is in none of these is seen among the rest.
KINDS: Final[dict[str, frozenset[str]]] = {
    "usage": frozenset({USAGE}),
    "payments": frozenset(
        {
            "top_up",
            "provisional",
            "provisional_reversal",
            "transfer_returned",
            "refund",
            "refund_failed",
            "chargeback",
            "chargeback_reversed",
        }
    ),
    "invoices": frozenset(
        {
            "charge",
            "separate_charge",
            "separate_credits",
            "separate_due",
            "rounding",
            "invoice_due",
            "invoice_paid",
            "invoice_reopened",
            "credits_used",
            "credits_to_balance",
        }
    ),
}
PAGE_ROWS: Final = 40
_SIDES: Final = [side.value for side in AVAILABLE_SIDES]


@dataclass(frozen=True)
class Movement:
    """One row: transfers `first` to `number`, together `amount_micros`, leaving `balance_micros`."""

    kind: str
    day: date
    at: datetime
    first: int
    number: int
    amount_micros: int
    balance_micros: int
    reference: str


@dataclass(frozen=True)
class Page:
    """Movements, newest first; `older` is the day before which the next page begins, None at the end."""

    movements: tuple[Movement, ...]
    older: date | None


def recent(customer_id: int, limit: int = 6, *, through: int | None = None) -> tuple[Movement, ...]:
    """The newest movements, up to transfer `through` where a balance that was read before must agree."""
    return _read(customer_id, None, limit, through)


def page(customer_id: int, before: date | None = None, show: str | None = None) -> Page:
    """The page of whole days that ends before `before`, or the newest; of one of `KINDS` where named."""
    found = _read(customer_id, before, PAGE_ROWS + 1, show=show)
    if len(found) <= PAGE_ROWS:
        return Page(found, None)
    cut = found[-1].day
    whole = tuple(movement for movement in found if movement.day > cut)
    if whole:
        return Page(whole, cut + timedelta(days=1))
    # One day alone overflows the page: show all of it.
    day_rows = tuple(m for m in _read(customer_id, before, None, show=show) if m.day == cut)
    return Page(day_rows, cut)


def _read(
    customer_id: int,
    before: date | None,
    limit: int | None,
    through: int | None = None,
    show: str | None = None,
) -> tuple[Movement, ...]:
    zone = str(settings().timezone)
    local_day: ColumnElement[date] = cast(func.timezone(zone, Transfer.created_at), Date)
    joined = Transfer.kind == USAGE
    # A new island begins at whatever is not usage, and after it.
    island = func.sum(case((joined, 0), else_=1)).over(order_by=Transfer.number)
    signed = case((Transfer.credit.in_(_SIDES), Transfer.amount_micros), else_=0) - case(
        (Transfer.debit.in_(_SIDES), Transfer.amount_micros), else_=0
    )
    asked = [
        Transfer.customer_id == customer_id,
        or_(Transfer.debit.in_(_SIDES), Transfer.credit.in_(_SIDES)),
    ]
    if before is not None:
        asked.append(Transfer.created_at < datetime.combine(before, time.min, settings().timezone))
    if through is not None:
        asked.append(Transfer.number <= through)
    rows = select(
        Transfer.number,
        Transfer.kind,
        Transfer.reference,
        Transfer.created_at,
        Transfer.balance_after_micros,
        signed.label("signed_micros"),
        local_day.label("day"),
        island.label("island"),
    ).where(*asked)
    if limit is not None and show != USAGE:
        # Each of these is a row of its own, so the rows wanted begin no earlier than that many of them back.
        alone = Transfer.kind.in_(KINDS[show]) if show else Transfer.kind != USAGE
        earliest = select(Transfer.number).where(*asked, alone).order_by(Transfer.number.desc())
        floor = earliest.offset(limit - 1).limit(1).scalar_subquery()
        rows = rows.where(Transfer.number >= func.coalesce(floor, 0))
    each = rows.subquery()
    last = func.max(each.c.number)
    shown = each.c.kind.in_(KINDS[show]) if show else true()
    groups = (
        select(
            each.c.kind,
            each.c.day,
            func.max(each.c.created_at).label("at"),
            func.min(each.c.number).label("first"),
            last.label("number"),
            func.sum(each.c.signed_micros).label("amount_micros"),
        )
        .where(shown)
        .group_by(each.c.kind, each.c.day, each.c.island)
        .order_by(last.desc())
        .limit(limit)
        .subquery()
    )
    ends = (
        select(groups, Transfer.balance_after_micros, Transfer.reference)
        .join(Transfer, Transfer.number == groups.c.number)
        .where(Transfer.customer_id == customer_id)
        .order_by(groups.c.number.desc())
    )
    return tuple(
        Movement(
            kind=row.kind,
            day=row.day,
            at=row.at,
            first=row.first,
            number=row.number,
            amount_micros=int(row.amount_micros),
            balance_micros=row.balance_after_micros,
            reference=row.reference,
        )
        for row in db.session.execute(ends)
    )

"""The account as its customer reads it: movements of the available balance, usage joined per day.

Read from top to bottom each row's balance is the one below it plus the row's amount, to the micro: usage is
joined only where nothing else moved the balance in between. Pages are whole days, so a page never cuts one.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import CTE, Date, Select, case, cast, func, or_, select, true
from sqlalchemy.sql.elements import ColumnElement

from app.config import settings
from app.db import db
from app.ledger.models import Transfer
from app.ledger.sides import AVAILABLE_SIDES
from app.tables import Column, Order

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
# What the movements can be sorted by; of a day's usage by its sum.
COLUMNS: Final = {
    "date": Column(Transfer.number, falls=True),
    "amount": Column(Transfer.amount_micros, falls=True),
}
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


def sorted_page(
    customer_id: int, order: Order, after: int | None = None, show: str | None = None
) -> tuple[tuple[Movement, ...], int | None]:
    """Movements in another order than the usual one, and after which of them the next page begins.

    `after`: the first transfer of the page's last movement, which a day's usage keeps while it grows.
    """
    groups = _groups(_transfers(_of_customer(customer_id)), show).cte("groups")
    columns = {"date": groups.c.first, "amount": groups.c.amount_micros}
    bound = replace(order, columns={name: Column(value) for name, value in columns.items()})
    place = None
    if after is not None:
        value = select(bound.value).where(groups.c.first == after).scalar_subquery()
        place = (value, after)
    wanted = bound.applied(select(groups), groups.c.first, place).limit(PAGE_ROWS + 1).cte("wanted")
    bound = replace(bound, columns={name: Column(wanted.c[value.name]) for name, value in columns.items()})
    found = _movements(bound.applied(_told(customer_id, wanted), wanted.c.first))
    return found[:PAGE_ROWS], found[PAGE_ROWS - 1].first if len(found) > PAGE_ROWS else None


def _read(
    customer_id: int,
    before: date | None,
    limit: int | None,
    through: int | None = None,
    show: str | None = None,
) -> tuple[Movement, ...]:
    asked = _of_customer(customer_id)
    if before is not None:
        asked.append(Transfer.created_at < datetime.combine(before, time.min, settings().timezone))
    if through is not None:
        asked.append(Transfer.number <= through)
    rows = _transfers(asked)
    if limit is not None and show != USAGE:
        # Each of these is a row of its own, so the rows wanted begin no earlier than that many of them back.
        alone = Transfer.kind.in_(KINDS[show]) if show else Transfer.kind != USAGE
        earliest = select(Transfer.number).where(*asked, alone).order_by(Transfer.number.desc())
        floor = earliest.offset(limit - 1).limit(1).scalar_subquery()
        rows = rows.where(Transfer.number >= func.coalesce(floor, 0))
    groups = _groups(rows, show)
    newest = groups.order_by(groups.selected_columns.number.desc()).limit(limit).cte("groups")
    return _movements(_told(customer_id, newest).order_by(newest.c.number.desc()))


def _of_customer(customer_id: int) -> list[ColumnElement[bool]]:
    return [
        Transfer.customer_id == customer_id,
        or_(Transfer.debit.in_(_SIDES), Transfer.credit.in_(_SIDES)),
    ]


def _transfers(asked: list[ColumnElement[bool]]) -> Select[Any]:
    """The transfers that move the balance, each with its sign, its day and the island it is joined in."""
    zone = str(settings().timezone)
    local_day: ColumnElement[date] = cast(func.timezone(zone, Transfer.created_at), Date)
    # A new island begins at whatever is not usage, and after it.
    island = func.sum(case((Transfer.kind == USAGE, 0), else_=1)).over(order_by=Transfer.number)
    signed = case((Transfer.credit.in_(_SIDES), Transfer.amount_micros), else_=0) - case(
        (Transfer.debit.in_(_SIDES), Transfer.amount_micros), else_=0
    )
    return select(
        Transfer.number,
        Transfer.kind,
        Transfer.created_at,
        signed.label("signed_micros"),
        local_day.label("day"),
        island.label("island"),
    ).where(*asked)


def _groups(rows: Select[Any], show: str | None) -> Select[Any]:
    """The movements they are; of one of `KINDS` where named."""
    each = rows.subquery()
    shown = each.c.kind.in_(KINDS[show]) if show else true()
    return (
        select(
            each.c.kind,
            each.c.day,
            func.max(each.c.created_at).label("at"),
            func.min(each.c.number).label("first"),
            func.max(each.c.number).label("number"),
            func.sum(each.c.signed_micros).label("amount_micros"),
        )
        .where(shown)
        .group_by(each.c.kind, each.c.day, each.c.island)
    )


def _told(customer_id: int, groups: CTE) -> Select[Any]:
    """With what the last transfer of each left behind, and its name."""
    return (
        select(groups, Transfer.balance_after_micros, Transfer.reference)
        .join(Transfer, Transfer.number == groups.c.number)
        .where(Transfer.customer_id == customer_id)
    )


def _movements(query: Select[Any]) -> tuple[Movement, ...]:
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
        for row in db.session.execute(query)
    )

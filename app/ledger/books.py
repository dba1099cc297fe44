"""The books: what stands on every side on any date, and what moved per day. Reads only.

Sides are sums of transfers, of all customers and the house together, credits less debits.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import Date, cast, func, select

from app.config import settings
from app.db import db
from app.ledger.models import Transfer
from app.ledger.sides import Side


@dataclass(frozen=True, slots=True)
class DayTotal:
    """All movements of a kind between two sides on one day, in the provider's zone."""

    day: date
    kind: str
    debit: Side
    credit: Side
    amount_micros: int


def balances_on(day: date) -> dict[Side, int]:
    """Micros on each side at the end of a day; above zero on the credit side. All sides add up to 0."""
    end = _midnight(day + timedelta(days=1))
    total = func.sum(Transfer.amount_micros)
    balances = dict.fromkeys(Side, 0)
    for column, sign in ((Transfer.credit, 1), (Transfer.debit, -1)):
        rows = db.session.execute(select(column, total).where(Transfer.created_at < end).group_by(column))
        for side, micros in rows:
            balances[Side(side)] += sign * int(micros)
    return balances


def deposits_held_on(day: date) -> int:
    """Micros that customers have paid ahead: the sum of the prepaid balances that are above zero.

    One that is below zero is a claim on that customer, and no deposit of another's.
    """
    end = _midnight(day + timedelta(days=1))
    signed = func.sum(Transfer.amount_micros).filter(Transfer.credit == Side.PREPAID.value)
    taken = func.sum(Transfer.amount_micros).filter(Transfer.debit == Side.PREPAID.value)
    per_customer = (
        select((func.coalesce(signed, 0) - func.coalesce(taken, 0)).label("held"))
        .where(Transfer.created_at < end)
        .group_by(Transfer.customer_id)
        .subquery()
    )
    held = db.session.scalar(select(func.sum(per_customer.c.held)).where(per_customer.c.held > 0))
    return int(held or 0)


def totals_by_day(until: date) -> list[DayTotal]:
    """All movements up to and including a day, per day, kind and pair of sides, the oldest first."""
    zone = str(settings().timezone)
    local_day = cast(func.timezone(zone, Transfer.created_at), Date)
    rows = db.session.execute(
        select(
            local_day.label("day"),
            Transfer.kind,
            Transfer.debit,
            Transfer.credit,
            func.sum(Transfer.amount_micros).label("micros"),
        )
        .where(Transfer.created_at < _midnight(until + timedelta(days=1)))
        .group_by(local_day, Transfer.kind, Transfer.debit, Transfer.credit)
        .order_by(local_day, Transfer.kind, Transfer.debit, Transfer.credit)
    )
    return [DayTotal(r.day, r.kind, Side(r.debit), Side(r.credit), int(r.micros)) for r in rows]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, settings().timezone)

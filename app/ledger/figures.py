"""Figures of all customers together: what their balances hold, and what moved per month. Reads only.

What usage moves is left out of the months: it is by far the most, and the index of the rest leaves it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BigInteger, Date, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from app.config import settings
from app.customers.models import Customer
from app.db import db
from app.ledger.models import BalanceRow, Transfer
from app.ledger.service import HOUSE_CUSTOMER_ID
from app.ledger.sides import Side

USAGE_KIND = "usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the balances come to now. `prepaid_micros` counts what is above zero, `below_micros` the rest."""

    customers: int
    exhausted: int
    suspended: int
    prepaid_micros: int
    below_micros: int
    promo_micros: int
    credits_micros: int
    receivable_micros: int
    held_micros: int


@dataclass(frozen=True, slots=True)
class MonthTotal:
    """All movements of a kind between two sides in one month, in the provider's zone."""

    month: date
    kind: str
    debit: Side
    credit: Side
    amount_micros: int


@dataclass(frozen=True, slots=True)
class LowBalance:
    """A customer below its low mark, or with nothing left. `available_micros` may be below zero."""

    customer_id: int
    reference: str
    name: str
    available_micros: int


def held_now() -> Held:
    """In one statement over the balances."""
    available = BalanceRow.prepaid_micros + BalanceRow.promo_micros - BalanceRow.held_micros
    left_of_overdraft = func.greatest(0, BalanceRow.overdraft_micros - BalanceRow.receivable_micros)
    row = db.session.execute(
        select(
            func.count(),
            func.count().filter(available + left_of_overdraft <= 0, BalanceRow.suspended_at.is_(None)),
            func.count().filter(BalanceRow.suspended_at.is_not(None)),
            func.sum(func.greatest(0, BalanceRow.prepaid_micros)),
            func.sum(func.least(0, BalanceRow.prepaid_micros)),
            func.sum(BalanceRow.promo_micros),
            func.sum(BalanceRow.credits_micros),
            func.sum(BalanceRow.receivable_micros),
            func.sum(BalanceRow.held_micros),
        ).where(BalanceRow.customer_id != HOUSE_CUSTOMER_ID)
    ).one()
    names = Held.__dataclass_fields__
    return Held(**{name: int(value or 0) for name, value in zip(names, row, strict=True)})


def totals_by_month(since: datetime) -> list[MonthTotal]:
    """What moved since a moment, but for usage, per month, kind and pair of sides."""
    local_month = cast(
        func.date_trunc("month", func.timezone(str(settings().timezone), Transfer.created_at)), Date
    )
    rows = db.session.execute(
        select(
            local_month.label("month"),
            Transfer.kind,
            Transfer.debit,
            Transfer.credit,
            func.sum(Transfer.amount_micros).label("micros"),
        )
        .where(Transfer.kind != USAGE_KIND, Transfer.created_at >= since)
        .group_by(local_month, Transfer.kind, Transfer.debit, Transfer.credit)
    )
    return [MonthTotal(r.month, r.kind, Side(r.debit), Side(r.credit), int(r.micros)) for r in rows]


def low_balances(limit: int) -> list[LowBalance]:
    """Active customers below their low mark, the lowest first."""
    available = BalanceRow.prepaid_micros + BalanceRow.promo_micros - BalanceRow.held_micros
    rows = db.session.execute(
        select(BalanceRow.customer_id, Customer.reference, Customer.name, available.label("available"))
        .join(Customer, Customer.customer_id == BalanceRow.customer_id)
        .where(
            Customer.status == "active",
            Customer.kind != "house",
            available < func.greatest(1, BalanceRow.low_mark_micros),
        )
        .order_by(available)
        .limit(limit)
    )
    return [LowBalance(row.customer_id, row.reference, row.name, int(row.available)) for row in rows]


def latest_of_kind(kind: str, *, skip: int, limit: int) -> list[tuple[int, str]]:
    """The newest movements of a kind, usage excepted: whose, and by which reference."""
    rows = db.session.execute(
        select(Transfer.customer_id, Transfer.reference)
        .where(Transfer.kind != USAGE_KIND, Transfer.kind == kind)
        .order_by(Transfer.created_at.desc())
        .offset(skip)
        .limit(limit)
    )
    return [(row.customer_id, row.reference) for row in rows]


@dataclass(frozen=True, slots=True)
class Band:
    """Balances of a size: at least `least_micros`, those below zero where that is None."""

    least_micros: int | None
    customers: int
    prepaid_micros: int


def held_by_size(edges_micros: Sequence[int]) -> list[Band]:
    """How many customers hold how much, in one statement over the balances; edges rise from 0."""
    prepaid = BalanceRow.prepaid_micros
    band = func.width_bucket(prepaid, cast(list(edges_micros), ARRAY(BigInteger)))
    rows = db.session.execute(
        select(band, func.count(), func.sum(prepaid))
        .where(BalanceRow.customer_id != HOUSE_CUSTOMER_ID)
        .group_by(band)
    )
    found = {int(number): (int(customers), int(micros)) for number, customers, micros in rows}
    least: list[int | None] = [None, *edges_micros]
    return [Band(least[number], *found.get(number, (0, 0))) for number in range(len(least))]

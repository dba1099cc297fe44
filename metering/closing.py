"""Closing periods, for invoicing: what is to be closed, and the end of it.

A close is a short lock that flips the periods, a pricing without lock, and a short lock that posts; each step
is a few statements for many customers.
"""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Final, NamedTuple

from sqlalchemy import select

from app.clock import utc_now
from app.config import settings
from app.db import among, db
from app.ledger.debits import array_of, driver_connection, lock_for_debits
from metering.accrual import accrue_to_end, holders_among
from metering.book import UsageBook
from metering.catalog import current_catalog
from metering.cycles import periods_of
from metering.models import UsagePeriod
from metering.period_usage import PeriodKey
from metering.periods import HALF_MONTH_DAY, Period, day_of, midnight

# The only moves there are: open → closing → closed.
_FLIP: Final = """
UPDATE usage_period AS p SET status = 'closing', closing_at = %s
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, period_start)
WHERE p.customer_id = k.customer_id AND p.period_start = k.period_start AND p.status = 'open'
"""
_FINISH: Final = """
UPDATE usage_period AS p SET status = 'closed', closed_at = %s
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, period_start)
WHERE p.customer_id = k.customer_id AND p.period_start = k.period_start AND p.status = 'closing'
RETURNING p.customer_id, p.period_start
"""
_COVERED: Final = """
SELECT k.customer_id, coalesce(sum(p.period_end - p.period_start), 0)
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, first)
LEFT JOIN usage_period AS p
    ON p.customer_id = k.customer_id AND p.period_start >= k.first AND p.period_start < %s
GROUP BY k.customer_id
"""


def periods_to_close(
    before: date, *, after_customer_id: int = 0, limit: int = 1000
) -> list[tuple[int, date]]:
    """(customer_id, period_start) of periods that ended on or before a day and are not closed yet."""
    rows = db.session.execute(
        select(UsagePeriod.customer_id, UsagePeriod.period_start)
        .where(
            UsagePeriod.status.in_(["open", "closing"]),
            UsagePeriod.period_end <= before,
            UsagePeriod.customer_id > after_customer_id,
        )
        .order_by(UsagePeriod.customer_id, UsagePeriod.period_start)
        .limit(limit)
    )
    return [(row.customer_id, row.period_start) for row in rows]


def unclosed_in_month(customer_ids: Collection[int], month: date, before: date) -> list[tuple[int, date]]:
    """(customer_id, period_start) of these customers' periods of a month, begun or not, that are not closed.

    Only those that ended on or before a day.
    """
    begun = _begun(customer_ids, month)
    periods = periods_of(customer_ids, month, {key: row.end for key, row in begun.items()})
    return [
        (customer_id, period.start)
        for customer_id in sorted(customer_ids)
        for period in periods[customer_id]
        if period.end <= before and not _is_closed(begun.get((customer_id, period.start)))
    ]


def ended_periods(customer_ids: Collection[int], before: date) -> list[tuple[int, Period, bool]]:
    """The periods of these customers in the latest two months that ended on or before a day.

    Each with whether it has begun; the latest of a customer first.
    """
    found = []
    month = (before - timedelta(days=1)).replace(day=1)
    for first in (month, (month - timedelta(days=1)).replace(day=1)):
        begun = _begun(customer_ids, first)
        periods = periods_of(customer_ids, first, {key: row.end for key, row in begun.items()})
        found += [
            (customer_id, period, (customer_id, period.start) in begun)
            for customer_id in sorted(customer_ids)
            for period in reversed(periods[customer_id])
            if period.end <= before
        ]
    return found


def older_periods(since: Mapping[int, date], before: date) -> list[tuple[int, Period, bool]]:
    """As `ended_periods`, of the months before those two: of customers with a gap there, from their day on.

    Who has no gap is not looked at further, so that looking costs little however long a customer is one.
    """
    recent = (before - timedelta(days=1)).replace(day=1)
    recent = (recent - timedelta(days=1)).replace(day=1)
    firsts = {one: day.replace(day=1) for one, day in since.items() if day < recent}
    rows = driver_connection().execute(_COVERED, (list(firsts), list(firsts.values()), recent)).fetchall()
    firsts = {one: firsts[one] for one, days in rows if days < (recent - firsts[one]).days}
    found = []
    month = recent
    while firsts and month > min(firsts.values()):
        month = (month - timedelta(days=1)).replace(day=1)
        ids = sorted(one for one, first in firsts.items() if first <= month)
        begun = _begun(ids, month)
        periods = periods_of(ids, month, {key: row.end for key, row in begun.items()})
        found += [
            (one, period, (one, period.start) in begun) for one in ids for period in reversed(periods[one])
        ]
    return found


class _Begun(NamedTuple):
    end: date
    status: str


def _is_closed(begun: _Begun | None) -> bool:
    return begun is not None and begun.status == "closed"


def _begun(customer_ids: Collection[int], month: date) -> dict[tuple[int, date], _Begun]:
    rows = db.session.execute(
        select(
            UsagePeriod.customer_id, UsagePeriod.period_start, UsagePeriod.period_end, UsagePeriod.status
        ).where(
            among(UsagePeriod.customer_id, customer_ids),
            UsagePeriod.period_start.between(month, month.replace(day=HALF_MONTH_DAY)),
        )
    )
    return {(row.customer_id, row.period_start): _Begun(row.period_end, row.status) for row in rows}


def any_ended(month: date, before: date) -> bool:
    """Whether a period that begins in a month had ended by a day, whoever's it is."""
    ended = select(UsagePeriod.customer_id).where(
        UsagePeriod.period_start.between(month, month.replace(day=HALF_MONTH_DAY)),
        UsagePeriod.period_end <= before,
    )
    return db.session.scalars(ended.limit(1)).one_or_none() is not None


def period_today(customer_id: int) -> Period:
    """The customer's period that is going on."""
    return period_on(customer_id, day_of(utc_now(), settings().timezone))


def period_on(customer_id: int, day: date) -> Period:
    """The customer's period that a day falls in."""
    month = day.replace(day=1)
    begun = {key: row.end for key, row in _begun([customer_id], month).items()}
    periods = periods_of([customer_id], month, begun)[customer_id]
    return next(period for period in periods if day < period.end)


def begin_closes(keys: Collection[PeriodKey]) -> dict[PeriodKey, str]:
    """Flip these periods to closing under the balance locks; again is harmless. Their status now.

    A period in which nothing was used is begun first, so that later events find it closed; levels that
    were held are charged to its end.
    """
    connection = driver_connection()
    balances = lock_for_debits(connection, {customer_id for customer_id, _ in keys})
    book = UsageBook(connection, balances, current_catalog(), utc_now())
    book.read_periods(keys)
    book.begin_periods({key: _period_of(book, key) for key in keys if key not in book.periods})
    open_keys = [key for key in keys if book.periods[key].is_open]
    if not open_keys:
        return {key: book.periods[key].status for key in keys}
    holders = holders_among({customer_id for customer_id, _ in open_keys})
    for key in open_keys:
        if key[0] in holders:
            accrue_to_end(key[0], book.periods[key].end)
    connection.execute(_FLIP, (utc_now(), *_columns(open_keys)))
    return {key: "closing" if book.periods[key].is_open else book.periods[key].status for key in keys}


def _period_of(book: UsageBook, key: PeriodKey) -> Period:
    """Raises ValueError when none of the customer's periods begins on that day."""
    period = book.period_at(key[0], midnight(key[1], settings().timezone))
    if period.start != key[1]:
        raise ValueError(f"no period of customer {key[0]} begins on {key[1]}")
    return period


def finish_closes(keys: Collection[PeriodKey]) -> set[PeriodKey]:
    """Close those of these periods that are closing, in the transaction that posts their invoices.

    Answers which they were: a period is closed once. The balances must be locked.
    """
    if not keys:
        return set()
    return {(row[0], row[1]) for row in driver_connection().execute(_FINISH, (utc_now(), *_columns(keys)))}


def begin_close(customer_id: int, period_start: date) -> str:
    """Flip one period to closing; again is harmless. Answers its status now."""
    return begin_closes([(customer_id, period_start)])[customer_id, period_start]


def finish_close(customer_id: int, period_start: date) -> str:
    """Close one period that is closing; again is harmless.

    The balance must be locked. Raises ValueError for a period that was not flipped first.
    """
    key = (customer_id, period_start)
    if key not in finish_closes([key]):
        here = (UsagePeriod.customer_id == customer_id, UsagePeriod.period_start == period_start)
        status = db.session.scalars(select(UsagePeriod.status).where(*here)).one()
        if status != "closed":
            raise ValueError(
                f"period {period_start} of customer {customer_id} is {status}: begin its close first"
            )
    return "closed"


def _columns(keys: Collection[PeriodKey]) -> list[str]:
    return [array_of(column) for column in zip(*keys, strict=True)]

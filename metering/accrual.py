"""Accrual: levels that are held cost something while nothing happens. Hourly, and when a period is closed."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Final

from app.clock import utc_now
from app.config import settings
from app.db import db, in_unit_of_work
from app.ledger.debits import array_of, driver_connection, lock_for_debits
from metering.attention import attention
from metering.book import UsageBook
from metering.catalog import current_catalog
from metering.periods import midnight
from metering.readings import Readings

_HOLDERS: Final = """
SELECT DISTINCT customer_id FROM usage_series WHERE level <> 0 AND accrued_to < %s ORDER BY customer_id
"""
_AMONG: Final = """
SELECT DISTINCT customer_id FROM usage_series WHERE customer_id = ANY(%s::bigint[]) AND level <> 0
"""
_HOLDS_LEVELS: Final = """
SELECT 1 FROM usage_series WHERE customer_id = %s AND level <> 0 AND accrued_to < %s LIMIT 1
"""


def accrue(customer_id: int, until: datetime) -> list[int]:
    """Charge the levels that a customer holds up to a moment, in the open unit of work; again is harmless.

    Answers the customer when that fell through its mark.
    """
    connection = driver_connection()
    balances = lock_for_debits(connection, [customer_id])
    if connection.execute(_HOLDS_LEVELS, (customer_id, until)).fetchone() is None:
        return []
    now = utc_now()
    catalog = current_catalog()
    book = UsageBook(connection, balances, catalog, now)
    readings = Readings(connection, book, catalog)
    readings.accrue(customer_id, until)
    debited = book.post()
    readings.write(debited.transfer_numbers, now)
    return debited.crossed


def accrue_to_end(customer_id: int, period_end: date) -> None:
    """Charge the levels that a customer held to the end of a period: before it is closed."""
    accrue(customer_id, midnight(period_end, settings().timezone))


def holders_among(customer_ids: Collection[int]) -> set[int]:
    """Those of these customers that hold a level. Their balances are locked."""
    return {row[0] for row in driver_connection().execute(_AMONG, (array_of(customer_ids),))}


def accrue_all(until: datetime) -> int:
    """Charge all levels up to a moment, one customer at a time; answers how many customers hold one."""
    rows = driver_connection().execute(_HOLDERS, (until,)).fetchall()
    db.session.rollback()
    for (customer_id,) in rows:
        crossed = in_unit_of_work(accrue, customer_id, until)
        if crossed:
            attention().tell(crossed)
    return len(rows)

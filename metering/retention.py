"""Retention: old months of events are dropped whole, once nothing needs them any more.

A month goes only when its events are rolled up, the periods they belong to are closed and invoiced,
corrections of those periods too, and none of them can be sent again: a kept event is known when it is.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import psycopg

from app.clock import utc_now
from app.config import settings
from metering.partitions import first_of_next
from metering.usage import OVERLAP

NEIGHBOUR: Final = timedelta(hours=48)
NOT_ROLLED_UP: Final = "not all of its events are rolled up"
_MONTHS = """
SELECT to_date(substring(c.relname FROM 'usage_event_(\\d{4}_\\d{2})$'), 'YYYY_MM')
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'usage_event'::regclass AND c.relname ~ '^usage_event_\\d{4}_\\d{2}$'
UNION SELECT DISTINCT month FROM usage_event_rest
ORDER BY 1
"""
_NEWEST = "SELECT max(changed_at), max(period_start) FROM usage_event WHERE month = %s"
_CHANGED = """
SELECT EXISTS (
    SELECT 1 FROM usage_event
    WHERE month = %s
      AND changed_at > coalesce((SELECT rolled_up_to FROM usage_rollup) - %s, '-infinity')
)
"""
_ROLLED_UP = "SELECT rolled_up_to FROM usage_rollup"
_NOT_INVOICED = """
SELECT EXISTS (SELECT 1 FROM usage_period WHERE period_start <= %(last)s AND status <> 'closed')
    OR EXISTS (
        SELECT 1 FROM usage_correction c
        JOIN usage_period p ON p.customer_id = c.customer_id AND p.period_start = c.billed_period_start
        WHERE c.period_start <= %(last)s AND p.status <> 'closed'
    )
"""
_LOCK = "SET LOCAL lock_timeout = '2s'; LOCK TABLE usage_event IN ACCESS EXCLUSIVE MODE"
_DROP_PARTITION = "DROP TABLE IF EXISTS usage_event_{month:%Y_%m}"
_DROP_REST = "DELETE FROM usage_event_rest WHERE month = %s"
_KEPT_FROM = "UPDATE usage_rollup SET kept_from = greatest(kept_from, %s)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a month: dropped, or kept and why."""

    month: date
    kept_because: str | None


def drop_months(connection: psycopg.Connection[Any], before: date) -> list[Outcome]:
    """Drop the months of events before a month that may go, as the tables' owner, in the open transaction.

    A month that must stay keeps all after it too. Raises LockNotAvailable when a long reader holds the
    table: try again later.
    """
    decided: list[Outcome] = []
    months = [row[0] for row in connection.execute(_MONTHS) if row[0] < before]
    reason: str | None = None
    for month in months:
        reason = reason or _reason_to_keep(connection, month, utc_now())
        decided.append(Outcome(month, reason))
    if not decided or decided[0].kept_because:
        return decided
    # The reading above takes long and locks nothing; what was recorded meanwhile is seen under the lock.
    connection.execute(_LOCK)
    reason = None
    outcomes: list[Outcome] = []
    for outcome in decided:
        reason = reason or outcome.kept_because or _reason_since(connection, outcome.month)
        outcomes.append(Outcome(outcome.month, reason))
        if reason is None:
            _drop(connection, outcome.month)
    return outcomes


def _drop(connection: psycopg.Connection[Any], month: date) -> None:
    # The name is made of a month's digits alone; a DDL statement takes no parameters.
    connection.execute(_DROP_PARTITION.format(month=month).encode())
    connection.execute(_DROP_REST, (month,))
    connection.execute(_KEPT_FROM, (first_of_next(month),))


def _reason_since(connection: psycopg.Connection[Any], month: date) -> str | None:
    changed = connection.execute(_CHANGED, (month, OVERLAP)).fetchone()
    return NOT_ROLLED_UP if changed is None or changed[0] else None


def _reason_to_keep(connection: psycopg.Connection[Any], month: date, now: datetime) -> str | None:
    still_taken = now - timedelta(days=settings().event_max_age_days) - NEIGHBOUR
    if first_of_next(month) > still_taken.date():
        return "its events may still be sent again"
    newest = connection.execute(_NEWEST, (month,)).fetchone()
    if newest is None or newest[0] is None:
        return None
    rolled_up = connection.execute(_ROLLED_UP).fetchone()
    if rolled_up is None or rolled_up[0] - OVERLAP < newest[0]:
        return NOT_ROLLED_UP
    waits = connection.execute(_NOT_INVOICED, {"last": newest[1]}).fetchone()
    return "not all of it is invoiced" if waits is None or waits[0] else None

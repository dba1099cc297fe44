"""Month partitions of the event table: made ahead by the owner of the tables, again harmless.

Until a month has its own, its events go to the default partition; making one later moves them.
"""

from datetime import date, timedelta
from typing import Any, Final

import psycopg

MONTHS_BACK: Final = 2
MONTHS_AHEAD: Final = 3
DEFAULT_PARTITION: Final = "CREATE TABLE IF NOT EXISTS usage_event_rest PARTITION OF usage_event DEFAULT"

_EXISTS = "SELECT to_regclass(%s) IS NOT NULL"
_CREATE = "CREATE TABLE {name} (LIKE usage_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
# All at once and first, so that no recording transaction waits halfway; and not for long, because behind a
# waiting lock every event waits too.
_LOCK = "SET LOCAL lock_timeout = '2s'; LOCK TABLE usage_event IN ACCESS EXCLUSIVE MODE"
_MOVE = """
WITH moved AS (DELETE FROM usage_event_rest WHERE month >= '{start}' AND month < '{end}' RETURNING *)
INSERT INTO {name} SELECT * FROM moved
"""
_ATTACH = "ALTER TABLE usage_event ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"


def first_of_next(month: date) -> date:
    """The first day of the month after."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def months_around(today: date) -> list[date]:
    """The months that must have a partition today."""
    month = today.replace(day=1)
    for _ in range(MONTHS_BACK):
        month = (month - timedelta(days=1)).replace(day=1)
    months = []
    for _ in range(MONTHS_BACK + 1 + MONTHS_AHEAD):
        months.append(month)
        month = first_of_next(month)
    return months


def ensure_partitions(connection: psycopg.Connection[Any], today: date) -> list[str]:
    """Make what is missing, in the open transaction; answers the names of new partitions.

    Raises LockNotAvailable when a long reader holds the table: try again later.
    """
    connection.execute(DEFAULT_PARTITION)
    made: list[str] = []
    for month in months_around(today):
        name = f"usage_event_{month:%Y_%m}"
        exists = connection.execute(_EXISTS, (name,)).fetchone()
        if exists and exists[0]:
            continue
        if not made:
            connection.execute(_LOCK)
        bounds = {"name": name, "start": month.isoformat(), "end": first_of_next(month).isoformat()}
        for statement in (_CREATE, _MOVE, _ATTACH):
            # Names and bounds are made of a month's digits alone; a DDL statement takes no parameters.
            connection.execute(statement.format(**bounds).encode())
        made.append(name)
    return made

"""What the product is measured against, on the same PostgreSQL in the same run."""

import json
import time
from typing import Any, Final

from tests.bench.load import pgbench
from tests.bench.stage import CUSTOMERS, Stage

BATCH: Final = 1_000
BATCHES: Final = 60

_TABLE = """
DROP TABLE IF EXISTS bench_copy;
CREATE TABLE bench_copy (LIKE usage_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE bench_copy ADD PRIMARY KEY (customer_id, source, event_id, month)
"""
_MINIMAL = """
DROP TABLE IF EXISTS bench_event, bench_balance;
CREATE TABLE bench_event (customer_id bigint, source text COLLATE "C", event_id text COLLATE "C", month date,
    time timestamptz NOT NULL, data json NOT NULL, PRIMARY KEY (customer_id, source, event_id, month));
CREATE TABLE bench_balance (customer_id bigint PRIMARY KEY, prepaid_micros bigint NOT NULL)
    WITH (fillfactor = 50);
INSERT INTO bench_balance SELECT i, 0 FROM generate_series(1, %s) AS i
"""
_ROWS = "SELECT * FROM usage_event ORDER BY changed_at DESC LIMIT %s"


def copy_rows_per_second(stage: Stage) -> tuple[float, float]:
    """COPY of recorded events into a table of the same shape and key, one commit per thousand.

    Two figures: a plain program that gives the driver values, and COPY of text that was made beforehand.
    """
    with stage.connect() as connection:
        connection.execute(_TABLE)
        found = connection.execute(_ROWS, (BATCH * BATCHES,))
        data = [column.name for column in found.description or ()].index("data")
        rows = [(*row[:data], json.dumps(row[data]), *row[data + 1 :]) for row in found]
        written = _timed_copies(connection, rows)
        with connection.cursor().copy("COPY bench_copy TO STDOUT") as copy:
            lines = b"".join(bytes(part) for part in copy).splitlines(keepends=True)
        connection.execute("TRUNCATE bench_copy")
        began = time.monotonic()
        for at in range(0, len(lines), BATCH):
            with connection.cursor().copy("COPY bench_copy FROM STDIN") as copy:
                copy.write(b"".join(lines[at : at + BATCH]))
        ready = len(lines) / (time.monotonic() - began)
        connection.execute("DROP TABLE bench_copy")
    return written, ready


def _timed_copies(connection: Any, rows: list[tuple[Any, ...]]) -> float:
    began = time.monotonic()
    for at in range(0, len(rows), BATCH):
        # The connection commits by itself: one COPY, one durable transaction.
        with connection.cursor().copy("COPY bench_copy FROM STDIN") as copy:
            for row in rows[at : at + BATCH]:
                copy.write_row(row)
    return len(rows) / (time.monotonic() - began)


def minimal_transactions_per_second(stage: Stage, *, one_customer: bool, seconds: float) -> float:
    """pgbench with 32 clients: insert an event, update a balance; on 10,000 customers or on one."""
    with stage.connect() as connection:
        connection.execute(_MINIMAL.replace("%s", str(CUSTOMERS)))
        connection.execute("VACUUM ANALYZE bench_balance")
    return pgbench(stage, "minimal_one.sql" if one_customer else "minimal.sql", seconds=seconds)

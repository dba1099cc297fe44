"""The month close, beside one statement that only inserts as many invoices and lines."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import ClientCursor

from app.customers.service import get_customer
from app.run.processes import wait_until
from invoicing import service
from tests.bench.month import Month, check_ledger, write_month
from tests.bench.rows import Row
from tests.bench.stage import CORES, Stage
from tests.bench.workers import forget_jobs, wait_until_idle, workers

FIRST_ID: Final = 1_000_000
PATIENCE_SECONDS: Final = 3_600
FIRST: Final = 10
TWO_WORKERS: Final = (("bulk",), ("bulk",))

# Twins of the product's tables, with all their keys and checks.
_TWINS = """
DROP TABLE IF EXISTS bench_line, bench_invoice;
CREATE TABLE bench_invoice (LIKE invoice INCLUDING ALL, FOREIGN KEY (customer_id) REFERENCES customer);
CREATE TABLE bench_line (LIKE invoice_line INCLUDING ALL,
    FOREIGN KEY (customer_id, invoice_id) REFERENCES bench_invoice)
"""
_INSERT = """
WITH issued AS (
    INSERT INTO bench_invoice SELECT * FROM invoice
    WHERE customer_id >= %(first)s AND customer_id < %(end)s RETURNING 1
)
INSERT INTO bench_line SELECT * FROM invoice_line WHERE customer_id >= %(first)s AND customer_id < %(end)s
"""


@dataclass(frozen=True)
class Took:
    """The time of a piece of work, and of the processors what each part used. Seconds."""

    seconds: float
    cpu: Mapping[str, float]

    def notes(self, count: int) -> dict[str, Any]:
        """For a row: who used the cores, and what one of `count` cost, which no busy machine stretches."""
        return {
            "seconds": round(self.seconds, 1),
            "share_of_cores": {part: used / self.seconds / CORES for part, used in self.cpu.items()},
            "cpu_ms_each": {part: round(used * 1000 / count, 3) for part, used in self.cpu.items()},
        }


def close_month(stage: Stage, customers: int) -> tuple[Row, Month]:
    """A month of these customers closed by two workers; PDF and UBL are not made."""
    month = write_month(stage, "month", first=FIRST_ID, count=customers)
    took = _close(stage, month)
    yard = _insert_only(stage, month)
    notes = took.notes(customers) | _what_was_issued(stage, month) | {"events_each": month.events_each}
    notes["cpu_ms_each_inserted"] = yard.notes(customers)["cpu_ms_each"]["postgres"]
    row = Row(
        f"close of {customers:,} customers, 5 meters each / one INSERT",
        "invoices/s",
        (customers - FIRST) / took.seconds,
        customers / yard.seconds,
        0.2,
        notes,
    )
    return row, month


def close_ten_times_the_events(stage: Stage, usual: Row, customers: int) -> Row:
    """The same close where each customer had ten times the events: seconds beside seconds."""
    month = write_month(stage, "busy", first=FIRST_ID + customers, count=customers, times=10)
    took = _close(stage, month)
    return Row(
        "the same close with ten times the events / without",
        "s",
        took.seconds,
        usual.notes["seconds"],
        1.2,
        took.notes(customers) | {"events_each": month.events_each},
    )


def _close(stage: Stage, month: Month) -> Took:
    """From the start of the run to the end of its last chunk; the first customers are closed before."""
    with workers(stage.settings, *TWO_WORKERS) as running:
        # Workers run for weeks: what they do once in their lives is done before.
        for customer_id in month.customers[:FIRST]:
            service.start_close(month.start, get_customer(customer_id))
        _wait_for_runs(stage)
        # Their documents are not to be made in the midst of the close.
        forget_jobs(stage.settings)
        wait_until_idle(stage.settings, running)
        before = stage.cpu_seconds() | stage.cpu_of(running)
        began = time.monotonic()
        service.start_close(month.start)
        _wait_for_runs(stage)
        seconds = time.monotonic() - began
        after = stage.cpu_seconds() | stage.cpu_of(running)
    forget_jobs(stage.settings)
    check_ledger()
    return Took(seconds, {part: after[part] - before[part] for part in after})


def _wait_for_runs(stage: Stage) -> None:
    with stage.connect() as connection:

        def are_over() -> bool:
            found = connection.execute("SELECT count(*) FROM close_run WHERE finished_at IS NULL").fetchone()
            return found == (0,)

        if not wait_until(are_over, timeout_seconds=PATIENCE_SECONDS):
            sys.exit("the close does not end")


def _insert_only(stage: Stage, month: Month) -> Took:
    """One statement that inserts what the close inserted, read from memory: the middle one of three."""
    bounds = {"first": month.first, "end": month.first + month.count}
    with stage.connect() as connection:
        took = []
        for _ in range(3):
            connection.execute(_TWINS)
            before, began = stage.cpu_seconds(), time.monotonic()
            ClientCursor(connection).execute(_INSERT, bounds)
            seconds, after = time.monotonic() - began, stage.cpu_seconds()
            took.append(Took(seconds, {part: after[part] - before[part] for part in after}))
        connection.execute("DROP TABLE bench_line, bench_invoice")
    return sorted(took, key=lambda one: one.seconds)[1]


def _what_was_issued(stage: Stage, month: Month) -> dict[str, Any]:
    """Ends the run unless each customer has one invoice, all usage is billed, and no number is missing."""
    bounds = {"first": month.first, "end": month.first + month.count}
    with stage.connect() as connection:
        issued, documents, lines, left, gaps = connection.execute(_ISSUED, bounds).fetchone() or (0,) * 5
    if (issued, documents, left, gaps) != (month.count, month.count, 0, 0):
        told = f"{documents} invoices for {issued} of {month.count} customers"
        sys.exit(f"{told}, {left} micros unbilled, {gaps} numbers missing")
    return {"lines": int(lines)}


_ISSUED = """
SELECT count(DISTINCT i.customer_id), count(*), sum(l.lines),
       (SELECT sum(CASE credit WHEN 'unbilled_usage' THEN amount_micros ELSE 0 END)
             - sum(CASE debit WHEN 'unbilled_usage' THEN amount_micros ELSE 0 END)
        FROM transfer WHERE customer_id >= %(first)s AND customer_id < %(end)s),
       (SELECT sum(last_number) FROM number_series WHERE prefix = 'F')
         - (SELECT count(*) FROM invoice WHERE kind = 'invoice')
FROM invoice i, LATERAL (
    SELECT count(*) AS lines FROM invoice_line l
    WHERE l.customer_id = i.customer_id AND l.invoice_id = i.invoice_id) AS l
WHERE i.customer_id >= %(first)s AND i.customer_id < %(end)s
"""

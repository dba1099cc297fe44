"""The rows of the table: a load beside its yardstick, in turns so that both meet the same machine."""

import json
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from app.clock import utc_now
from metering import service
from metering.cloudevents import ReadEvents, Window, read_many
from tests.bench.load import CORES, Seen, read, send_events
from tests.bench.stage import CUSTOMERS, FIRST_ID, METERS, Stage
from tests.bench.yardsticks import copy_rows_per_second, minimal_transactions_per_second

BATCH_CONNECTIONS: Final = 8
SINGLE_CONNECTIONS: Final = 32
ROUNDS: Final = 3
EVENTS_PER_CUSTOMER: Final = len(METERS)


@dataclass
class Row:
    """One benchmark: the figure, its yardstick, their ratio and what it should reach."""

    name: str
    unit: str
    value: float
    yardstick: float | None
    reach: float | None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.value / self.yardstick if self.yardstick else None


def _notes(seen: list[Seen]) -> dict[str, Any]:
    last = seen[-1]
    return {
        "rounds": [round(one.per_second, 1) for one in seen],
        "p50_ms": round(median(one.p50_ms for one in seen), 2),
        "p99_ms": round(median(one.p99_ms for one in seen), 2),
        # A busy machine stretches the clock, not this.
        "cpu_ms_per_request": {
            part: round(share * CORES * last.seconds * 1000 / last.requests, 3)
            for part, share in last.cpu.items()
        },
        "share_of_cores": {part: round(share, 3) for part, share in last.cpu.items()},
    }


def warm_up(stage: Stage, seconds: float) -> None:
    """Begin every customer's period, so that the measurement is of the middle of a month.

    Then the web processes learn the customers: an installation of this size has them in memory.
    """
    with stage.app.app_context():
        for batch in range(EVENTS_PER_CUSTOMER):
            for first in range(0, CUSTOMERS, 1000):
                service.record_events(_of_everybody(batch, first))
    send_events(stage, "warm", size=1000, connections=BATCH_CONNECTIONS, seconds=seconds)
    stage.vacuum()


def _of_everybody(batch: int, first: int) -> ReadEvents:
    """One event of each of a thousand customers, on the meter of this batch."""
    now = utc_now()
    events = [
        {
            "specversion": "1.0",
            "id": f"first-{batch}-{number}",
            "source": "bench/first",
            "type": f"bench.{batch}",
            "subject": f"b{number}",
            "time": now.isoformat(),
            "data": {"tokens": 1},
        }
        for number in range(first, first + 1000)
    ]
    return read_many(json.dumps(events).encode(), Window.around(now, 1, 300))


def batches(stage: Stage, seconds: float) -> list[Row]:
    """Batches of 1,000 on 10,000 customers, then on 100, between rounds of COPY."""
    many, few, written, ready = [], [], [], []
    for turn in range(ROUNDS):
        plain, made = copy_rows_per_second(stage)
        written.append(plain)
        ready.append(made)
        many.append(_batches(stage, f"many{turn}", seconds, CUSTOMERS))
        few.append(_batches(stage, f"few{turn}", seconds, 100))
    yard = median(written)
    extra = {
        "yardstick_rounds": [round(one) for one in written],
        "copy_of_ready_text": round(median(ready)),
        "connections": BATCH_CONNECTIONS,
    }
    return [
        Row(
            name, "events/s", median(one.per_second for one in seen) * 1000, yard, reach, _notes(seen) | extra
        )
        for name, seen, reach in (
            ("batches of 1,000, 10,000 customers / COPY", many, 0.15),
            ("batches of 1,000, 100 customers / COPY", few, 0.25),
        )
    ]


def _batches(stage: Stage, tag: str, seconds: float, customers: int) -> Seen:
    return send_events(
        stage, tag, size=1000, connections=BATCH_CONNECTIONS, seconds=seconds, customers=customers
    )


def singles(stage: Stage, seconds: float, *, one_customer: bool) -> Row:
    """One event per request over 32 connections, beside pgbench with 32 clients."""
    customers = 1 if one_customer else CUSTOMERS
    seen, yard = [], []
    for turn in range(ROUNDS):
        yard.append(minimal_transactions_per_second(stage, one_customer=one_customer, seconds=seconds / 2))
        seen.append(
            send_events(
                stage,
                f"single{customers}-{turn}",
                size=1,
                connections=SINGLE_CONNECTIONS,
                seconds=seconds,
                customers=customers,
            )
        )
    where = "one customer" if one_customer else "10,000 customers"
    return Row(
        f"single events, 32 connections, {where} / pgbench",
        "requests/s",
        median(one.per_second for one in seen),
        median(yard),
        2.5 if one_customer else 0.5,
        _notes(seen) | {"yardstick_rounds": [round(one) for one in yard]},
    )


def balance_reads(stage: Stage, seconds: float) -> Row:
    """A balance over HTTP beside a route with the same authentication and SELECT 1."""
    seen, yard = [], []
    for _ in range(ROUNDS):
        yard.append(read(stage, "/v1/bench/one", connections=8, seconds=seconds))
        seen.append(
            read(stage, "/v1/customers/%s/balance", connections=8, seconds=seconds, customers=CUSTOMERS)
        )
    return Row(
        "balance read / SELECT 1 route",
        "requests/s",
        median(one.per_second for one in seen),
        median(one.per_second for one in yard),
        0.8,
        _notes(seen),
    )


def half_rate(stage: Stage, single: Row, seconds: float) -> Row:
    """p99 of a single event when requests come at half the highest rate, at random moments."""
    pause_ms = 2000 * SINGLE_CONNECTIONS / single.value - single.notes["p50_ms"] / 4
    seen = send_events(
        stage, "half", size=1, connections=SINGLE_CONNECTIONS, seconds=seconds, pause_ms=round(pause_ms)
    )
    notes = _notes([seen]) | {"of_highest_rate": round(seen.per_second / single.value, 2)}
    return Row("p99 of a single event at half the highest rate", "ms", seen.p99_ms, None, None, notes)


_STORED = """
INSERT INTO usage_event (customer_id, source, event_id, month, time, type, period_start, prices, quantities,
                         charges_micros, transfer_number, digest, data, changed_at)
SELECT %(first)s + (i::bigint * 7919) %% %(customers)s, 'bench/stored', 's-' || i,
       date_trunc('month', now())::date, now(), 'bench.1', date_trunc('month', now())::date, '{2}', '{1234}',
       '{2986}', 1, decode(md5(i::text), 'hex'),
       '{"tokens": 1234, "model": "large"}', now()
FROM generate_series(%(begin)s, %(end)s) AS i
"""
_PART: Final = 250_000


def stored(stage: Stage, events: int, seconds: float, empty: Row) -> Row:
    """Batches again when millions of events are stored, beside the same on the nearly empty table."""
    with stage.connect() as connection:
        for begin in range(0, events, _PART):
            end = min(begin + _PART, events) - 1
            bounds = {"first": FIRST_ID, "customers": CUSTOMERS, "begin": begin, "end": end}
            connection.execute(_STORED, bounds)
    stage.vacuum()
    seen = [_batches(stage, f"stored{turn}", seconds, CUSTOMERS) for turn in range(2)]
    with stage.connect() as connection:
        names = ("shared_buffers", "max_wal_size", "fsync", "synchronous_commit", "full_page_writes")
        kept = {name: connection.execute(f"SHOW {name}").fetchone() for name in names}
        size = connection.execute(
            "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('usage_event')"
        ).fetchone()
    notes = _notes(seen) | {
        "settings": {name: row[0] for name, row in kept.items() if row},
        "events_gb": round((size[0] if size else 0) / 1e9, 2),
    }
    return Row(
        f"batches with {events:,} events stored / nearly none",
        "events/s",
        median(one.per_second for one in seen) * 1000,
        empty.value,
        0.7,
        notes,
    )


def as_json(rows: list[Row]) -> str:
    """All rows with their notes, for `var/bench.json`."""
    return json.dumps([vars(row) | {"ratio": row.ratio} for row in rows], indent=1)

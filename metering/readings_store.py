"""What is kept beside the totals of readings: its rows, read and written in few statements."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from app.ledger.debits import Database, array_of
from metering.levels import ACCRUAL_SOURCE, ACCRUAL_TYPE, Change, Series

ZERO: Final = Decimal(0)

_STATES = """
SELECT s.customer_id, s.period_start, s.meter_id, s.price_id, s.integral, s.last_at, s.last_source,
       s.last_event_id
FROM unnest(%s::bigint[], %s::date[], %s::integer[], %s::integer[])
     AS k (customer_id, period_start, meter_id, price_id)
JOIN usage_state s USING (customer_id, period_start, meter_id, price_id)
"""
_PUT_STATE = """
INSERT INTO usage_state (customer_id, period_start, meter_id, price_id, integral, last_at, last_source,
                         last_event_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (customer_id, period_start, meter_id, price_id) DO UPDATE
SET integral = EXCLUDED.integral, last_at = EXCLUDED.last_at, last_source = EXCLUDED.last_source,
    last_event_id = EXCLUDED.last_event_id
"""
_VALUES = """
SELECT v.customer_id, v.period_start, v.meter_id, v.price_id, v.value, v.events
FROM unnest(%s::bigint[], %s::date[], %s::integer[], %s::integer[], %s::text[])
     AS k (customer_id, period_start, meter_id, price_id, value)
JOIN usage_value v ON v.customer_id = k.customer_id AND v.period_start = k.period_start
     AND v.meter_id = k.meter_id AND v.price_id = k.price_id AND v.value = k.value
"""
_PUT_VALUES = """
INSERT INTO usage_value (customer_id, period_start, meter_id, price_id, value, events)
SELECT * FROM unnest(%s::bigint[], %s::date[], %s::integer[], %s::integer[], %s::text[], %s::bigint[])
ON CONFLICT (customer_id, period_start, meter_id, price_id, value) DO UPDATE SET events = EXCLUDED.events
"""
# Of each series the changes from a moment on, and the last before it.
_SERIES = """
SELECT k.customer_id, k.meter_id, k.dimensions, s.accrued_to, c.at, c.source, c.event_id, c.level
FROM unnest(%s::bigint[], %s::integer[], %s::text[], %s::timestamptz[])
     AS k (customer_id, meter_id, dimensions, earliest)
JOIN usage_series s ON s.customer_id = k.customer_id AND s.meter_id = k.meter_id
     AND s.dimensions = k.dimensions
LEFT JOIN LATERAL (
    (SELECT at, source, event_id, level FROM usage_level
     WHERE customer_id = k.customer_id AND meter_id = k.meter_id AND dimensions = k.dimensions
       AND at >= k.earliest)
    UNION ALL
    (SELECT at, source, event_id, level FROM usage_level
     WHERE customer_id = k.customer_id AND meter_id = k.meter_id AND dimensions = k.dimensions
       AND at < k.earliest
     ORDER BY at DESC, source DESC, event_id DESC LIMIT 1)
) AS c ON true
ORDER BY c.at, c.source COLLATE "C", c.event_id COLLATE "C"
"""
_HELD = """
SELECT meter_id, dimensions, level, accrued_to FROM usage_series
WHERE customer_id = %s AND level <> 0 AND accrued_to < %s ORDER BY meter_id, dimensions
"""
_PUT_SERIES = """
INSERT INTO usage_series (customer_id, meter_id, dimensions, level, accrued_to) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (customer_id, meter_id, dimensions) DO UPDATE
SET level = EXCLUDED.level, accrued_to = EXCLUDED.accrued_to
"""
_COPY_LEVELS = """
COPY usage_level (customer_id, meter_id, dimensions, at, source, event_id, level) FROM STDIN
"""
_DROP_LEVEL = """
DELETE FROM usage_level
WHERE customer_id = %s AND meter_id = %s AND dimensions = %s AND at = %s AND source = %s AND event_id = %s
"""
_OTHERS = """
FROM usage_event
WHERE customer_id = %s AND period_start = %s AND %s = ANY(prices) AND voided_at IS NULL
  AND NOT (source = %s AND event_id = %s) AND month >= (%s::date - interval '1 month')
"""
_GREATEST = "SELECT max((data ->> %s)::numeric)" + _OTHERS
_LATEST = (
    "SELECT time, source, event_id, (data ->> %s)::numeric"
    + _OTHERS
    + "ORDER BY time DESC, source DESC, event_id DESC LIMIT 1"
)
_COPY_ACCRUALS = """
COPY usage_event (customer_id, source, event_id, month, time, type, period_start, prices, quantities,
                  charges_micros, transfer_number, digest, data, changed_at) FROM STDIN
"""

TotalKey = tuple[int, date, int, int]
ValueKey = tuple[int, date, int, int, str]
SeriesKey = tuple[int, int, str]


class LastEvent(NamedTuple):
    """The event that a `latest` has its value of: of several at one moment, the last by source and id."""

    at: datetime
    source: str
    event_id: str


class State(msgspec.Struct):
    """What a total of readings needs beside its quantity."""

    integral: Decimal = ZERO
    last: LastEvent | None = None


class AccrualRow(NamedTuple):
    """A level that was charged without an event of its own; `data_json` holds its dimension values."""

    customer_id: int
    event_id: str
    at: datetime
    period_start: date
    price_id: int
    quantity: Decimal
    charge_micros: int
    data_json: str


class ReadingsStore:
    """The rows of one transaction, on the driver's connection. All are under their customers' locks."""

    def __init__(self, connection: Database) -> None:
        self._connection = connection

    def states(self, keys: Collection[TotalKey]) -> dict[TotalKey, State]:
        """Those of these states that exist."""
        found: dict[TotalKey, State] = {}
        if keys:
            columns = [array_of(column) for column in zip(*keys, strict=True)]
            for row in self._connection.execute(_STATES, columns, binary=True):
                last = LastEvent(*row[5:8]) if row[5] is not None else None
                found[row[0], row[1], row[2], row[3]] = State(row[4], last)
        return found

    def values(self, keys: Collection[ValueKey]) -> dict[ValueKey, int]:
        """How many events named each of these values; those that none did are missing."""
        if not keys:
            return {}
        *numbers, values = zip(*keys, strict=True)
        columns = [*(array_of(column) for column in numbers), list(values)]
        rows = self._connection.execute(_VALUES, columns, binary=True)
        return {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in rows}

    def series(self, earliest: Mapping[SeriesKey, datetime]) -> dict[SeriesKey, Series]:
        """These series with their changes from a moment on, and the one before; empty ones are new."""
        found: dict[SeriesKey, Series] = {key: Series() for key in earliest}
        if earliest:
            customer_ids, meter_ids, dimensions = zip(*earliest, strict=True)
            columns = [list(customer_ids), list(meter_ids), list(dimensions), list(earliest.values())]
            for row in self._connection.execute(_SERIES, columns, binary=True):
                one = found[row[0], row[1], row[2]]
                one.accrued_to = row[3]
                if row[4] is not None:
                    one.changes.append(Change(*row[4:8]))
        return found

    def held_series(self, customer_id: int, until: datetime) -> dict[tuple[int, str], Series]:
        """The customer's series that hold a level which is not charged up to a moment yet."""
        return {
            (meter_id, dimensions): Series(accrued_to, [Change(accrued_to, "", "", level)])
            for meter_id, dimensions, level, accrued_to in self._connection.execute(
                _HELD, (customer_id, until), binary=True
            )
        }

    def greatest(self, event: Any, key: TotalKey, value_property: str) -> Decimal:
        """The greatest value among the other events of a total; zero when there is none."""
        row = self._connection.execute(_GREATEST, self._others(event, key, value_property)).fetchone()
        return row[0] if row and row[0] is not None else ZERO

    def latest(self, event: Any, key: TotalKey, value_property: str) -> tuple[LastEvent | None, Decimal]:
        """The last of the other events of a total and its value; zero when there is none."""
        row = self._connection.execute(_LATEST, self._others(event, key, value_property)).fetchone()
        return (LastEvent(*row[:3]), row[3]) if row else (None, ZERO)

    @staticmethod
    def _others(event: Any, key: TotalKey, value_property: str) -> tuple[object, ...]:
        return (value_property, key[0], key[1], key[3], event.source, event.event_id, key[1])

    def write_states(self, states: Mapping[TotalKey, State]) -> None:
        if states:
            self._connection.cursor().executemany(
                _PUT_STATE,
                [
                    (*key, state.integral, *(state.last or (None, None, None)))
                    for key, state in states.items()
                ],
            )

    def write_values(self, values: Mapping[ValueKey, int]) -> None:
        if values:
            *numbers, texts, counts = zip(*((*key, count) for key, count in values.items()), strict=True)
            columns = [*(array_of(column) for column in numbers), list(texts), array_of(counts)]
            self._connection.execute(_PUT_VALUES, columns)

    def write_series(self, series: Mapping[SeriesKey, Series]) -> None:
        if series:
            self._connection.cursor().executemany(
                _PUT_SERIES, [(*key, one.level, one.accrued_to) for key, one in series.items()]
            )

    def write_levels(
        self, added: Sequence[tuple[SeriesKey, Change]], removed: Sequence[tuple[SeriesKey, Change]]
    ) -> None:
        if added:
            with self._connection.cursor().copy(_COPY_LEVELS) as copy:
                for key, change in added:
                    copy.write_row((*key, *change))
        for key, change in removed:
            self._connection.execute(_DROP_LEVEL, (*key, *change[:3]))

    def write_accruals(
        self, rows: Sequence[AccrualRow], transfer_numbers: Mapping[int, int], now: datetime
    ) -> None:
        if not rows:
            return
        with self._connection.cursor().copy(_COPY_ACCRUALS) as copy:
            for row in rows:
                number = transfer_numbers.get(row.customer_id) if row.charge_micros else None
                copy.write_row((
                    row.customer_id, ACCRUAL_SOURCE, row.event_id, row.at.date().replace(day=1), row.at,
                    ACCRUAL_TYPE, row.period_start, [row.price_id], [row.quantity], [row.charge_micros],
                    number, b"", row.data_json, now,
                ))  # fmt: skip

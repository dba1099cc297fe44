"""Readings: meters whose events do not simply add up (`max`, `unique`, `latest`, `weighted_sum`).

Each is turned into what it moves its total by, so that it is charged like all else: G(Q1) - G(Q0). What the
total alone does not tell (values and how often, the latest event, levels and their exact integral) is kept
beside it, under the same lock. A level that was held in another period than its event's is charged there, and
told by a row of our own among the events.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from app.ledger.debits import Database
from metering.aggregation import as_quantity, value_of
from metering.book import Contribution, Reading, TotalKey, UsageBook
from metering.catalog import Catalog, MeterRule
from metering.levels import MICROSECOND, Change, Effect, Segment, Series, by_period, unit_hours
from metering.periods import Period
from metering.prices import Price, price_for
from metering.rating import EXACT
from metering.readings_store import AccrualRow, LastEvent, ReadingsStore, State

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

SeriesKey = tuple[int, int, str]
ValueKey = tuple[int, date, int, int, str]


class EventIdentity(NamedTuple):
    """Whose event it is, when it was, and its name."""

    customer_id: int
    at: datetime
    source: str
    event_id: str


class Read(NamedTuple):
    """An event with readings among what it contributes to the totals of its period."""

    event: EventIdentity
    period_start: date
    contributions: Sequence[Contribution]


class _Part(NamedTuple):
    """A level held within one period, and the price it has there."""

    period: Period
    price: Price
    segment: Segment
    dimensions: str


class _Plan(NamedTuple):
    """What an event moves its own total by, what it moves elsewhere, and how to keep that once charged."""

    quantity: Decimal
    apply: Callable[[], None]
    elsewhere: Sequence[_Part] = ()


def canonical(dimensions: object) -> str:
    """Dimension values as the text that a series is known by."""
    return msgspec.json.encode(dimensions, order="sorted").decode()


def reading_of(meter: MeterRule, data: Mapping[str, Any], dimensions: object) -> Reading | None:
    """What an event says to a meter that does not add up; None when that is no value for it."""
    name = meter.value_property or ""
    if meter.aggregation == "unique":
        text = value_of(data.get(name))
        return None if text is None else Reading("unique", name, "", text=text)
    value = as_quantity(data.get(name))
    if value is None:
        return None
    series = canonical(dimensions) if meter.aggregation == "weighted_sum" else ""
    return Reading(meter.aggregation, name, series, value)


class Readings:
    """The readings of one transaction, beside its usage book. Loaded for all events, charged one by one."""

    def __init__(self, connection: Database, book: UsageBook, catalog: Catalog) -> None:
        self._store = ReadingsStore(connection)
        self._book = book
        self._catalog = catalog
        self._states: dict[TotalKey, State] = {}
        self._values: dict[ValueKey, int] = {}
        self._series: dict[SeriesKey, Series] = {}
        self._changed_states: set[TotalKey] = set()
        self._changed_values: set[ValueKey] = set()
        self._changed_series: set[SeriesKey] = set()
        self._added: list[tuple[SeriesKey, Change]] = []
        self._removed: list[tuple[SeriesKey, Change]] = []
        self._accruals: list[AccrualRow] = []

    def load(self, reads: Iterable[Read]) -> None:
        """Read what is kept beside the totals that these events move."""
        states: set[TotalKey] = set()
        values: set[ValueKey] = set()
        earliest: dict[SeriesKey, datetime] = {}
        for event, period_start, contributions in reads:
            for contribution in contributions:
                reading = contribution.reading
                if reading is None:
                    continue
                total = _total_key(event.customer_id, period_start, contribution.price)
                if reading.aggregation == "unique":
                    values.add((*total, reading.text))
                elif reading.aggregation == "weighted_sum":
                    key = (event.customer_id, contribution.price.meter_id, reading.dimensions)
                    earliest[key] = min(event.at, earliest.get(key, event.at))
                    states.add(total)
                elif reading.aggregation == "latest":
                    states.add(total)
        self._load_states(states)
        self._values.update(dict.fromkeys(values, 0) | self._store.values(values))
        self._series.update(self._store.series(earliest))

    def _load_states(self, keys: Collection[TotalKey]) -> None:
        wanted = [key for key in keys if key not in self._states]
        if wanted:
            self._states.update({key: State() for key in wanted} | self._store.states(wanted))

    def charge(
        self, event: EventIdentity, period_start: date, contributions: Sequence[Contribution], sign: int = 1
    ) -> tuple[list[Contribution], list[int]] | None:
        """Charge an event (or, with -1, its void): what it moved its totals by, and the micros of each.

        None when that is implausible; then nothing has moved.
        """
        plans = [
            self._plan(event, period_start, c, c.reading, sign) if c.reading else None for c in contributions
        ]
        own = [
            c if plan is None else c._replace(quantity=plan.quantity, reading=None)
            for c, plan in zip(contributions, plans, strict=True)
        ]
        period = self._book.periods[event.customer_id, period_start]
        charges = self._book.charge(period, own)
        if charges is None:
            return None
        made = [plan for plan in plans if plan is not None]
        if not self._charge_elsewhere(event.customer_id, [e for plan in made for e in plan.elsewhere]):
            self._book.charge(
                period, [c._replace(quantity=c.quantity.copy_negate(), events=-c.events) for c in own]
            )
            return None
        for plan in made:
            plan.apply()
        return own, charges

    def accrue(self, customer_id: int, until: datetime) -> None:
        """Charge all levels that the customer holds up to a moment."""
        for (meter_id, dimensions), series in self._store.held_series(customer_id, until).items():
            key = (customer_id, meter_id, dimensions)
            effect = series.effect_of_time(until)
            parts = self._parts(customer_id, meter_id, dimensions, effect)
            if not self._charge_elsewhere(customer_id, parts):
                raise RuntimeError(f"a level of customer {customer_id} costs an implausible amount")
            series.accrued_to = effect.accrued_to
            self._series[key] = series
            self._changed_series.add(key)

    def write(self, transfer_numbers: dict[int, int], now: datetime) -> None:
        """Write what has changed. After the book has posted."""
        self._store.write_states({key: self._states[key] for key in self._changed_states})
        self._store.write_values({key: self._values[key] for key in self._changed_values})
        self._store.write_series({key: self._series[key] for key in self._changed_series})
        self._store.write_levels(self._added, self._removed)
        self._store.write_accruals(self._accruals, transfer_numbers, now)

    def _plan(
        self, event: EventIdentity, start: date, contribution: Contribution, reading: Reading, sign: int
    ) -> _Plan:
        key = _total_key(event.customer_id, start, contribution.price)
        if reading.aggregation == "unique":
            return self._plan_unique((*key, reading.text), sign)
        plan = {"max": self._plan_max, "latest": self._plan_latest, "weighted_sum": self._plan_level}
        return plan[reading.aggregation](event, key, reading, sign)

    def _plan_unique(self, key: ValueKey, sign: int) -> _Plan:
        was = self._values[key]
        is_now = was + sign

        def apply() -> None:
            self._values[key] = is_now
            self._changed_values.add(key)

        return _Plan(Decimal((is_now > 0) - (was > 0)), apply)

    def _plan_max(self, event: EventIdentity, key: TotalKey, reading: Reading, sign: int) -> _Plan:
        was, value = self._book.quantity(key), reading.value
        if sign > 0:
            is_now = max(was, value)
        elif value < was:
            is_now = was
        else:
            is_now = self._store.greatest(event, key, reading.value_property)
        return _Plan(EXACT.subtract(is_now, was), _nothing)

    def _plan_latest(self, event: EventIdentity, key: TotalKey, reading: Reading, sign: int) -> _Plan:
        was, state = self._book.quantity(key), self._states[key]
        mine = LastEvent(event.at, event.source, event.event_id)
        last, is_now = state.last, was
        if sign > 0 and (last is None or mine > last):
            last, is_now = mine, reading.value
        elif sign < 0 and mine == last:
            last, is_now = self._store.latest(event, key, reading.value_property)

        def apply() -> None:
            state.last = last
            self._changed_states.add(key)

        return _Plan(EXACT.subtract(is_now, was), apply)

    def _plan_level(self, event: EventIdentity, key: TotalKey, reading: Reading, sign: int) -> _Plan:
        meter_id = key[2]
        series_key = (event.customer_id, meter_id, reading.dimensions)
        series = self._series[series_key]
        change = Change(event.at, event.source, event.event_id, reading.value)
        effect = series.effect_of_adding(change) if sign > 0 else series.effect_of_removing(change)
        parts = self._parts(event.customer_id, meter_id, reading.dimensions, effect)
        own = sum_of([part.segment for part in parts if part.period.start == key[1]])
        state = self._states[key]
        integral = EXACT.add(state.integral, own)

        def apply() -> None:
            state.integral = integral
            self._changed_states.add(key)
            self._changed_series.add(series_key)
            if sign > 0:
                series.add(change, effect)
                self._added.append((series_key, change))
            else:
                series.remove(change)
                self._removed.append((series_key, change))

        elsewhere = [part for part in parts if part.period.start != key[1]]
        return _Plan(EXACT.subtract(unit_hours(integral), unit_hours(state.integral)), apply, elsewhere)

    def _parts(self, customer_id: int, meter_id: int, dimensions: str, effect: Effect) -> list[_Part]:
        """The segments, cut at the ends of periods, each with its period's price. Begins those periods."""
        parts = by_period(effect.segments, self._book.finder_of(customer_id))
        periods = {(customer_id, period.start): period for period, _ in parts}
        self._book.read_periods(periods)
        self._book.begin_periods(periods)
        values = msgspec.json.decode(dimensions)
        found = []
        for period, segment in parts:
            version = self._book.frozen_version((customer_id, period.start))
            in_force = self._catalog.in_force(meter_id, period.start, version, customer_id)
            price = price_for(in_force, values)
            if price is not None:
                found.append(_Part(period, price, segment, dimensions))
        return found

    def _charge_elsewhere(self, customer_id: int, parts: Sequence[_Part]) -> bool:
        """Charge levels in the periods in which they were held; all of them, or none."""
        keys = [_total_key(customer_id, part.period.start, part.price) for part in parts]
        self._book.load_totals(keys)
        self._load_states(keys)
        rows: list[AccrualRow] = []
        undo: list[tuple[TotalKey, Contribution, Decimal]] = []
        for part, key in zip(parts, keys, strict=True):
            state = self._states[key]
            before = state.integral
            integral = EXACT.add(before, part.segment.integral)
            moved = EXACT.subtract(unit_hours(integral), unit_hours(before))
            contribution = Contribution(part.price, moved, 0)
            charges = self._book.charge(self._book.periods[key[:2]], [contribution])
            if charges is None:
                for done, back, integral_was in reversed(undo):
                    self._book.charge(
                        self._book.periods[done[:2]], [back._replace(quantity=back.quantity.copy_negate())]
                    )
                    self._states[done].integral = integral_was
                return False
            undo.append((key, contribution, before))
            state.integral = integral
            self._changed_states.add(key)
            rows.append(self._row(key, part, moved, charges[0]))
        self._accruals.extend(rows)
        return True

    def _row(self, key: TotalKey, part: _Part, moved: Decimal, charge_micros: int) -> AccrualRow:
        meter = self._catalog.meters[key[2]]
        return AccrualRow(
            customer_id=key[0],
            event_id=f"{meter.code}-{secrets.token_hex(12)}",
            # The last moment at which the level was held: its hour, day and period are the right ones.
            at=part.segment.end - MICROSECOND,
            period_start=key[1],
            price_id=key[3],
            quantity=moved,
            charge_micros=charge_micros,
            data_json=part.dimensions,
        )


def _total_key(customer_id: int, period_start: date, price: Price) -> TotalKey:
    return (customer_id, period_start, price.meter_id, price.price_id)


def sum_of(segments: Iterable[Segment]) -> Decimal:
    """The integral of segments together, exact."""
    total = ZERO
    for segment in segments:
        total = EXACT.add(total, segment.integral)
    return total


def _nothing() -> None:
    """What is kept by the total itself needs nothing more."""

"""Recording usage: identity, rating, debit and storage of many events in one transaction.

The balance rows of all customers concerned are locked first. Under them nobody else writes these customers'
events, periods or totals, so what is probed stays true until the commit: an event is known by (customer,
source, id), and what is not found is written with a plain COPY. Verdicts are per event; a refused one
changes nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from psycopg import Cursor
from psycopg.rows import TupleRow

from app.clock import utc_now
from app.config import settings
from app.ledger.debits import (
    Database,
    LockedBalance,
    array_of,
    ask_for_locks,
    driver_connection,
    locked_balances,
)
from metering.aggregation import ADDITIVE, dimensions_of, quantity_of
from metering.book import Contribution, PeriodKey, TotalKey, UsageBook, ask_for_periods
from metering.catalog import Catalog, ask_for_version, catalog_at, read_version
from metering.cloudevents import UsageEvent
from metering.meters import note_first_events
from metering.partitions import first_of_next
from metering.periods import Period, PeriodFinder
from metering.prices import price_for
from metering.readings import EventIdentity, Read, Readings, reading_of
from metering.verdicts import Verdict

NEIGHBOUR: Final = timedelta(hours=48)

_PROBE = """
SELECT k.customer_id, k.source, k.event_id, e.digest
FROM unnest(%b::bigint[], %b::text[], %b::text[]) AS k (customer_id, source, event_id)
CROSS JOIN LATERAL (
    SELECT digest FROM usage_event
    WHERE customer_id = k.customer_id AND source = k.source AND event_id = k.event_id AND month = %s
    LIMIT 1
) AS e
"""
_COPY_EVENTS = """
COPY usage_event (customer_id, source, event_id, month, time, type, period_start, prices, quantities,
                  charges_micros, transfer_number, digest, data, changed_at) FROM STDIN
"""

_NULL: Final = "\\N"
ZERO: Final = Decimal(0)

EventKey = tuple[int, str, str]


class Recorded(msgspec.Struct):
    """What became of the events, in their order; the balances afterwards; who fell through a mark."""

    verdicts: list[Verdict]
    balances: dict[int, LockedBalance]
    crossed: list[int]


class _Taken(msgspec.Struct, gc=False):
    """An event that is being recorded."""

    position: int
    event: UsageEvent
    period: Period
    contributions: list[Contribution]
    charges: list[int] = []


def record(events: Sequence[UsageEvent]) -> Recorded:
    """Record events of known customers in the open unit of work. All or nothing is up to the caller."""
    connection = driver_connection()
    now = utc_now()
    finder = PeriodFinder(settings().timezone)
    periods = [finder.find(event.time) for event in events]
    months = {(event.customer_id, month.start) for event, month in zip(events, periods, strict=True)}
    with connection.pipeline():
        # Each statement sees what was committed when its turn comes: after the locks.
        locks = ask_for_locks(connection, {event.customer_id for event in events})
        version = ask_for_version(connection)
        probes = _ask_for_digests(connection, events, now)
        # After the probes: from them on no month is dropped before the commit.
        kept = _ask_for_kept_from(connection, events, now)
        begun = ask_for_periods(connection, months)
    balances = locked_balances(locks)
    catalog = catalog_at(read_version(version))
    verdicts = [Verdict.ACCEPTED] * len(events)
    fresh = _fresh_events(probes, events, balances, verdicts)
    kept_from = _kept_from(kept)
    if kept_from is not None:
        fresh = _of_kept_months(fresh, kept_from, verdicts)
    catalog = note_first_events(catalog, {event.type for _, event in fresh})
    book = UsageBook(connection, balances, catalog, now)
    book.take_periods(begun)
    if book.decide(months, read=False):
        periods = [book.period_at(event.customer_id, event.time) for event in events]
    readings = Readings(connection, book, catalog)
    taken = _rate(book, catalog, readings, [(*one, periods[one[0]]) for one in fresh], verdicts)
    debited = book.post()
    readings.write(debited.transfer_numbers, now)
    _store(connection, taken, debited.transfer_numbers, now)
    return Recorded(verdicts, balances, debited.crossed)


def _fresh_events(
    probes: Iterable[Cursor[TupleRow]],
    events: Sequence[UsageEvent],
    balances: dict[int, LockedBalance],
    verdicts: list[Verdict],
) -> list[tuple[int, UsageEvent]]:
    """The events not recorded before; the others get their verdict. Twins among them are still in."""
    digests: dict[EventKey, bytes] = {
        (customer_id, source, event_id): digest
        for probe in probes
        for customer_id, source, event_id, digest in probe
    }
    fresh = []
    for position, event in enumerate(events):
        if event.customer_id not in balances:
            verdicts[position] = Verdict.UNKNOWN_CUSTOMER
            continue
        digest = digests.get((event.customer_id, event.source, event.event_id)) if digests else None
        if digest is None:
            fresh.append((position, event))
        else:
            verdicts[position] = Verdict.DUPLICATE if digest == event.digest else Verdict.CONFLICT
    return fresh


def _ask_for_digests(
    connection: Database, events: Sequence[UsageEvent], now: datetime
) -> list[Cursor[TupleRow]]:
    """The statements that read the digests of recorded events: in all months that are taken now.

    What is older still, by a backfill, is looked for in its own month and a neighbouring one too.
    """
    taken_from, taken_to = _oldest_taken(now), now + timedelta(seconds=settings().event_max_ahead_seconds)
    columns = (
        [event.customer_id for event in events],
        [event.source for event in events],
        [event.event_id for event in events],
    )
    by_month = dict.fromkeys(months_between(taken_from - NEIGHBOUR, taken_to), columns)
    others: dict[date, tuple[list[int], list[str], list[str]]] = {}
    for event in events:
        if taken_from <= event.time <= taken_to:
            continue
        for month in months_between(event.time - NEIGHBOUR, event.time + NEIGHBOUR):
            if month not in by_month:
                older = others.setdefault(month, ([], [], []))
                older[0].append(event.customer_id)
                older[1].append(event.source)
                older[2].append(event.event_id)
    return [
        connection.execute(_PROBE, (*keys, month), binary=True) for month, keys in (by_month | others).items()
    ]


def _oldest_taken(now: datetime) -> datetime:
    return now - timedelta(days=settings().event_max_age_days)


def _ask_for_kept_from(
    connection: Database, events: Sequence[UsageEvent], now: datetime
) -> Cursor[TupleRow] | None:
    """The statement that reads from when on events are kept; nothing where all may still be sent."""
    oldest = _oldest_taken(now)
    if all(event.time >= oldest for event in events):
        return None
    return connection.execute("SELECT kept_from FROM usage_rollup")


def _kept_from(found: Cursor[TupleRow] | None) -> date | None:
    row = found.fetchone() if found is not None else None
    return row[0] if row else None


def _of_kept_months(
    fresh: Sequence[tuple[int, UsageEvent]], kept_from: date, verdicts: list[Verdict]
) -> list[tuple[int, UsageEvent]]:
    """Refuse what may have been recorded in a month that was dropped since."""
    kept = []
    for position, event in fresh:
        if month_of(event.time) < kept_from:
            verdicts[position] = Verdict.TIME_TOO_OLD
        else:
            kept.append((position, event))
    return kept


def month_of(moment: datetime) -> date:
    """The partition of a moment in UTC: the first day of its month."""
    return date(moment.year, moment.month, 1)


def months_between(first: datetime, last: datetime) -> list[date]:
    """The partitions of all moments from one to another."""
    months = [month_of(first)]
    while months[-1] < month_of(last):
        months.append(first_of_next(months[-1]))
    return months


def _rate(
    book: UsageBook,
    catalog: Catalog,
    readings: Readings,
    fresh: Sequence[tuple[int, UsageEvent, Period]],
    verdicts: list[Verdict],
) -> list[_Taken]:
    """Charge the fresh events in their order; those that cannot be get their verdict."""
    candidates: list[_Taken] = []
    billed: dict[PeriodKey, Period] = {}
    keys: dict[TotalKey, None] = {}
    for position, event, period in fresh:
        found = _contributions(book, catalog, event, period)
        if isinstance(found, Verdict):
            verdicts[position] = found
            continue
        candidates.append(_Taken(position, event, period, found))
        billed[event.customer_id, period.start] = period
        for contribution in found:
            price = contribution.price
            keys[event.customer_id, period.start, price.meter_id, price.price_id] = None
    book.begin_periods(billed)
    book.load_totals(keys)
    if catalog.read_types:
        readings.load(
            [
                Read(_identity(taken.event), taken.period.start, taken.contributions)
                for taken in candidates
                if taken.event.type in catalog.read_types
            ]
        )
    return _charge(book, catalog, readings, candidates, verdicts)


def _identity(event: UsageEvent) -> EventIdentity:
    return EventIdentity(event.customer_id, event.time, event.source, event.event_id)


def _charge(
    book: UsageBook,
    catalog: Catalog,
    readings: Readings,
    candidates: Sequence[_Taken],
    verdicts: list[Verdict],
) -> list[_Taken]:
    """Charge one after the other; of twins in one transaction the first counts."""
    digests: dict[EventKey, bytes] = {}
    taken = []
    for candidate in candidates:
        event = candidate.event
        key = (event.customer_id, event.source, event.event_id)
        twin = digests.get(key)
        if twin is not None:
            verdicts[candidate.position] = Verdict.DUPLICATE if twin == event.digest else Verdict.CONFLICT
            continue
        charges: list[int] | None
        if event.type in catalog.read_types:
            start = candidate.period.start
            moved = readings.charge(_identity(event), start, candidate.contributions)
            candidate.contributions, charges = moved or ([], None)
        else:
            period = book.periods[event.customer_id, candidate.period.start]
            charges = book.charge(period, candidate.contributions)
        if charges is None:
            verdicts[candidate.position] = Verdict.CHARGE_TOO_LARGE
            continue
        digests[key] = event.digest
        candidate.charges = charges
        taken.append(candidate)
    return taken


def _contributions(
    book: UsageBook, catalog: Catalog, event: UsageEvent, period: Period
) -> list[Contribution] | Verdict:
    """What the event adds to each of its meters, at the prices frozen for its period.

    A meter that never had a price is not in use yet; but some meter must count the event.
    """
    meters = catalog.by_type.get(event.type)
    if meters is None:
        return Verdict.NO_METER
    version = book.frozen_version((event.customer_id, period.start))
    contributions = []
    for meter in meters:
        if not catalog.is_priced(meter.meter_id, event.customer_id):
            continue
        dimensions = dimensions_of(meter.dimensions, event.data) if meter.dimensions else {}
        if dimensions is None:
            return Verdict.INVALID_DIMENSION
        in_force = catalog.in_force(meter.meter_id, period.start, version, event.customer_id)
        price = price_for(in_force, dimensions)
        if price is None:
            return Verdict.NO_PRICE
        if meter.aggregation in ADDITIVE:
            quantity = quantity_of(meter.aggregation, meter.value_property, event.data)
            if quantity is None:
                return Verdict.INVALID_QUANTITY
            contributions.append(Contribution(price, quantity))
            continue
        reading = reading_of(meter, event.data, dimensions)
        if reading is None:
            return Verdict.INVALID_VALUE if meter.aggregation == "unique" else Verdict.INVALID_QUANTITY
        contributions.append(Contribution(price, ZERO, 1, reading))
    return contributions or Verdict.NO_PRICE


def _store(
    connection: Database, taken: Sequence[_Taken], transfer_numbers: dict[int, int], now: datetime
) -> None:
    if not taken:
        return
    at = now.isoformat()
    lines = [_line(entry, transfer_numbers, at) for entry in taken]
    with connection.cursor().copy(_COPY_EVENTS) as copy:
        copy.write("".join(lines))


def _line(entry: _Taken, transfer_numbers: dict[int, int], at: str) -> str:
    """The columns of `_COPY_EVENTS` as COPY's text: putting it together here is much quicker."""
    event = entry.event
    number = transfer_numbers.get(event.customer_id) if any(entry.charges) else None
    return (
        f"{event.customer_id}\t{_text(event.source)}\t{_text(event.event_id)}\t{month_of(event.time)}\t"
        f"{event.time}\t{_text(event.type)}\t{entry.period.start}\t"
        f"{array_of([c.price.price_id for c in entry.contributions])}\t"
        f"{array_of([c.quantity for c in entry.contributions])}\t{array_of(entry.charges)}\t"
        f"{_NULL if number is None else number}\t\\\\x{event.digest.hex()}\t{_text(event.data_json)}\t{at}\n"
    )


def _text(text: str) -> str:
    """A text as COPY reads it back; `month`, numbers and moments need none of this."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if not text.isprintable():
        text = text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return text

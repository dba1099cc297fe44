"""Reading events back: what was recorded, what each cost, as pages and as a stream of CSV.

Events are found by customer and by month of their time, so only the partitions in question are read. A page
goes on after the last event seen; a stream reads through a cursor of the server, so neither grows with the
number of events.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import ARRAY, Integer, Row, Select, Text, and_, cast, literal, or_, select, tuple_

from app.config import settings
from app.db import db
from app.money import decimal_of_micros
from metering.catalog import Catalog, current_catalog
from metering.models import UsageEvent, UsagePeriod
from metering.partitions import first_of_next

CHUNK: Final = 1000
COLUMNS: Final = (
    "time", "source", "id", "type", "meter", "price", "quantity", "unit", "charge", "returned", "currency",
    "voided_at", "transaction", "data",
)  # fmt: skip
_EVENT: Final = UsageEvent.__table__.c
# As it came in: read as text, so that no number in it becomes a float.
_DATA: Final = cast(_EVENT.data, Text).label("data_json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events: by moment, by their period's first day, by meter, price and values of dimensions.

    `month` takes all periods that begin in one, instead of a single period. `late` are those that came, or
    were taken back, after their period was closed.
    """

    customer_id: int
    start: datetime | None = None
    end: datetime | None = None
    period: date | None = None
    month: date | None = None
    meter: str | None = None
    prices: frozenset[int] | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)
    late: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """What an event counted for one meter, and what that cost; `returned_micros` when it was taken back."""

    meter: str
    unit: str
    price_id: int
    quantity: Decimal
    charge_micros: int
    returned_micros: int


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as it was taken, with the charges that were wanted; its data as the JSON it came in."""

    source: str
    event_id: str
    type: str
    time: datetime
    period_start: date
    data_json: str
    charges: list[Charge]
    voided_at: datetime | None
    transfer_number: int | None
    void_transfer_number: int | None

    @property
    def place(self) -> tuple[datetime, str, str]:
        """Where it stands in a list by time."""
        return self.time, self.source, self.event_id


def page(
    wanted: Wanted, *, after: tuple[datetime, str, str] | None, limit: int
) -> tuple[list[RecordedEvent], bool]:
    """The next events by time, and whether more follow."""
    catalog = current_catalog()
    query = _query(wanted, catalog)
    if after is not None:
        query = query.where(tuple_(_EVENT.time, _EVENT.source, _EVENT.event_id) > after)
    rows = db.session.execute(query.limit(limit + 1)).all()
    return [_recorded(row, wanted, catalog) for row in rows[:limit]], len(rows) > limit


def csv_lines(wanted: Wanted) -> Iterator[str]:
    """The events as CSV, a row per event and meter, in chunks; a connection is held while it is read."""
    catalog = current_catalog()
    query = _query(wanted, catalog)
    # The stream outlives the request: it has a connection of its own, and the request gives its back.
    engine, currency = db.engine, settings().currency
    db.session.rollback()

    def stream() -> Iterator[str]:
        yield _lines([COLUMNS])
        with engine.connect() as connection:
            rows = connection.execution_options(stream_results=True, yield_per=CHUNK).execute(query)
            for chunk in rows.partitions():
                events = (_recorded(row, wanted, catalog) for row in chunk)
                yield _lines(line for event in events for line in _csv(event, currency))

    return stream()


def prices_for(meter: str, when: Mapping[str, str]) -> frozenset[int]:
    """The meter's prices for exactly these values of dimensions; none for those of all other values."""
    catalog = current_catalog()
    return frozenset(
        price.price_id
        for price in catalog.prices.values()
        if catalog.meters[price.meter_id].code == meter and dict(price.when) == dict(when)
    )


def filters_of_line(
    period: date, meter: str, when: Mapping[str, str], *, late: bool, whole_month: bool = True
) -> dict[str, str]:
    """How the events behind an invoice line are asked for: its period, and its price by meter and `when`.

    `whole_month`: the period is the month, so that is what it is called.
    """
    filters = {
        "period": period.strftime("%Y-%m") if whole_month else period.isoformat(),
        "meter": meter,
        "when": msgspec.json.encode(dict(when)).decode(),
    }
    return filters | ({"late": "true"} if late else {})


def address(reference: str, filters: Mapping[str, str]) -> str:
    """Where the API lists these events."""
    return f"/v1/customers/{reference}/events?{urlencode(filters)}"


def _query(wanted: Wanted, catalog: Catalog) -> Select[Any]:
    prices = _price_ids(wanted, catalog)
    query = select(
        _EVENT.source, _EVENT.event_id, _EVENT.type, _EVENT.time, _EVENT.period_start, _EVENT.prices,
        _EVENT.quantities, _EVENT.charges_micros, _EVENT.void_charges_micros, _DATA, _EVENT.voided_at,
        _EVENT.transfer_number, _EVENT.void_transfer_number,
    ).where(_EVENT.customer_id == wanted.customer_id)  # fmt: skip
    if wanted.start is not None:
        query = query.where(_EVENT.time >= wanted.start, _EVENT.month >= wanted.start.date().replace(day=1))
    if wanted.end is not None:
        query = query.where(_EVENT.time < wanted.end, _EVENT.month <= wanted.end.date().replace(day=1))
    first = wanted.period or wanted.month
    if first is not None:
        # A local month touches its neighbour in UTC, by which the table is partitioned.
        after = first_of_next(first)
        query = query.where(
            _EVENT.period_start >= first,
            _EVENT.period_start < (first + timedelta(days=1) if wanted.period else after),
            _EVENT.month >= first.replace(day=1) - timedelta(days=31),
            _EVENT.month <= after,
        )
    if prices is not None:
        query = query.where(_EVENT.prices.op("&&")(cast(sorted(prices), ARRAY(Integer))))
    for name, value in wanted.dimensions.items():
        query = query.where(_EVENT.data.op("->>")(literal(name)) == value)
    if wanted.late:
        query = query.where(_came_late())
    return query.order_by(_EVENT.time, _EVENT.source, _EVENT.event_id)


def _came_late() -> Any:
    closing = (
        select(UsagePeriod.closing_at)
        .where(UsagePeriod.customer_id == _EVENT.customer_id, UsagePeriod.period_start == _EVENT.period_start)
        .scalar_subquery()
    )
    return or_(and_(_EVENT.voided_at.is_(None), _EVENT.changed_at > closing), _EVENT.voided_at > closing)


def _price_ids(wanted: Wanted, catalog: Catalog) -> frozenset[int] | None:
    """The prices that an event must have met; None for any."""
    if wanted.meter is None:
        return wanted.prices
    of_meter = frozenset(
        price.price_id
        for price in catalog.prices.values()
        if catalog.meters[price.meter_id].code == wanted.meter
    )
    return of_meter if wanted.prices is None else of_meter & wanted.prices


def _recorded(row: Row[Any], wanted: Wanted, catalog: Catalog) -> RecordedEvent:
    prices = _price_ids(wanted, catalog)
    returned = row.void_charges_micros or [0] * len(row.prices)
    charges = []
    for price_id, quantity, micros, back in zip(
        row.prices, row.quantities, row.charges_micros, returned, strict=True
    ):
        if prices is None or price_id in prices:
            meter = catalog.meters[catalog.prices[price_id].meter_id]
            charges.append(Charge(meter.code, meter.unit, price_id, quantity, micros, back))
    return RecordedEvent(
        row.source, row.event_id, row.type, row.time, row.period_start, row.data_json, charges, row.voided_at,
        row.transfer_number, row.void_transfer_number,
    )  # fmt: skip


def _csv(event: RecordedEvent, currency: str) -> Iterator[Sequence[Any]]:
    voided_at = event.voided_at.isoformat() if event.voided_at else ""
    for charge in event.charges:
        yield (
            event.time.isoformat(), event.source, event.event_id, event.type, charge.meter, charge.price_id,
            format(charge.quantity.normalize(), "f"), charge.unit, _euros(charge.charge_micros),
            _euros(charge.returned_micros), currency, voided_at, event.transfer_number or "",
            event.data_json,
        )  # fmt: skip


def _euros(micros: int) -> str:
    return format(decimal_of_micros(micros), "f")


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()

"""The catalogue: all meters and prices, kept in each process and checked by one version row.

Every transaction that rates reads the version; another one than the process holds means: load again.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Final, cast

import msgspec
from flask import current_app
from psycopg import Connection, Cursor
from psycopg.rows import TupleRow
from sqlalchemy import select

from app.config import settings
from app.db import db
from metering.aggregation import ADDITIVE
from metering.models import Meter, MeterCatalog, MeterPrice
from metering.periods import day_of
from metering.prices import Price, decode_definition, prices_in_force
from metering.rating import gross_function
from metering.treatment import TaxClass, class_at

_EXTENSION: Final = "metering.catalog"


class MeterRule(msgspec.Struct, frozen=True):
    """A meter as events are matched with it."""

    meter_id: int
    code: str
    event_type: str
    aggregation: str
    value_property: str | None
    unit: str
    dimensions: tuple[str, ...]
    names: dict[str, str]
    has_events: bool
    tax_classes: tuple[tuple[int, str, bool], ...] = ()


class Catalog:
    """All meters and prices at one version, with what was worked out from them."""

    def __init__(self, version: int, meters: list[MeterRule], prices: list[Price]) -> None:
        self.version = version
        self.meters = {meter.meter_id: meter for meter in meters}
        self.prices = {price.price_id: price for price in prices}
        self.by_type: dict[str, list[MeterRule]] = {}
        for meter in meters:
            self.by_type.setdefault(meter.event_type, []).append(meter)
        self.prices_of: dict[int, list[Price]] = {}
        # Types of events that some meter does not simply add up.
        self.read_types = frozenset(m.event_type for m in meters if m.aggregation not in ADDITIVE)
        # Meters that are, or were, taxed otherwise than most.
        self.specially_taxed = frozenset(m.meter_id for m in meters if m.tax_classes)
        self._own_prices: dict[tuple[int, int], list[Price]] = {}
        for price in prices:
            if price.customer_id is None:
                self.prices_of.setdefault(price.meter_id, []).append(price)
            else:
                self._own_prices.setdefault((price.meter_id, price.customer_id), []).append(price)
        self._own_meters = {meter_id for meter_id, _ in self._own_prices}
        self._in_force: dict[tuple[int, date, int, int | None], list[Price]] = {}
        self._gross: dict[tuple[int, Decimal], Callable[[Decimal, int], int]] = {}

    def is_in_use(self, meter_id: int) -> bool:
        """Whether the meter ever had a price, for everybody or for a customer."""
        return meter_id in self.prices_of or meter_id in self._own_meters

    def is_priced(self, meter_id: int, customer_id: int) -> bool:
        """Whether the meter ever had a price for the customer: else it is not in use yet."""
        return meter_id in self.prices_of or (meter_id, customer_id) in self._own_prices

    def in_force(self, meter_id: int, period_start: date, version: int, customer_id: int) -> list[Price]:
        """The meter's prices for a customer's period that was frozen at a version, in order of choice."""
        own = self._own_prices.get((meter_id, customer_id), ())
        key = (meter_id, period_start, version, customer_id if own else None)
        found = self._in_force.get(key)
        if found is None:
            prices = [*self.prices_of.get(meter_id, ()), *own]
            found = self._in_force[key] = prices_in_force(prices, period_start, version)
        return found

    def tax_class(self, meter_id: int, version: int) -> TaxClass:
        """How a meter is taxed in a period that was frozen at a version."""
        return class_at(self.meters[meter_id].tax_classes, version)

    def gross(self, price: Price, vat_rate: Decimal) -> Callable[[Decimal, int], int]:
        """G of a price at a VAT rate, as a function of (quantity, events)."""
        key = (price.price_id, vat_rate)
        found = self._gross.get(key)
        if found is None:
            found = self._gross[key] = gross_function(price.definition, vat_rate)
        return found


def stored_version() -> int:
    """The version in the database now; 0 before anything was published."""
    return db.session.scalar(select(MeterCatalog.version)) or 0


def ask_for_version(connection: Connection[TupleRow]) -> Cursor[TupleRow]:
    """The statement of `stored_version` on the driver's connection, for a pipeline."""
    return connection.execute("SELECT version FROM meter_catalog")


def read_version(found: Cursor[TupleRow]) -> int:
    """What `ask_for_version` found."""
    row = found.fetchone()
    return row[0] if row else 0


def catalog_at(version: int) -> Catalog:
    """The catalogue, from this process when it holds that version, else loaded anew."""
    held = cast("Catalog | None", current_app.extensions.get(_EXTENSION))
    if held is None or held.version != version:
        held = load_catalog()
        keep_catalog(held)
    return held


def keep_catalog(catalog: Catalog) -> None:
    """Hold a catalogue of committed meters and prices for this process."""
    current_app.extensions[_EXTENSION] = catalog


def current_catalog() -> Catalog:
    """The catalogue as it is now. One small statement when nothing has changed."""
    return catalog_at(stored_version())


def load_catalog() -> Catalog:
    """Read meters and prices until the version stands still around the reading."""
    while True:
        version = stored_version()
        meters = [_meter(row) for row in db.session.scalars(select(Meter).order_by(Meter.meter_id))]
        prices = [_price(row) for row in db.session.scalars(select(MeterPrice).order_by(MeterPrice.price_id))]
        if stored_version() == version:
            return Catalog(version, meters, prices)


def _meter(row: Meter) -> MeterRule:
    return MeterRule(
        meter_id=row.meter_id,
        code=row.code,
        event_type=row.event_type,
        aggregation=row.aggregation,
        value_property=row.value_property,
        unit=row.unit,
        dimensions=tuple(row.dimensions),
        names=row.name,
        has_events=row.first_event_at is not None,
        tax_classes=tuple((since, category, telecom) for since, category, telecom in row.tax_classes),
    )


def _price(row: MeterPrice) -> Price:
    return Price(
        price_id=row.price_id,
        meter_id=row.meter_id,
        catalog_version=row.catalog_version,
        effective_from=row.effective_from,
        when=tuple(sorted(row.applies_when.items())),
        definition=decode_definition(row.definition),
        published_on=day_of(row.created_at, settings().timezone),
        customer_id=row.customer_id,
    )

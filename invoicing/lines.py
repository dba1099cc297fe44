"""Invoice lines: one per meter, price and tier, in whole cents. Pure: no clock, no database, no language.

A line's amount is its quantity at its price, rounded once; totals are sums of rounded lines, so what is
printed can be added up. A price of fractions of a cent is stated per 1,000 or per million units (its
base), as EN 16931's base quantity is, so that quantity × price / base gives the amount again.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, Literal

import msgspec

from invoicing.tax import Treatment
from invoicing.totals import cents

# What a line's quantity counts: units of the meter, a tier's flat amount, packages, events, or the value
# that a percentage is taken of. A correction is usage of an earlier period; fees are what paying cost, a
# charge is anything else that was agreed; nothing stands on an invoice that bills nothing.
LineKind = Literal["units", "flat", "packages", "events", "value", "correction", "fees", "charge", "nothing"]
KINDS: Final[dict[str, LineKind]] = {
    "units": "units",
    "flat": "flat",
    "packages": "packages",
    "events": "events",
    "value": "value",
}

# Quantities have 12 decimals and so have prices: their product must not be rounded twice.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)

MILLION: Final = 1_000_000
THOUSAND: Final = 1_000
SMALLEST_PLAIN_PRICE: Final = Decimal("0.001")
SMALLEST_PRICE_PER_THOUSAND: Final = Decimal("0.10")


class Part(msgspec.Struct, frozen=True):
    """A part of a meter's price: `quantity` at `unit_amount`, net. `above` and `up_to` bound its tier."""

    quantity: Decimal
    unit_amount: Decimal
    kind: LineKind = "units"
    above: Decimal | None = None
    up_to: Decimal | None = None


class MeterUsage(msgspec.Struct, frozen=True):
    """What a meter counted under one price in a period, as its price is made up."""

    meter: str
    names: Mapping[str, str]
    unit: str
    treatment: Treatment
    parts: tuple[Part, ...]
    dimensions: Mapping[str, str] = msgspec.field(default_factory=dict)


class Line(msgspec.Struct, frozen=True):
    """One line as it is frozen on the invoice. `names` holds the meter's name by language."""

    kind: LineKind
    meter: str
    names: Mapping[str, str]
    unit: str
    quantity: Decimal
    unit_price: Decimal
    price_base: int
    net_cents: int
    treatment: Treatment
    above: Decimal | None = None
    up_to: Decimal | None = None
    dimensions: Mapping[str, str] = msgspec.field(default_factory=dict)
    correction_of: str | None = None
    supplied_from: date | None = None
    supplied_until: date | None = None

    @property
    def price_per_base(self) -> Decimal:
        """The price as stated: per `price_base` units."""
        return self.unit_price * self.price_base

    @property
    def exact_net(self) -> Decimal:
        """Quantity times price, before it was rounded to cents."""
        return _EXACT.multiply(self.quantity, self.unit_price)


def base_of(unit_price: Decimal) -> int:
    """Per how many units a price is stated: 1, 1,000 or 1,000,000."""
    price = abs(unit_price)
    if price == 0 or price >= SMALLEST_PLAIN_PRICE:
        return 1
    return THOUSAND if price * THOUSAND >= SMALLEST_PRICE_PER_THOUSAND else MILLION


def lines_of(usage: Iterable[MeterUsage]) -> list[Line]:
    """The lines of a period's usage, in the order given; nothing used gives no line."""
    return [_line(metered, part) for metered in usage for part in metered.parts if part.quantity]


def _line(metered: MeterUsage, part: Part) -> Line:
    return Line(
        kind=part.kind,
        meter=metered.meter,
        names=metered.names,
        unit=metered.unit if part.kind == "units" else "",
        quantity=part.quantity,
        unit_price=part.unit_amount,
        price_base=base_of(part.unit_amount) if part.kind == "units" else 1,
        net_cents=cents(_EXACT.multiply(part.quantity, part.unit_amount)),
        treatment=metered.treatment,
        above=part.above or None,
        up_to=part.up_to,
        dimensions=metered.dimensions,
    )


def correction_line(
    *,
    period: date,
    net: Decimal,
    treatment: Treatment,
    names: Mapping[str, str],
    meter: str = "",
    dimensions: Mapping[str, str] | None = None,
) -> Line:
    """A line for usage of an earlier period that arrived, or was taken back, after its close."""
    return Line(
        kind="correction",
        meter=meter,
        names=dict(names),
        unit="",
        quantity=Decimal(1 if net >= 0 else -1),
        unit_price=abs(net),
        price_base=1,
        net_cents=cents(net),
        treatment=treatment,
        dimensions=dict(dimensions or {}),
        correction_of=period.isoformat(),
    )


def fee_line(*, gross_cents: int, treatment: Treatment, names: Mapping[str, str]) -> Line:
    """What paying cost: the amount that was paid, less the VAT in it."""
    net = cents(Decimal(gross_cents).scaleb(-2) / treatment.factor)
    return Line(
        kind="fees",
        meter="",
        names=dict(names),
        unit="",
        quantity=Decimal(1 if net >= 0 else -1),
        unit_price=Decimal(abs(net)).scaleb(-2),
        price_base=1,
        net_cents=net,
        treatment=treatment,
    )


def charge_line(
    *,
    quantity: Decimal,
    unit_price: Decimal,
    treatment: Treatment,
    names: Mapping[str, str],
    unit: str = "",
    supplied: tuple[date, date],
) -> Line:
    """A charge beside usage, supplied on these days (the last one included).

    What gives back has a quantity below zero: a price never is (EN 16931, BR-27).
    """
    first, last = supplied
    if unit_price < 0:
        quantity, unit_price = -quantity, -unit_price
    return Line(
        kind="charge",
        meter="",
        names=dict(names),
        unit=unit,
        quantity=quantity,
        unit_price=unit_price,
        price_base=base_of(unit_price),
        net_cents=cents(_EXACT.multiply(quantity, unit_price)),
        treatment=treatment,
        supplied_from=first,
        supplied_until=last,
    )


def nothing_line(*, treatment: Treatment, names: Mapping[str, str]) -> Line:
    """The line of a document without anything to bill: it must have one (EN 16931, BR-16)."""
    return Line(
        kind="nothing",
        meter="",
        names=dict(names),
        unit="",
        quantity=Decimal(1),
        unit_price=Decimal(0),
        price_base=1,
        net_cents=0,
        treatment=treatment,
    )

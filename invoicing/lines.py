"""Invoice lines: one per meter, price and tier, in whole cents. Pure: no clock, no database, no language.

A line's amount is its quantity at its price, rounded once; totals are sums of rounded lines, so what is
printed can be added up. A price of fractions of a cent is stated per 1,000 or per million units (its
base), as EN 16931's base quantity is, so that quantity × price / base gives the amount again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, Literal

from invoicing.tax import Treatment
from invoicing.totals import cents

LineKind = Literal["usage", "fixed", "correction"]

# Quantities have 12 decimals and so have prices: their product must not be rounded twice.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)

MILLION: Final = 1_000_000
THOUSAND: Final = 1_000
SMALLEST_PLAIN_PRICE: Final = Decimal("0.001")
SMALLEST_PRICE_PER_THOUSAND: Final = Decimal("0.10")


@dataclass(frozen=True, slots=True)
class TierShare:
    """What one tier of a price took: `quantity` units at `unit_amount`, and the fee for entering it.

    `above` and `up_to` bound the tier (None: no bound); a price without tiers is one share without bounds.
    """

    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal = Decimal(0)
    above: Decimal | None = None
    up_to: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MeterUsage:
    """What a meter counted under one price in a period, cut by the price's tiers."""

    meter: str
    names: Mapping[str, str]
    unit: str
    treatment: Treatment
    shares: tuple[TierShare, ...]
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
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
    dimensions: Mapping[str, str] = field(default_factory=dict)
    correction_of: str | None = None

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
    return [line for metered in usage for share in metered.shares for line in _lines(metered, share)]


def _lines(metered: MeterUsage, share: TierShare) -> list[Line]:
    lines = []
    if share.quantity:
        lines.append(_line(metered, share, "usage"))
    if share.flat_amount:
        lines.append(_line(metered, share, "fixed"))
    return lines


def _line(metered: MeterUsage, share: TierShare, kind: Literal["usage", "fixed"]) -> Line:
    used = kind == "usage"
    quantity, price = (share.quantity, share.unit_amount) if used else (Decimal(1), share.flat_amount)
    return Line(
        kind=kind,
        meter=metered.meter,
        names=dict(metered.names),
        unit=metered.unit if used else "",
        quantity=quantity,
        unit_price=price,
        price_base=base_of(price),
        net_cents=cents(_EXACT.multiply(quantity, price)),
        treatment=metered.treatment,
        above=share.above,
        up_to=share.up_to,
        dimensions=dict(metered.dimensions),
    )


def correction_line(
    *, period: str, net: Decimal, treatment: Treatment, names: Mapping[str, str], meter: str = ""
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
        correction_of=period,
    )

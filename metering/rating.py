"""Rating: the price of a quantity. Pure: no clock, no database, no rounding but one.

P(Q) is the net price of what one period used, exact; G(Q) is P(Q) with VAT, rounded to micros once.
What moves a total from Q0 to Q1 is charged G(Q1) - G(Q0). The charges of a period therefore add
up to G(total) in whatever order, grouping or number they were made, for every price model.
"""

from collections.abc import Callable, Sequence
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import NamedTuple, assert_never

from metering.prices import Definition, Graduated, Package, Percentage, PerUnit, Tier, Volume

# Wide enough for any total times any amount; an inexact product would raise, not round.
EXACT = Context(
    prec=120,
    rounding=ROUND_HALF_UP,
    traps=[Inexact, InvalidOperation, Overflow, DivisionByZero],
)
ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)


class Usage(NamedTuple):
    """Q: the quantity used, and the number of events it came from."""

    quantity: Decimal
    events: int


NOTHING = Usage(ZERO, 0)


class RatedLine(NamedTuple):
    """A part of P(Q) as an invoice prints it: `net` is `quantity` times `unit_amount`, exact.

    `part` says what the quantity counts: `units`, a tier's `flat` amount, `packages`, `events`,
    or the `value` of which a percentage is taken. `above` and `up_to` bound a tier.
    """

    part: str
    quantity: Decimal
    unit_amount: Decimal
    net: Decimal
    above: Decimal | None = None
    up_to: Decimal | None = None


def net_of(definition: Definition, usage: Usage) -> Decimal:
    """P(Q): the net price of a period's usage in currency units, exact."""
    return sum_exact([line.net for line in lines_of(definition, usage)])


def gross_micros(definition: Definition, usage: Usage, vat_rate: Decimal) -> int:
    """G(Q): P(Q) with `vat_rate` per cent VAT, rounded half up to micros."""
    return gross_function(definition, vat_rate)(usage.quantity, usage.events)


def lines_of(definition: Definition, usage: Usage) -> list[RatedLine]:
    """Split P(Q) into what an invoice shows: one line per tier, package price or fixed amount."""
    quantity, events = usage
    match definition:
        case PerUnit(unit_amount=amount):
            lines = [_line("units", quantity, amount)]
        case Graduated(tiers=tiers):
            lines = _graduated_lines(tiers, quantity)
        case Volume(tiers=tiers):
            lines = _volume_lines(tiers, quantity)
        case Package(package_size=size, package_amount=amount):
            lines = [_line("packages", _packages(quantity, size), amount)]
        case Percentage(rate=rate, fixed_amount=fixed):
            lines = [
                _line("value", quantity, rate.scaleb(-2, EXACT)),
                _line("events", Decimal(events), fixed),
            ]
        case _:
            assert_never(definition)
    return [line for line in lines if line.quantity]


def _line(
    part: str,
    quantity: Decimal,
    unit_amount: Decimal,
    above: Decimal | None = None,
    up_to: Decimal | None = None,
) -> RatedLine:
    net = EXACT.multiply(quantity, unit_amount)
    return RatedLine(part, quantity, unit_amount, net, above, up_to)


def _graduated_lines(tiers: Sequence[Tier], quantity: Decimal) -> list[RatedLine]:
    lines = []
    floor = ZERO
    for tier in tiers:
        if quantity <= floor:
            break
        ceiling = quantity if tier.up_to is None else min(quantity, tier.up_to)
        inside = EXACT.subtract(ceiling, floor)
        lines.append(_line("units", inside, tier.unit_amount, floor, tier.up_to))
        if tier.flat_amount:
            lines.append(_line("flat", ONE, tier.flat_amount, floor, tier.up_to))
        if tier.up_to is None:
            break
        floor = tier.up_to
    return lines


def _volume_lines(tiers: Sequence[Tier], quantity: Decimal) -> list[RatedLine]:
    if quantity <= 0:
        return []
    floor = ZERO
    for tier in tiers:
        if tier.up_to is None or quantity <= tier.up_to:
            lines = [_line("units", quantity, tier.unit_amount, floor, tier.up_to)]
            if tier.flat_amount:
                lines.append(_line("flat", ONE, tier.flat_amount, floor, tier.up_to))
            return lines
        floor = tier.up_to
    raise AssertionError("the last tier has no end")


def _packages(quantity: Decimal, size: Decimal) -> Decimal:
    begun = EXACT.divide_int(quantity, size)
    if EXACT.multiply(begun, size) < quantity:
        begun = EXACT.add(begun, ONE)
    return begun


def sum_exact(amounts: Sequence[Decimal]) -> Decimal:
    """Add decimals without losing a digit."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def gross_function(definition: Definition, vat_rate: Decimal) -> Callable[[Decimal, int], int]:
    """G as a function of (quantity, events), prepared once for many events."""
    factor = EXACT.multiply(EXACT.add(HUNDRED, vat_rate), Decimal(10_000))
    match definition:
        case PerUnit(unit_amount=amount):
            return _linear(EXACT.multiply(amount, factor))
        case Graduated(tiers=tiers):
            return _graduated(tiers, factor)
        case _:
            return lambda quantity, events: _micros(
                EXACT.multiply(net_of(definition, Usage(quantity, events)), factor)
            )


def _linear(unit_micros: Decimal) -> Callable[[Decimal, int], int]:
    multiply = EXACT.multiply

    def gross(quantity: Decimal, _events: int) -> int:
        return int(multiply(quantity, unit_micros).to_integral_value(ROUND_HALF_UP))

    return gross


def _graduated(tiers: Sequence[Tier], factor: Decimal) -> Callable[[Decimal, int], int]:
    """Walk the tiers once: what all below cost, and what a unit costs, in micros."""
    steps = []
    below = ZERO
    floor = ZERO
    for tier in tiers:
        below = EXACT.add(below, EXACT.multiply(tier.flat_amount, factor))
        unit_micros = EXACT.multiply(tier.unit_amount, factor)
        steps.append((tier.up_to, floor, below, unit_micros))
        if tier.up_to is not None:
            inside = EXACT.subtract(tier.up_to, floor)
            below = EXACT.add(below, EXACT.multiply(inside, unit_micros))
            floor = tier.up_to

    def gross(quantity: Decimal, _events: int) -> int:
        if not quantity:
            return 0
        for up_to, floor, below, unit_micros in steps:
            if up_to is None or quantity <= up_to:
                inside = EXACT.subtract(quantity, floor)
                return _micros(EXACT.add(below, EXACT.multiply(inside, unit_micros)))
        raise AssertionError("the last tier has no end")

    return gross


def _micros(exact: Decimal) -> int:
    return int(exact.to_integral_value(ROUND_HALF_UP))

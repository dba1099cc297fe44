"""Prices: their typed definitions, what makes one valid, and which one applies.

Pure: no clock, no database. Amounts are net decimals of the currency unit with at most twelve
places; quantities are decimals. A price never changes once published: a change is a new version.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, cast

import msgspec

MAX_PLACES = 12
MAX_AMOUNT = Decimal(10) ** 9
MAX_TIERS = 100
ZERO = Decimal(0)


class PerUnit(msgspec.Struct, frozen=True, tag_field="model", tag="per_unit"):
    """Every unit costs the same."""

    unit_amount: Decimal


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The units up to and including `up_to`; the last tier has no end.

    `flat_amount` falls due on entering the tier.
    """

    up_to: Decimal | None = None
    unit_amount: Decimal = ZERO
    flat_amount: Decimal = ZERO


class Graduated(msgspec.Struct, frozen=True, tag_field="model", tag="graduated"):
    """Each unit costs what the tier says that the unit itself falls in."""

    tiers: tuple[Tier, ...]


class Volume(msgspec.Struct, frozen=True, tag_field="model", tag="volume"):
    """All units cost what the tier says that the total falls in: a total may fall by growing."""

    tiers: tuple[Tier, ...]


class Package(msgspec.Struct, frozen=True, tag_field="model", tag="package"):
    """Units are sold in whole packages; one that is begun is paid."""

    package_size: Decimal
    package_amount: Decimal


class Percentage(msgspec.Struct, frozen=True, tag_field="model", tag="percentage"):
    """`rate` per cent of the quantity (which is an amount of money), and an amount per event."""

    rate: Decimal
    fixed_amount: Decimal = ZERO


Definition = PerUnit | Graduated | Volume | Package | Percentage


class Price(msgspec.Struct, frozen=True):
    """A published price, as it is cached and applied.

    `catalog_version` is the state of the catalogue that it came with: a period that was frozen at
    an earlier version does not see it. `when` names the dimension values it is for. With a customer
    it is in that customer's own list. `published_on` is a day in the provider's zone.
    """

    price_id: int
    meter_id: int
    catalog_version: int
    effective_from: date | None
    when: tuple[tuple[str, str], ...]
    definition: Definition
    published_on: date
    customer_id: int | None = None


class PriceInvalid(ValueError):
    """What is wrong with a definition: `field`, and one of the stable words in `problem`."""

    def __init__(self, field: str, problem: str) -> None:
        """Name the field as the API spells it, such as `tiers[1].up_to`."""
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def decode_definition(document: object) -> Definition:
    """Read a definition from JSON-like data. Raises `msgspec.ValidationError` or `PriceInvalid`."""
    definition: Definition = msgspec.convert(document, Definition)
    check_definition(definition)
    return definition


def encode_definition(definition: Definition) -> dict[str, Any]:
    """The definition as JSON-like data; decimals become strings without an exponent."""
    document = cast("dict[str, Any]", msgspec.to_builtins(definition, builtin_types=(Decimal,)))
    return {name: _plain(value) for name, value in document.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, tuple):
        return [{name: _plain(part) for name, part in tier.items()} for tier in value]
    return value


def check_definition(definition: Definition) -> None:
    """Refuse what cannot be priced: negative or endless amounts, tiers out of order."""
    match definition:
        case PerUnit(unit_amount=amount):
            _check_amount("unit_amount", amount)
        case Graduated(tiers=tiers) | Volume(tiers=tiers):
            _check_tiers(tiers)
        case Package(package_size=size, package_amount=amount):
            _check_amount("package_size", size)
            if size == 0:
                raise PriceInvalid("package_size", "not_positive")
            _check_amount("package_amount", amount)
        case Percentage(rate=rate, fixed_amount=fixed):
            _check_amount("rate", rate)
            _check_amount("fixed_amount", fixed)


def _check_tiers(tiers: Sequence[Tier]) -> None:
    if not tiers:
        raise PriceInvalid("tiers", "empty")
    if len(tiers) > MAX_TIERS:
        raise PriceInvalid("tiers", "too_many")
    floor = ZERO
    for number, tier in enumerate(tiers):
        _check_amount(f"tiers[{number}].unit_amount", tier.unit_amount)
        _check_amount(f"tiers[{number}].flat_amount", tier.flat_amount)
        is_last = number == len(tiers) - 1
        if tier.up_to is None:
            if not is_last:
                raise PriceInvalid(f"tiers[{number}].up_to", "only_last_is_open")
            continue
        if is_last:
            raise PriceInvalid(f"tiers[{number}].up_to", "last_must_be_open")
        _check_amount(f"tiers[{number}].up_to", tier.up_to, limit=Decimal(10) ** 15)
        if tier.up_to <= floor:
            raise PriceInvalid(f"tiers[{number}].up_to", "not_increasing")
        floor = tier.up_to


def _check_amount(field: str, amount: Decimal, limit: Decimal = MAX_AMOUNT) -> None:
    if not amount.is_finite():
        raise PriceInvalid(field, "not_finite")
    if amount.is_signed() and amount != 0:
        raise PriceInvalid(field, "negative")
    if amount > limit:
        raise PriceInvalid(field, "too_large")
    if places_of(amount) > MAX_PLACES:
        raise PriceInvalid(field, "too_many_places")


def places_of(number: Decimal) -> int:
    """Count the digits after the point of a finite number."""
    return -cast("int", number.as_tuple().exponent)


def can_meet(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether one event could match both `when`s: no dimension is asked to be two values."""
    return all(other.get(key, value) == value for key, value in one.items())


def is_ambiguous(when: Mapping[str, str], published: Iterable[Mapping[str, str]]) -> bool:
    """Whether a price for `when` could tie with a published one for another `when`."""
    return any(len(when) == len(other) and when != other and can_meet(when, other) for other in published)


def prices_in_force(prices: Iterable[Price], period_start: date, version: int) -> list[Price]:
    """Give one meter's prices for a period that was frozen at a catalogue version.

    A customer's own come first, then the most specific. Of each list and `when` one version counts: see
    `_standing`. Where the meter had no price yet at that version, neither of the provider nor
    of the customer, the first ever of each `when` joins at once.
    """
    effective = [
        price for price in prices if price.effective_from is None or price.effective_from <= period_start
    ]
    frozen = [price for price in effective if price.catalog_version <= version]
    chosen: dict[tuple[int | None, tuple[tuple[str, str], ...]], Price] = {}
    if frozen:
        versions: dict[tuple[int | None, tuple[tuple[str, str], ...]], list[Price]] = {}
        for price in frozen:
            versions.setdefault((price.customer_id, price.when), []).append(price)
        chosen = {key: _standing(of_one) for key, of_one in versions.items()}
    else:
        for price in sorted(effective, key=lambda price: price.catalog_version):
            chosen.setdefault((price.customer_id, price.when), price)
    return sorted(chosen.values(), key=lambda price: (price.customer_id is None, -len(price.when)))


def _standing(versions: Sequence[Price]) -> Price:
    """Give the version that counts of those in effect.

    One without a day takes the place of all that had started when it was published. Of what starts later,
    or was published later, the latest start counts.
    """
    at_once = [price for price in versions if price.effective_from is None]
    last = max(at_once, key=_start_order, default=None)
    if last is None:
        return max(versions, key=_start_order)
    later = [
        price
        for price in versions
        if price.effective_from is not None
        and (price.effective_from > last.published_on or price.catalog_version > last.catalog_version)
    ]
    return max(later, key=_start_order, default=last)


def _start_order(price: Price) -> tuple[date, int]:
    return (price.effective_from or date.min, price.catalog_version)


def price_for(in_force: Sequence[Price], dimensions: Mapping[str, str]) -> Price | None:
    """Give the first of `prices_in_force` whose `when` the event's dimensions satisfy."""
    for price in in_force:
        if all(dimensions.get(key) == value for key, value in price.when):
            return price
    return None

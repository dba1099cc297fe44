"""What one event says to a meter: a quantity or a value, and the dimension values it carries. Pure.

`count` and `sum` add up: what an event adds is known from itself. The others depend on the events before and
after it (`metering.readings`): `max` and `latest` of a quantity, `unique` counts each value once, and
`weighted_sum` is a level that is held until the next.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from metering.prices import places_of

ADDITIVE: Final = ("count", "sum")
AGGREGATIONS: Final = (*ADDITIVE, "max", "unique", "latest", "weighted_sum")
MAX_QUANTITY: Final = 10**15
MAX_PLACES: Final = 12
MAX_DIMENSION: Final = 128
MAX_VALUE: Final = 256
ONE: Final = Decimal(1)
_NUMBER: Final = re.compile(r"\d{1,15}(\.\d{1,12})?", re.ASCII)


def quantity_of(aggregation: str, value_property: str | None, data: Mapping[str, Any]) -> Decimal | None:
    """The quantity an event adds; None when its value is missing, negative, endless or no number."""
    if aggregation == "count":
        return ONE
    return as_quantity(data.get(value_property or ""))


def as_quantity(value: object) -> Decimal | None:
    """A JSON number, or a decimal as text, within the bounds of a quantity; None otherwise."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if 0 <= value < MAX_QUANTITY else None
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value < MAX_QUANTITY:
        return None
    # What is far below one needs too many places; normalising it first would cost nothing but zeros.
    if places_of(value) > MAX_PLACES:
        value = value.normalize()
        if places_of(value) > MAX_PLACES:
            return None
    return value


def value_of(value: object) -> str | None:
    """A value to be counted once, as text: 1, 1.0 and "1" are the same; None when it cannot be one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        number = as_quantity(abs(Decimal(value)))
        if number is None:
            return None
        return ("-" if value < 0 else "") + format(number.normalize(), "f")
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_VALUE or "\0" in value:
        return None
    return value


def dimensions_of(names: Sequence[str], data: Mapping[str, Any]) -> dict[str, str] | None:
    """The event's value of each of a meter's dimensions, as text; None when one cannot be a value."""
    values: dict[str, str] = {}
    for name in names:
        value = data.get(name)
        if value is None:
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, (int, Decimal)):
            value = str(value)
        if not isinstance(value, str) or len(value) > MAX_DIMENSION or "\0" in value:
            return None
        values[name] = value
    return values

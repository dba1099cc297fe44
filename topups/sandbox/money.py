"""Amounts on the wire: `{"value": "12.34", "currency": "EUR"}`, always two decimals; inside, whole cents."""

import re
from typing import Any

from topups.sandbox.problems import invalid

CURRENCY = "EUR"
VALUE = re.compile(r"(\d{1,9})\.(\d{2})")


def cents_of(value: str) -> int | None:
    """Whole cents of "12.34"; None when it is written in any other way."""
    match = VALUE.fullmatch(value)
    return int(match[1]) * 100 + int(match[2]) if match else None


def amount_json(cents: int) -> dict[str, str]:
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return {"value": f"{sign}{cents // 100}.{cents % 100:02d}", "currency": CURRENCY}


def amount_from(raw: Any, field: str = "amount") -> int:
    """Cents of an amount as sent. Raises Problem 422 naming the field."""
    if raw is None:
        raise invalid(field, f"The '{field}' field is missing")
    if not isinstance(raw, dict):
        raise invalid(field, f"The '{field}' field should be an object with a value and a currency")
    if raw.get("currency") != CURRENCY:
        raise invalid(f"{field}.currency", "The currency is missing or not supported by this profile")
    value = raw.get("value")
    cents = cents_of(value) if isinstance(value, str) else None
    if cents is None:
        raise invalid(
            f"{field}.value", "The amount contains an invalid value: send a string with two decimals"
        )
    return cents

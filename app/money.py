"""Money: whole micro-units of one currency. Pure; nothing here knows a float.

A balance or charge is an integer number of micros (1/1,000,000 of the currency unit); an invoice amount
is whole cents. Rounding is always half away from zero ("HALF_UP"), as Dutch bookkeeping and Mollie do.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext
from typing import Final, Self

from flask_babel import lazy_gettext

from app.errors import Invalid

MICROS: Final = 1_000_000
MICROS_PER_CENT: Final = 10_000
MAX_MICROS: Final = 9_000_000_000_000_000  # nine billion units: well inside BIGINT, sums included

_AMOUNT = re.compile(r"-?\d{1,10}(\.\d{1,6})?", re.ASCII)
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_UNITS = [Decimal(1).scaleb(-places) for places in range(31)]


class InvalidMoney(Invalid):
    """An amount that is no decimal string of at most six places, or not in the provider's currency."""

    code = "invalid_money"
    title = lazy_gettext("This is not an amount of money.")


def round_half_up(value: Decimal, places: int) -> Decimal:
    """`value` with exactly `places` decimals, halves away from zero."""
    return value.quantize(_UNITS[places], context=_EXACT)


def micros_of(amount: Decimal) -> int:
    """Currency units → micros, rounded half up."""
    with localcontext(_EXACT):
        return int((amount * MICROS).quantize(Decimal(1)))


def decimal_of_micros(micros: int) -> Decimal:
    """Micros → exact currency units, e.g. 12_340_000 → Decimal("12.34")."""
    with localcontext(_EXACT):
        return Decimal(micros) / MICROS


def cents_of_micros(micros: int) -> int:
    """Micros → cents, rounded half up."""
    sign = -1 if micros < 0 else 1
    return sign * ((abs(micros) + MICROS_PER_CENT // 2) // MICROS_PER_CENT)


def micros_of_cents(cents: int) -> int:
    """Cents → micros, exact."""
    return cents * MICROS_PER_CENT


def plain_decimal(value: Decimal) -> str:
    """A decimal without exponent or needless zeros, at least two places: "12.30", "0.000012"."""
    text = format(value.normalize(_EXACT), "f")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount as it crosses the API: `{"value": "12.34", "currency": "EUR"}`."""

    micros: int
    currency: str = "EUR"

    @classmethod
    def of(cls, value: str | Decimal | int, currency: str = "EUR") -> Self:
        """From currency units; raises InvalidMoney when it needs more than six places."""
        try:
            with localcontext(_EXACT):
                micros = Decimal(value) * MICROS
                exact = micros == micros.to_integral_value()
        except InvalidOperation as error:
            raise InvalidMoney(field="value") from error
        if not exact or abs(micros) > MAX_MICROS:
            raise InvalidMoney(field="value")
        return cls(int(micros), currency)

    @classmethod
    def from_json(cls, value: object, *, currency: str = "EUR", field: str = "amount") -> Self:
        """From the API's shape. Raises InvalidMoney naming `field`."""
        if not isinstance(value, dict) or set(value) != {"value", "currency"}:
            raise InvalidMoney(
                lazy_gettext('Give money as {"value": "12.34", "currency": "EUR"}.'),
                field=field,
            )
        text = value["value"]
        if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
            raise InvalidMoney(
                lazy_gettext("The value must be a decimal string with at most six places."), field=field
            )
        if value["currency"] != currency:
            raise InvalidMoney(
                lazy_gettext("Only %(currency)s is accepted here.", currency=currency), field=field
            )
        return cls.of(text, currency)

    def to_json(self) -> dict[str, str]:
        return {"value": plain_decimal(decimal_of_micros(self.micros)), "currency": self.currency}

    @property
    def cents(self) -> int:
        """Whole cents. Raises ValueError for an amount with a fraction of a cent."""
        cents, rest = divmod(self.micros, MICROS_PER_CENT)
        if rest:
            raise ValueError(f"{self} has a fraction of a cent")
        return cents

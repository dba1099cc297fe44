"""The fee for paying late: what the terms say, and what Dutch law lets a consumer be asked. Pure.

The scale is that of the Besluit vergoeding voor buitengerechtelijke incassokosten (article 2): a share of
the principal per bracket, at least 40 and at most 6,775 euros, without VAT. A consumer owes it only after a
free reminder that gave fourteen days and named the amount (article 6:96 paragraph 6 of the civil code); the
fourteen days begin on the day after the letter arrived.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from app.money import round_half_up

# Cents of the principal up to which a share holds; None: whatever is above.
SCALE: Final[tuple[tuple[int | None, Decimal], ...]] = (
    (2_500_00, Decimal("0.15")),
    (5_000_00, Decimal("0.10")),
    (10_000_00, Decimal("0.05")),
    (200_000_00, Decimal("0.01")),
    (None, Decimal("0.005")),
)
LEAST_CENTS: Final = 40_00
MOST_CENTS: Final = 6_775_00
# Fourteen whole days after the day of a mail's arrival, which is the day it is sent.
CONSUMER_WAITS: Final = timedelta(days=15)
LEGAL_SCALE: Final = "wik"
_TERMS: Final = re.compile(r"(?P<amount>\d{1,5}(?:\.\d{1,2})?)(?P<percent>%)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What the terms ask of who pays late: the legal scale, an amount, or a share of what is outstanding."""

    text: str

    def __post_init__(self) -> None:
        parts = _TERMS.fullmatch(self.text)
        known = self.text in {"", LEGAL_SCALE} or parts is not None
        if not known or (parts and parts["percent"] and Decimal(parts["amount"]) > 100):
            raise ValueError("must be empty, wik, an amount such as 15 or a percentage such as 10%")

    def cents_of(self, principal_cents: int) -> int:
        """The fee for so much that is outstanding; 0 where the terms ask none."""
        if principal_cents <= 0 or not self.text:
            return 0
        if self.text == LEGAL_SCALE:
            return legal_cents(principal_cents)
        parts = _TERMS.fullmatch(self.text)
        if parts is None:
            raise AssertionError(f"{self.text!r} was checked before")
        number = Decimal(parts["amount"])
        if parts["percent"]:
            return int(round_half_up(principal_cents * number / 100, 0))
        return int(number * 100)


def legal_cents(principal_cents: int) -> int:
    """What the legal scale allows for a principal, in cents."""
    fee, below = Decimal(0), 0
    for top, share in SCALE:
        upper = principal_cents if top is None else min(top, principal_cents)
        fee += max(0, upper - below) * share
        below = upper if top is None else top
    return min(MOST_CENTS, max(LEAST_CENTS, int(round_half_up(fee, 0))))


def fee_cents(terms: FeeTerms, principal_cents: int, *, is_consumer: bool, country: str) -> int:
    """The fee that may be asked: for a Dutch consumer never above the legal scale, for another's none."""
    wanted = terms.cents_of(principal_cents)
    if not is_consumer:
        return wanted
    if country != "NL":
        return 0
    return min(wanted, legal_cents(principal_cents)) if wanted else 0


def consumer_owes_from(letter_on: date) -> date:
    """The first day on which the fee that a letter of this day named may be charged."""
    return letter_on + CONSUMER_WAITS

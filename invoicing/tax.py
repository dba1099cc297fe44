"""The tax engine: which VAT treatment a customer's service gets on a day. Pure: no clock, no database.

Place of supply for services supplied electronically from an EU seller: the seller's country for its own
customers; the customer's for EU businesses with a VAT number (reverse charge, art. 44 and 196 of Directive
2006/112/EC) and for EU consumers (One-Stop Shop, art. 58); outside the scope of EU VAT elsewhere.
Categories are those of UNCL 5305, as EN 16931 uses them.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError

from invoicing.tax_rates import EU_COUNTRIES, Product, percent_of

ZERO: Final = Decimal(0)
# Product categories that may be taxed otherwise than most.
SPECIAL: Final[tuple[Product, ...]] = ("reduced", "zero")


class Category(StrEnum):
    """UNCL 5305: how a line is taxed."""

    STANDARD = "S"
    ZERO = "Z"
    REVERSE_CHARGE = "AE"
    OUTSIDE_SCOPE = "O"


EXEMPTION_CODES: Final = {Category.REVERSE_CHARGE: "VATEX-EU-AE", Category.OUTSIDE_SCOPE: "VATEX-EU-O"}


class Treatment(msgspec.Struct, frozen=True, order=True):
    """How something is taxed: an UNCL 5305 category and a rate in percent."""

    category: str
    percent: Decimal

    def __post_init__(self) -> None:
        if not ZERO <= self.percent < 100:
            raise ValueError(f"{self.percent} is no VAT percentage")

    @property
    def factor(self) -> Decimal:
        """Gross = net × factor."""
        return 1 + self.percent / 100


@dataclass(frozen=True, slots=True)
class Buyer:
    """What tax needs to know of a customer. `resells_telecom` holds for Dutch resellers of telecom only."""

    country: str
    is_business: bool
    vat_number: str | None = None
    resells_telecom: bool = False


def treatment_of(
    buyer: Buyer,
    on: date,
    *,
    seller_country: str = "NL",
    product: Product = "standard",
    is_telecom: bool = False,
) -> Treatment:
    """The treatment of a service supplied to `buyer` on a day. Raises TaxRateMissing."""
    country = buyer.country.upper()
    if country == seller_country:
        resells = is_telecom and buyer.is_business and buyer.resells_telecom
        if resells and vat_country(buyer.vat_number) == country:
            return Treatment(Category.REVERSE_CHARGE, ZERO)
        return _charged(seller_country, on, product)
    if country not in EU_COUNTRIES:
        return Treatment(Category.OUTSIDE_SCOPE, ZERO)
    if buyer.is_business and vat_country(buyer.vat_number) not in (None, seller_country):
        return Treatment(Category.REVERSE_CHARGE, ZERO)
    # Without a VAT number of its own an EU business is taxed as a consumer is.
    return _charged(country, on, product)


def _charged(country: str, on: date, product: Product) -> Treatment:
    percent = percent_of(country, on, product)
    return Treatment(Category.STANDARD if percent else Category.ZERO, percent)


def vat_country(number: str | None) -> str | None:
    """The country of an EU VAT number that is well formed, check digits included; None for any other.

    Greek numbers begin with EL; the country is GR.
    """
    if not number:
        return None
    try:
        compact = str(eu_vat.validate(number))
    except ValidationError:
        return None
    prefix = compact[:2]
    return "GR" if prefix == "EL" else prefix

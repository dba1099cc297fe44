"""VAT rates as data: what each country asks, from which day. Pure.

A row holds from its day until the next row of the same country and product. Rates that changed keep their
old rows, so that a period is always taxed as it was. Sources: the European Commission's "Taxes in Europe
Database" and, for the Netherlands, the Wet op de omzetbelasting 1968, art. 9.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

Product = Literal["standard", "reduced", "zero"]


@dataclass(frozen=True, slots=True)
class VatRate:
    """One country's rate for a product category, in percent, from a day on."""

    country: str
    product: Product
    since: date
    percent: Decimal


class TaxRateMissing(LookupError):
    """No rate is known for this country, product and day."""


# Country, product, since, percent. EU countries outside the Netherlands are needed for consumers (OSS).
#
# Reduced rates stand here only where one rate is the country's only one and its source is named:
# NL: Wet op de omzetbelasting 1968, art. 9 lid 2. DE: Umsatzsteuergesetz § 12 Abs. 2, and § 28 for 2020.
# Elsewhere a country has several, and which one holds depends on what is sold: there, and where a country
# has no rate of a kind, its standard rate holds. No number that nobody checked stands on a document.
_TABLE: Final = """
NL standard 2012-10-01 21
NL reduced  2000-01-01 6
NL reduced  2019-01-01 9
NL zero     2000-01-01 0
AT standard 2000-01-01 20
BE standard 2000-01-01 21
BG standard 2007-01-01 20
CY standard 2014-01-13 19
CZ standard 2013-01-01 21
DE standard 2007-01-01 19
DE standard 2020-07-01 16
DE standard 2021-01-01 19
DE reduced  2007-01-01 7
DE reduced  2020-07-01 5
DE reduced  2021-01-01 7
DK standard 2000-01-01 25
EE standard 2009-07-01 20
EE standard 2024-01-01 22
EE standard 2025-07-01 24
ES standard 2012-09-01 21
FI standard 2013-01-01 24
FI standard 2024-09-01 25.5
FR standard 2014-01-01 20
GR standard 2016-06-01 24
HR standard 2013-07-01 25
HU standard 2012-01-01 27
IE standard 2012-01-01 23
IE standard 2020-09-01 21
IE standard 2021-03-01 23
IT standard 2013-10-01 22
LT standard 2009-09-01 21
LU standard 2015-01-01 17
LU standard 2023-01-01 16
LU standard 2024-01-01 17
LV standard 2012-07-01 21
MT standard 2004-01-01 18
PL standard 2011-01-01 23
PT standard 2011-01-01 23
RO standard 2017-01-01 19
RO standard 2025-08-01 21
SE standard 2000-01-01 25
SI standard 2013-07-01 22
SK standard 2011-01-01 20
SK standard 2025-01-01 23
"""


_PRODUCTS: Final[dict[str, Product]] = {"standard": "standard", "reduced": "reduced", "zero": "zero"}


def _rows(table: str) -> Iterator[VatRate]:
    for line in table.strip().split("\n"):
        country, product, since, percent = line.split()
        yield VatRate(country, _PRODUCTS[product], date.fromisoformat(since), Decimal(percent))


RATES: Final[tuple[VatRate, ...]] = tuple(_rows(_TABLE))
EU_COUNTRIES: Final[frozenset[str]] = frozenset(rate.country for rate in RATES)


def percent_of(country: str, on: date, product: Product = "standard") -> Decimal:
    """The rate in percent of `product` in `country` on a day: the standard one where it has no other.

    Raises TaxRateMissing.
    """
    known = [r for r in RATES if r.country == country and r.product == product and r.since <= on]
    if not known and product != "standard":
        return percent_of(country, on)
    if not known:
        raise TaxRateMissing(f"no {product} VAT rate for {country} on {on.isoformat()}")
    return max(known, key=lambda rate: rate.since).percent

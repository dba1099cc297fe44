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


# Country, product, since, percent. EU countries outside the Netherlands are needed for consumers (OSS). Of
# several reduced rates this is the one for most of what Annex III of the directive names. Where a country has
# no rate of a kind, its standard rate holds.
_TABLE: Final = """
NL standard 2012-10-01 21
NL reduced  2000-01-01 6
NL reduced  2019-01-01 9
NL zero     2000-01-01 0
AT standard 2000-01-01 20
AT reduced  2000-01-01 10
BE standard 2000-01-01 21
BE reduced  2000-01-01 6
BG standard 2007-01-01 20
BG reduced  2011-04-01 9
CY standard 2014-01-13 19
CY reduced  2014-01-13 9
CZ standard 2013-01-01 21
CZ reduced  2013-01-01 15
CZ reduced  2024-01-01 12
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
EE reduced  2009-01-01 9
ES standard 2012-09-01 21
ES reduced  2012-09-01 10
FI standard 2013-01-01 24
FI standard 2024-09-01 25.5
FI reduced  2013-01-01 14
FI reduced  2026-01-01 13.5
FR standard 2014-01-01 20
FR reduced  2000-01-01 5.5
GR standard 2016-06-01 24
GR reduced  2011-01-01 13
HR standard 2013-07-01 25
HR reduced  2014-01-01 13
HU standard 2012-01-01 27
HU reduced  2009-07-01 18
IE standard 2012-01-01 23
IE standard 2020-09-01 21
IE standard 2021-03-01 23
IE reduced  2003-01-01 13.5
IT standard 2013-10-01 22
IT reduced  2000-01-01 10
LT standard 2009-09-01 21
LT reduced  2009-01-01 9
LT reduced  2026-01-01 12
LU standard 2015-01-01 17
LU standard 2023-01-01 16
LU standard 2024-01-01 17
LU reduced  2015-01-01 8
LU reduced  2023-01-01 7
LU reduced  2024-01-01 8
LV standard 2012-07-01 21
LV reduced  2011-01-01 12
MT standard 2004-01-01 18
MT reduced  2011-01-01 7
PL standard 2011-01-01 23
PL reduced  2011-01-01 8
PT standard 2011-01-01 23
PT reduced  2010-07-01 6
RO standard 2017-01-01 19
RO standard 2025-08-01 21
RO reduced  2008-12-01 9
RO reduced  2025-08-01 11
SE standard 2000-01-01 25
SE reduced  2000-01-01 12
SI standard 2013-07-01 22
SI reduced  2013-07-01 9.5
SK standard 2011-01-01 20
SK standard 2025-01-01 23
SK reduced  2011-01-01 10
SK reduced  2025-01-01 19
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

"""Which specification a document follows, and the electronic addresses of its parties. Pure.

Businesses in the European Union get Peppol BIS Billing 3.0, whose rules for Dutch sellers are those of
NLCIUS. Consumers have no electronic address, so they get plain EN 16931; so do businesses outside the Union
and those of whom the address or number is missing that Peppol delivers by.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from invoicing.tax import Category, vat_country
from invoicing.tax_rates import EU_COUNTRIES

Party = Mapping[str, Any]


class Profile(StrEnum):
    """The CustomizationID of a document."""

    PEPPOL = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
    EN_16931 = "urn:cen.eu:en16931:2017"


PEPPOL_PROCESS: Final = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"

# Peppol's scheme for the VAT numbers of each country (Electronic Address Scheme code list).
_VAT_SCHEMES: Final = {
    "AT": "9914", "BE": "9925", "BG": "9926", "CY": "9928", "CZ": "9929", "DE": "9930", "EE": "9931",
    "ES": "9920", "FR": "9957", "GR": "9933", "HR": "9934", "HU": "9910", "IE": "9935", "IT": "0211",
    "LT": "9937", "LU": "9938", "LV": "9939", "MT": "9943", "NL": "9944", "PL": "9945", "PT": "9946",
    "RO": "9947", "SI": "9949", "SK": "9950",
}  # fmt: skip


def endpoint_of(party: Party) -> tuple[str, str] | None:
    """Scheme and identifier of a party's electronic address; None where it has none that we know of."""
    if party.get("country") == "NL" and party.get("kvk_number"):
        return "0106", str(party["kvk_number"])
    number = str(party.get("vat_number") or "")
    country = vat_country(number) if not party.get("kvk_number") else number[:2]
    if country == "BE":
        return "0208", number[2:]
    if country in _VAT_SCHEMES:
        return _VAT_SCHEMES[country], number
    return None


def profile_of(seller: Party, buyer: Party, categories: set[str]) -> Profile:
    """The specification for a document between these parties."""
    reachable = endpoint_of(seller) is not None and endpoint_of(buyer) is not None
    # Peppol's rules want the whole address where both are Dutch.
    addressed = all(buyer.get(part) for part in ("address_line1", "postal_code", "city"))
    is_european_business = buyer.get("kind") != "consumer" and buyer.get("country") in EU_COUNTRIES
    if is_european_business and reachable and addressed and Category.OUTSIDE_SCOPE not in categories:
        return Profile.PEPPOL
    return Profile.EN_16931

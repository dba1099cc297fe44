"""The declarations of a quarter as CSV: the Dutch VAT return, the One-Stop Shop, the ICP listing.

Amounts are exact to the cent; the return itself is filled in in whole euros.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from invoicing.exports.declared import Declared, Kind, declared_in
from invoicing.exports.quarters import Quarter
from invoicing.exports.tables import amount, csv_of
from invoicing.tax import Category
from invoicing.tax_rates import percent_of

BOXES: Final = {
    "1a": "Leveringen/diensten belast met hoog tarief",
    "1b": "Leveringen/diensten belast met laag tarief",
    "1c": "Leveringen/diensten belast met overige tarieven, behalve 0%",
    "1e": "Leveringen/diensten belast met 0% of niet bij u belast",
    "3b": "Leveringen naar of diensten in landen binnen de EU",
    "": "Buiten de EU: niet in de aangifte",
}


def vat_return(quarter: Quarter) -> str:
    """Per box of the Dutch return: taxable amount and VAT. What the One-Stop Shop declares is not in it."""
    sums: dict[tuple[str, Decimal], tuple[int, int]] = {}
    for one in declared_in(quarter):
        if one.kind is Kind.OSS:
            continue
        key = (box_of(one), one.percent)
        taxable, vat = sums.get(key, (0, 0))
        sums[key] = (taxable + one.taxable_cents, vat + one.vat_cents)
    rows = [
        (str(quarter), box, BOXES[box], percent, amount(taxable), amount(vat))
        for (box, percent), (taxable, vat) in sorted(sums.items(), key=lambda item: (not item[0][0], item[0]))
    ]
    return csv_of(("quarter", "box", "description", "rate", "taxable", "vat"), rows)


def box_of(one: Declared) -> str:
    """The box of the return that a domestic or EU business supply belongs in."""
    if one.kind is Kind.ICP:
        return "3b"
    if one.kind is Kind.OUTSIDE:
        return ""
    if one.category != Category.STANDARD:
        return "1e"
    if one.percent == percent_of("NL", one.day, "standard"):
        return "1a"
    return "1b" if one.percent == percent_of("NL", one.day, "reduced") else "1c"


def oss(quarter: Quarter) -> str:
    """Per country and rate; a credit note on an earlier quarter's supply is a correction of that quarter."""
    sums: dict[tuple[str, str, Decimal], tuple[int, int]] = {}
    for one in _of_kind(quarter, Kind.OSS):
        corrected = str(one.supplied) if one.supplied < quarter else ""
        key = (one.buyer["country"], corrected, one.percent)
        taxable, vat = sums.get(key, (0, 0))
        sums[key] = (taxable + one.taxable_cents, vat + one.vat_cents)
    rows = [
        (str(quarter), country, percent, amount(taxable), amount(vat), corrected)
        for (country, corrected, percent), (taxable, vat) in sorted(sums.items())
    ]
    return csv_of(("quarter", "country", "rate", "taxable", "vat", "corrects_quarter"), rows)


def icp(quarter: Quarter) -> str:
    """Services to businesses in other EU countries, per VAT number."""
    sums: dict[tuple[str, str], tuple[str, int]] = {}
    for one in _of_kind(quarter, Kind.ICP):
        number = str(one.buyer.get("vat_number") or "")
        key = (number[:2], number[2:])
        _, taxable = sums.get(key, ("", 0))
        sums[key] = (one.buyer["name"], taxable + one.taxable_cents)
    rows = [
        (str(quarter), country, number, name, amount(taxable))
        for (country, number), (name, taxable) in sorted(sums.items())
    ]
    return csv_of(("quarter", "country", "vat_number", "name", "services"), rows)


def _of_kind(quarter: Quarter, kind: Kind) -> Iterable[Declared]:
    return (one for one in declared_in(quarter) if one.kind is kind)

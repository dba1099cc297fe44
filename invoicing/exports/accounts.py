"""The ledger codes of the sides in the bookkeeping package: a usual Dutch chart, or the provider's own."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from app.config import settings
from app.ledger.sides import Side


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account: B on the balance sheet, P in the profit and loss account."""

    code: str
    name: str
    type: Literal["B", "P"]


USUAL: Final[dict[Side, Account]] = {
    Side.BANK: Account("1100", "Bank", "B"),
    Side.PSP: Account("1250", "Mollie", "B"),
    Side.PSP_PENDING: Account("1255", "Mollie, voorlopig bijgeschreven", "B"),
    Side.RECEIVABLE: Account("1300", "Debiteuren", "B"),
    Side.PREPAID: Account("1700", "Tegoeden van klanten", "B"),
    Side.CREDITS: Account("1710", "Credits van klanten", "B"),
    Side.PROMO: Account("1720", "Actietegoeden", "B"),
    Side.UNBILLED_USAGE: Account("1730", "Nog te factureren verbruik", "B"),
    Side.VAT: Account("1800", "Af te dragen btw", "B"),
    Side.PROMOTIONS: Account("4600", "Acties", "P"),
    Side.FEES: Account("4650", "Betaalkosten", "P"),
    Side.BAD_DEBT: Account("4700", "Oninbare vorderingen", "P"),
    Side.ADJUSTMENTS: Account("4750", "Correcties van tegoeden", "P"),
    Side.REVENUE: Account("8000", "Omzet", "P"),
}


Chart: TypeAlias = dict[Side, Account]


def chart() -> Chart:
    """The usual chart with the codes that the provider set. Raises ValueError for one that is wrong."""
    return accounts_from(settings().ledger_accounts.splitlines())


def accounts_from(lines: Iterable[str]) -> Chart:
    """The usual chart with a provider's own codes: CSV lines `side,code` or `side,code,name`.

    Raises ValueError for a side that does not exist, or one without a code.
    """
    chart = dict(USUAL)
    for row in csv.reader(lines):
        if not row or row[0] == "side":
            continue
        side = Side(row[0].strip())
        if len(row) < 2 or not row[1].strip():
            raise ValueError(f"{side} has no code")
        name = row[2].strip() if len(row) > 2 else chart[side].name
        chart[side] = Account(row[1].strip(), name, chart[side].type)
    return chart

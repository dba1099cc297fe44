"""The number series of invoices and credit notes."""

from typing import Final

from app import numbering
from invoicing.models import CREDIT_NOTE, INVOICE

PREFIXES: Final = {INVOICE: "F", CREDIT_NOTE: "C"}


def take_numbers(kind: str, year: int, count: int) -> list[str]:
    """The next `count` numbers of a kind of document. See `app.numbering`."""
    return numbering.take_numbers(PREFIXES[kind], year, count)

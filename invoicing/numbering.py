"""The number series of invoices and credit notes: one per prefix and year, without gaps.

The prefix is a setting; another one holds from the next number on, in a series of its own.
"""

from typing import Final

from app import numbering
from app.clock import utc_now
from app.config import settings
from app.i18n import local_date
from invoicing.models import CREDIT_NOTE, INVOICE

SETTING: Final = {INVOICE: "invoice_prefix", CREDIT_NOTE: "credit_note_prefix"}


def take_numbers(kind: str, year: int, count: int) -> list[str]:
    """The next `count` numbers of a kind of document. See `app.numbering`."""
    return numbering.take_numbers(_prefix(kind), year, count)


def next_numbers() -> dict[str, str]:
    """The number that the next document would get today, by the setting that its prefix is chosen with."""
    prefixes = {setting: _prefix(kind) for kind, setting in SETTING.items()}
    upcoming = numbering.upcoming(prefixes.values(), local_date(utc_now()).year)
    return {setting: upcoming[prefix] for setting, prefix in prefixes.items()}


def _prefix(kind: str) -> str:
    return str(getattr(settings(), SETTING[kind]))

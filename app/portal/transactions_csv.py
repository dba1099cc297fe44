"""Every movement of a balance as CSV, newest first, streamed page by page so that no history is too long.

Amounts and balances are euros with a decimal point and all their places: each balance is the one below it
plus the row's amount.
"""

from collections.abc import Iterator

from flask_babel import gettext

from app.config import settings
from app.ledger import statement
from app.ledger.wording import describe
from app.money import decimal_of_micros
from app.portal.csv_text import csv_text


def csv_lines(customer_id: int) -> Iterator[str]:
    """In the reader's language: read it while the request's context is there."""
    yield csv_text([[gettext("Date"), gettext("Description"), gettext("Amount"), gettext("Balance")]])
    before = None
    while True:
        page = statement.page(customer_id, before)
        yield csv_text(_row(movement) for movement in page.movements)
        if page.older is None:
            return
        before = page.older


def _row(movement: statement.Movement) -> list[str]:
    return [
        movement.at.astimezone(settings().timezone).isoformat(sep=" ", timespec="seconds"),
        describe(movement).label,
        f"{decimal_of_micros(movement.amount_micros):f}",
        f"{decimal_of_micros(movement.balance_micros):f}",
    ]

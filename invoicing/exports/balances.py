"""What stands on each side at the end of a day, and the deposits held for customers, as CSV."""

from collections.abc import Iterator, Mapping
from datetime import date

from app.ledger import books
from app.ledger.sides import Side
from app.money import cents_of_micros
from invoicing.exports.accounts import Account
from invoicing.exports.tables import amount, csv_lines


def balances(day: date, chart: Mapping[Side, Account]) -> Iterator[str]:
    """Line by line, by ledger code; above zero on the credit side."""
    found = books.balances_on(day)
    rows: list[tuple[object, ...]] = [
        (chart[side].code, chart[side].name, side.value, amount(cents_of_micros(micros)))
        for side, micros in sorted(found.items(), key=lambda item: chart[item[0]].code)
    ]
    held = cents_of_micros(books.deposits_held_on(day))
    rows.append(("", "Deposits held", "deposits_held", amount(held)))
    return csv_lines(("account", "name", "side", "credit_balance"), rows)

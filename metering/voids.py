"""Taking an event back: its quantity leaves the totals, and what that is worth now returns.

The event stays, marked: sent again it is still a duplicate. Money goes back to where the period took it.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from flask_babel import lazy_gettext

from app.clock import utc_now
from app.errors import NotFound
from app.ledger.debits import Database, LockedBalance, driver_connection, lock_for_debits
from metering.book import Contribution, UsageBook
from metering.catalog import current_catalog

_FIND = """
SELECT month, time, period_start, prices, quantities, voided_at, void_charges_micros FROM usage_event
WHERE customer_id = %s AND source = %s AND event_id = %s
ORDER BY time DESC LIMIT 1
"""
_MARK = """
UPDATE usage_event SET voided_at = %s, changed_at = %s, void_charges_micros = %s, void_transfer_number = %s
WHERE customer_id = %s AND source = %s AND event_id = %s AND month = %s
"""


class UnknownEvent(NotFound):
    code = "unknown_event"
    title = lazy_gettext("No event with this source and id was recorded.")


class Voided(NamedTuple):
    """What a void gave back in micros, when, and the balance afterwards."""

    micros: int
    at: datetime
    balance: LockedBalance


class _Found(NamedTuple):
    month: date
    time: datetime
    period_start: date
    prices: list[int]
    quantities: list[Decimal]
    voided_at: datetime | None
    void_charges_micros: list[int] | None


def void_event(customer_id: int, source: str, event_id: str) -> Voided:
    """Take an event back in the open unit of work; again is harmless. Raises UnknownEvent.

    An event of a closed period re-rates it; the difference is posted now and corrects the next invoice.
    """
    connection = driver_connection()
    balance = lock_for_debits(connection, [customer_id]).get(customer_id)
    row = connection.execute(_FIND, (customer_id, source, event_id)).fetchone()
    if balance is None or row is None:
        raise UnknownEvent
    found = _Found(*row)
    if found.voided_at is not None:
        return Voided(-sum(found.void_charges_micros or ()), found.voided_at, balance)
    now = utc_now()
    charges, transfer_number = _take_back(connection, balance, found, now)
    connection.execute(
        _MARK, (now, now, charges, transfer_number, customer_id, source, event_id, found.month)
    )
    return Voided(-sum(charges), now, balance)


def _take_back(
    connection: Database, balance: LockedBalance, found: _Found, now: datetime
) -> tuple[list[int], int | None]:
    """Move the totals back; answers the negative charges and the transfer's number, if money moved."""
    customer_id = balance.customer_id
    catalog = current_catalog()
    book = UsageBook(connection, {customer_id: balance}, catalog, now)
    key = (customer_id, found.period_start)
    book.read_periods([key])
    contributions = [
        Contribution(catalog.prices[price_id], -quantity, -1)
        for price_id, quantity in zip(found.prices, found.quantities, strict=True)
    ]
    book.load_totals([(*key, c.price.meter_id, c.price.price_id) for c in contributions])
    charges = book.charge(book.periods[key], contributions)
    if charges is None:
        raise RuntimeError(f"taking back an event of customer {customer_id} moves an implausible amount")
    debited = book.post()
    return charges, debited.transfer_numbers.get(customer_id)

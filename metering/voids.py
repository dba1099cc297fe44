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
from metering.aggregation import ADDITIVE, dimensions_of
from metering.book import Contribution, UsageBook
from metering.catalog import Catalog, current_catalog
from metering.cloudevents import decode_data
from metering.levels import ACCRUAL_SOURCE, ZERO
from metering.readings import EventIdentity, Read, Readings, reading_of

_FIND = """
SELECT month, time, period_start, prices, quantities, voided_at, void_transfer_number, data::text
FROM usage_event
WHERE customer_id = %s AND source = %s AND event_id = %s
ORDER BY voided_at IS NOT NULL, time DESC LIMIT 1
"""
_MARK = """
UPDATE usage_event SET voided_at = %s, changed_at = %s, void_charges_micros = %s, void_transfer_number = %s
WHERE customer_id = %s AND source = %s AND event_id = %s AND month = %s
"""


# The transfers of one void: at most one per side, promo's before that of prepaid, which the event names.
_RETURNED = """
SELECT coalesce(sum(CASE WHEN debit = 'unbilled_usage' THEN amount_micros ELSE -amount_micros END), 0)
FROM transfer
WHERE customer_id = %s AND kind = 'usage' AND created_at = %s
    AND (number = %s OR (number = %s AND 'promo' IN (debit, credit)))
"""


class UnknownEvent(NotFound):
    code = "unknown_event"
    title = lazy_gettext("No event with this source and id was recorded.")


class Voided(NamedTuple):
    """What a void gave back to the balance in micros, when, and the balance afterwards.

    It counts prepaid money and promotional credit, of all periods that it re-rated: a level that is taken
    back was held in later periods too. Below zero where what is left costs more.
    """

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
    void_transfer_number: int | None
    data: str


def void_event(customer_id: int, source: str, event_id: str) -> Voided:
    """Take an event back in the open unit of work; again is harmless. Raises UnknownEvent.

    An event of a closed period re-rates it; the difference is posted now and corrects the next invoice.
    """
    connection = driver_connection()
    balance = lock_for_debits(connection, [customer_id]).get(customer_id)
    if source == ACCRUAL_SOURCE:
        raise UnknownEvent
    row = connection.execute(_FIND, (customer_id, source, event_id)).fetchone()
    if balance is None or row is None:
        raise UnknownEvent
    found = _Found(*row)
    if found.voided_at is not None:
        last = found.void_transfer_number or 0
        row = connection.execute(_RETURNED, (customer_id, found.voided_at, last, last - 1)).fetchone()
        return Voided(int(row[0]) if row else 0, found.voided_at, balance)
    now = utc_now()
    event = EventIdentity(customer_id, found.time, source, event_id)
    before = balance.prepaid_micros + balance.promo_micros
    charges, transfer_number = _take_back(connection, balance, event, found, now)
    connection.execute(
        _MARK, (now, now, charges, transfer_number, customer_id, source, event_id, found.month)
    )
    return Voided(balance.prepaid_micros + balance.promo_micros - before, now, balance)


def _take_back(
    connection: Database, balance: LockedBalance, event: EventIdentity, found: _Found, now: datetime
) -> tuple[list[int], int | None]:
    """Move the totals back; answers the negative charges and the transfer's number, if money moved."""
    customer_id = balance.customer_id
    catalog = current_catalog()
    book = UsageBook(connection, {customer_id: balance}, catalog, now)
    key = (customer_id, found.period_start)
    book.read_periods([key])
    contributions = [
        _contribution(catalog, found, price_id, quantity)
        for price_id, quantity in zip(found.prices, found.quantities, strict=True)
    ]
    book.load_totals([(*key, c.price.meter_id, c.price.price_id) for c in contributions])
    readings = Readings(connection, book, catalog)
    readings.load([Read(event, found.period_start, contributions)])
    moved = readings.charge(event, found.period_start, contributions, -1)
    if moved is None:
        raise RuntimeError(f"taking back an event of customer {customer_id} moves an implausible amount")
    debited = book.post()
    readings.write(debited.transfer_numbers, now)
    return moved[1], debited.transfer_numbers.get(customer_id)


def _contribution(catalog: Catalog, found: _Found, price_id: int, quantity: Decimal) -> Contribution:
    """What the event gave a total, to be taken from it; of a reading what it said, read again."""
    price = catalog.prices[price_id]
    meter = catalog.meters[price.meter_id]
    if meter.aggregation in ADDITIVE:
        return Contribution(price, -quantity, -1)
    data = decode_data(found.data)
    reading = reading_of(meter, data, dimensions_of(meter.dimensions, data))
    if reading is None:
        raise RuntimeError(f"an event of meter {meter.code} has lost its value")
    return Contribution(price, ZERO, -1, reading)

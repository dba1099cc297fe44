"""Holds for work that will be metered: what it would cost is set aside, what it did cost is debited.

A quantity is priced as if it were used now, on top of what the period has used so far. The capture records
the real events and ends the hold in one transaction: all of its events, or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from flask_babel import lazy_gettext

from app.clock import utc_now
from app.customers import service as customers
from app.errors import AppError, Invalid
from app.ledger import holds
from app.ledger.debits import LockedBalance, driver_connection, lock_for_debits
from app.ledger.models import Hold
from metering.book import UsageBook
from metering.catalog import Catalog, MeterRule, current_catalog
from metering.cloudevents import ReadEvents, Refusal
from metering.meters import UnknownMeter
from metering.prices import price_for
from metering.rating import EXACT
from metering.recorder import record
from metering.treatment import facts_of, treatment_of
from metering.verdicts import Verdict

ZERO: Final = Decimal(0)


class NoPrice(Invalid):
    code = "no_price"
    title = lazy_gettext("The meter has no price that applies.")


class CaptureRefused(AppError):
    """An event of a capture that cannot be recorded: then none is, and the hold stays as it was."""

    title = lazy_gettext("The hold was not captured: an event cannot be recorded.")

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.verdict.detail, id=refusal.event_id, index=refusal.index)
        self.status = refusal.verdict.status  # type: ignore[misc]  # one class for all verdicts
        self.code = refusal.verdict.code  # type: ignore[misc]  # likewise


class OtherSubject(Invalid):
    code = "other_subject"
    title = lazy_gettext("The event's subject is not the hold's customer.")


@dataclass(frozen=True, slots=True)
class Captured:
    """The hold as it ended, what its events debited, and the balance after them."""

    hold: Hold
    micros: int
    accepted: int
    duplicates: int
    balance: LockedBalance
    crossed: list[int]


def estimate_micros(customer_id: int, code: str, quantity: Decimal, dimensions: Mapping[str, str]) -> int:
    """What a quantity would be debited if it were used now, VAT included; never below zero.

    The balance is locked. Raises UnknownMeter, NoPrice.
    """
    connection = driver_connection()
    balances = lock_for_debits(connection, [customer_id])
    catalog = current_catalog()
    meter = _meter(catalog, code)
    book = UsageBook(connection, balances, catalog, utc_now())
    period = book.period_at(customer_id, utc_now())
    key = (customer_id, period.start)
    in_force = catalog.in_force(meter.meter_id, period.start, book.frozen_version(key), customer_id)
    price = price_for(in_force, dimensions)
    if price is None:
        raise NoPrice(field="meter")
    begun = book.periods.get(key)
    if begun is None:
        treatment = treatment_of(facts_of(customers.get_customer(customer_id)), period.start)
        rate = treatment.of_class(catalog.tax_class(meter.meter_id, catalog.version)).rate
    else:
        rate = book.rate_of(begun, meter.meter_id)
    total = (*key, meter.meter_id, price.price_id)
    book.load_totals([total])
    was, events, charged = book.running(total)
    used, count = _after(meter.aggregation, was, events, quantity)
    return max(0, catalog.gross(price, rate)(used, count) - charged)


def _after(aggregation: str, was: Decimal, events: int, quantity: Decimal) -> tuple[Decimal, int]:
    """Q after a quantity of this kind: of a level it is unit × hours, of `unique` new values."""
    if aggregation == "count":
        return EXACT.add(was, quantity), events + int(quantity)
    if aggregation == "max":
        return max(was, quantity), events + 1
    if aggregation == "latest":
        return quantity, events + 1
    return EXACT.add(was, quantity), events + 1


def _meter(catalog: Catalog, code: str) -> MeterRule:
    for meter in catalog.meters.values():
        if meter.code == code:
            return meter
    raise UnknownMeter


def capture(public_id: str, read: ReadEvents) -> Captured:
    """Record the events of the work and end its hold, in the open unit of work; again is harmless.

    Less than was held sets the rest free; more is debited as well; an expired hold records too. Raises
    UnknownHold, HoldEnded, OtherSubject, CaptureRefused.
    """
    hold = holds.lock_hold(public_id)
    if read.refusals:
        raise CaptureRefused(read.refusals[0])
    reference = customers.get_customer(hold.customer_id).reference
    for event in read.events:
        if event.reference != reference:
            raise OtherSubject(field="subject", index=event.index)
        event.customer_id = hold.customer_id
    is_again = hold.status == "captured"
    if not is_again:
        holds.capture_hold(hold)
    before = _usable_micros(hold.customer_id)
    recorded = record(read.events)
    for event, verdict in zip(read.events, recorded.verdicts, strict=True):
        if verdict.is_refusal:
            raise CaptureRefused(Refusal(event.index, event.event_id, verdict))
    accepted = recorded.verdicts.count(Verdict.ACCEPTED)
    if is_again and accepted:
        raise holds.HoldEnded
    balance = recorded.balances[hold.customer_id]
    if not is_again:
        hold.captured_micros = before - balance.prepaid_micros - balance.promo_micros
    return Captured(
        hold=hold,
        micros=hold.captured_micros or 0,
        accepted=accepted,
        duplicates=len(read.events) - accepted,
        balance=balance,
        crossed=recorded.crossed,
    )


def _usable_micros(customer_id: int) -> int:
    balance = lock_for_debits(driver_connection(), [customer_id])[customer_id]
    return balance.prepaid_micros + balance.promo_micros

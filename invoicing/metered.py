"""Metering as invoicing sees it: which periods to close, and their usage as parts of invoice lines.

The only module here that speaks to metering, and the one that hands metering its tax treatments.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.ledger import service as ledger
from invoicing import extras, tax
from invoicing.billing import PeriodFacts
from invoicing.lines import KINDS, Line, MeterUsage, Part, correction_line
from invoicing.tax import Buyer, Treatment
from metering import service as metering
from metering.service import CustomerFacts, PeriodUsage, TaxTreatment
from topups import service as topups

PeriodKey = tuple[int, date]
_PAGE: Final = 1000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewerDebits:
    """What periods after the one that closes have taken from the balance already."""

    prepaid_micros: int
    promo_micros: int

    @property
    def total_micros(self) -> int:
        return self.prepaid_micros + self.promo_micros


class PeriodMissing(RuntimeError):
    """A period that is being closed has vanished from metering."""


def resolve_tax(facts: CustomerFacts, on: date) -> TaxTreatment:
    """The treatment that metering freezes for a customer's period."""
    buyer = Buyer(facts.country, facts.kind == "business", facts.vat_number)
    treatment = tax.treatment_of(buyer, on, seller_country=settings().provider.country)
    return TaxTreatment(str(treatment.category), treatment.percent)


def next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def has_ended(month: date, now: datetime) -> bool:
    """Whether the month is over in the provider's zone."""
    return next_month(month) <= now.astimezone(settings().timezone).date()


def ended_before(moment: datetime) -> Iterator[PeriodKey]:
    """All periods that had ended by a moment and are to be closed, by customer."""
    day = moment.astimezone(settings().timezone).date()
    after, seen = 0, set[PeriodKey]()
    while True:
        page = metering.periods_to_close(day, after_customer_id=after, limit=_PAGE)
        fresh = [key for key in page if key not in seen]
        yield from fresh
        if len(page) < _PAGE or not fresh:
            break
        # The page may end amidst a customer's periods: the next one begins with that customer again.
        seen.update(fresh)
        after = page[-1][0] - 1
    yield from _without_usage(day)


def _without_usage(day: date) -> list[PeriodKey]:
    """Periods that ended by a day and have not begun, of customers with something to bill beside usage."""
    last = metering.period_of(metering.period_of(day).start - _DAY)
    before = metering.period_of(last.start - _DAY)
    keys = {(customer_id, last.start) for customer_id in extras.waiting_customers(last.end)}
    for period in (before, last):
        payers = topups.fee_payers(*bounds(period.start, period.end))
        keys |= {(customer_id, period.start) for customer_id in payers}
    begun = metering.begun_periods({key[0] for key in keys}, before.start, last.start)
    return sorted(keys - begun.keys())


def unclosed_in_month(month: date, customer_id: int | None = None) -> list[PeriodKey]:
    """The periods to close that begin in a month that has ended, of all customers or of one."""
    until = next_month(month)
    return [
        key for key in ended_before(utc_now()) if month <= key[1] < until and customer_id in (None, key[0])
    ]


def next_to_close(customer_id: int) -> date:
    """The first day of the oldest period of a customer that has ended and is not closed, else of this one."""
    today = utc_now().astimezone(settings().timezone).date()
    waiting = metering.periods_to_close(today, after_customer_id=customer_id - 1, limit=1)
    if waiting and waiting[0][0] == customer_id:
        return waiting[0][1]
    return metering.period_of(today).start


def unclosed(month: date, customer_ids: Collection[int]) -> list[PeriodKey]:
    """The periods of a month, of customers of a chunk, that are not closed: begun or not."""
    begun = metering.begun_periods(customer_ids, month, next_month(month) - _DAY)
    keys = begun.keys() | {(customer_id, month) for customer_id in customer_ids}
    return sorted(key for key in keys if begun.get(key) != "closed")


def begin(keys: Collection[PeriodKey]) -> list[PeriodKey]:
    """Flip the periods to closing; those that were closed before are left out. The balances are locked."""
    return [key for key in keys if metering.begin_close(*key) == "closing"]


def finish(customer_id: int, period_start: date) -> bool:
    """End a close in the transaction that posts it. False when another run has ended it already."""
    if metering.begin_close(customer_id, period_start) != "closing":
        return False
    metering.finish_close(customer_id, period_start)
    return True


def bounds(period_start: date, period_end: date) -> tuple[datetime, datetime]:
    """The moments at which a period begins and ends."""
    return metering.Period(period_start, period_end).bounds(settings().timezone)


def facts_of(customer_id: int, period_start: date) -> PeriodFacts:
    """What a period that is closing used and took. Raises PeriodMissing."""
    usage = metering.usage_of_period(customer_id, period_start)
    if usage is None:
        raise PeriodMissing(f"customer {customer_id}, {period_start.isoformat()}")
    treatment = _treatment(usage.treatment)
    period = usage.period
    return PeriodFacts(
        customer_id=customer_id,
        period_start=period.start,
        period_end=period.end,
        usage=tuple(
            MeterUsage(
                meter=one.meter,
                names=one.names,
                unit=one.unit,
                treatment=treatment,
                parts=tuple(
                    Part(line.quantity, line.unit_amount, KINDS[line.part], line.above, line.up_to)
                    for line in one.lines
                ),
                dimensions=one.when,
            )
            for one in usage.usages
        ),
        corrections=_corrections(usage),
        prepaid_debited_micros=usage.prepaid_debited_micros,
        promo_debited_micros=_promo_by_treatment(usage, treatment),
        fees=extras.fees_of(customer_id, period.start, period.end, treatment),
        charges=extras.charges_of(customer_id, period.end, treatment),
    )


def facts_without_usage(customer: Customer, period_start: date) -> PeriodFacts:
    """What a period bills that has not begun: charges and fees alone."""
    period = metering.period_of(period_start)
    facts = CustomerFacts(customer.customer_id, customer.kind, customer.country, customer.vat_number)
    treatment = _treatment(resolve_tax(facts, period.start))
    return PeriodFacts(
        customer_id=customer.customer_id,
        period_start=period.start,
        period_end=period.end,
        usage=(),
        corrections=(),
        prepaid_debited_micros=0,
        promo_debited_micros={},
        fees=extras.fees_of(customer.customer_id, period.start, period.end, treatment),
        charges=extras.charges_of(customer.customer_id, period.end, treatment),
    )


def _treatment(given: TaxTreatment) -> Treatment:
    return Treatment(given.category, given.rate)


def _corrections(usage: PeriodUsage) -> tuple[Line, ...]:
    return tuple(
        correction_line(
            period=one.period.start,
            net=one.net,
            treatment=_treatment(one.treatment),
            names=one.names,
            meter=one.meter,
            dimensions=one.when,
        )
        for one in usage.corrections
    )


def _promo_by_treatment(usage: PeriodUsage, own: Treatment) -> dict[Treatment, int]:
    """Promotional credit per tax treatment: the period's own first, up to what was charged under it."""
    left = usage.promo_debited_micros
    if left == 0:
        return {}
    gross: dict[Treatment, int] = {own: sum(one.gross_micros for one in usage.usages)}
    for one in usage.corrections:
        treatment = _treatment(one.treatment)
        gross[treatment] = gross.get(treatment, 0) + one.gross_micros
    shares: dict[Treatment, int] = {}
    for treatment, charged in gross.items():
        share = max(0, min(left, charged))
        if share:
            shares[treatment] = share
            left -= share
    if left:
        shares[own] = shares.get(own, 0) + left
    return shares


def debited_after(customer_id: int, period_start: date, period_end: date) -> NewerDebits:
    """What newer periods have taken so far. The balance must be locked."""
    promo = 0
    if ledger.grants(customer_id):
        today = utc_now().astimezone(settings().timezone).date()
        start = period_end
        while start <= today:
            newer = metering.usage_of_period(customer_id, start)
            promo += newer.promo_debited_micros if newer else 0
            start = next_month(start)
    return NewerDebits(metering.debited_after(customer_id, period_start), promo)

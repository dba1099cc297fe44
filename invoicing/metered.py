"""Metering as invoicing sees it: which periods to close, and their usage as parts of invoice lines.

The only module here that speaks to metering, and the one that hands metering its tax treatments.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from sqlalchemy import select

from app.clock import utc_now
from app.config import settings
from app.customers import service as customers
from app.customers.models import Customer
from app.db import db
from app.i18n import local_date
from app.money import cents_of_micros
from invoicing import extras, tax, vat_numbers
from invoicing.billing import PeriodFacts
from invoicing.lines import KINDS, Line, MeterUsage, Part, correction_line
from invoicing.models import CloseRun
from invoicing.tax import SPECIAL, Buyer, Treatment
from invoicing.totals import TaxTotal, cents
from metering import service as metering
from metering.service import Correction, CustomerFacts, Period, PeriodUsage, PriceUsage, TaxTreatment
from topups import service as topups

PeriodKey = tuple[int, date]
_PAGE: Final = 1000


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
    number = vat_numbers.counting(
        facts.customer_id, facts.vat_number, facts.country, on, at_home=facts.resells_telecom
    )
    buyer = Buyer(facts.country, facts.kind == "business", number, facts.resells_telecom)
    seller = settings().provider.country
    usual = tax.treatment_of(buyer, on, seller_country=seller)
    kinds: dict[str, Treatment] = {
        product: tax.treatment_of(buyer, on, seller_country=seller, product=product) for product in SPECIAL
    }
    kinds["telecom"] = tax.treatment_of(buyer, on, seller_country=seller, is_telecom=True)
    special = {
        kind: TaxTreatment(str(one.category), one.percent) for kind, one in kinds.items() if one != usual
    }
    return TaxTreatment(str(usual.category), usual.percent, special)


def next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def has_ended(month: date, now: datetime) -> bool:
    """Whether the month is over in the provider's zone, or a shorter period that began in it."""
    today = now.astimezone(settings().timezone).date()
    return next_month(month) <= today or metering.any_ended(month, today)


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
    """Periods that ended by a day and have not begun, of customers with something to bill all the same.

    Charges go into the latest period that ended, so that a late one is not billed for a month long past.
    """
    waiting = {day: extras.waiting_customers(day)}
    charged = waiting[day]
    # A fee is billed, or given back, with the period of its day; an empty period where it is asked for.
    fees = {one: local_date(at) for one, at in topups.fee_payers().items()}
    empty = {one: local_date(at) for one, at in customers.wanting_empty_invoices().items()}
    since = fees | {one: min(day, fees.get(one, day)) for one, day in empty.items()}
    keys = []
    seen = set[int]()
    for customer_id, period, has_begun in _ended_periods(sorted(charged | since.keys()), day):
        is_latest = customer_id not in seen
        seen.add(customer_id)
        if has_begun:
            continue
        if is_latest and period.end not in waiting:
            waiting[period.end] = extras.waiting_customers(period.end)
        is_charged = is_latest and customer_id in waiting[period.end]
        if is_charged or (customer_id in since and since[customer_id] < period.end):
            keys.append((customer_id, period.start))
    for customer_id, period, has_begun in metering.older_periods(since, day):
        if has_begun:
            continue
        # Who asks for empty invoices today did not ask for those of months that were closed long ago.
        asked = customer_id in empty and empty[customer_id] < period.end and not _was_closed(period.start)
        if asked or (customer_id in fees and fees[customer_id] < period.end):
            keys.append((customer_id, period.start))
    return sorted(keys)


def _was_closed(day: date) -> bool:
    """Whether a run has closed the month of a day, for whomever."""
    run = select(CloseRun.run_id).where(CloseRun.period_start == day.replace(day=1)).limit(1)
    return db.session.scalar(run) is not None


def _ended_periods(customer_ids: list[int], day: date) -> Iterator[tuple[int, Period, bool]]:
    for first in range(0, len(customer_ids), _PAGE):
        yield from metering.ended_periods(customer_ids[first : first + _PAGE], day)


def unclosed_in_month(month: date, customer_id: int | None = None) -> list[PeriodKey]:
    """The periods to close that begin in a month, of all customers or of one."""
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
    return metering.period_today(customer_id).start


def running_until(customer_id: int) -> date:
    """The first day after the customer's running period: its close comes then."""
    return metering.period_today(customer_id).end


def unclosed(month: date, customer_ids: Collection[int]) -> list[PeriodKey]:
    """The periods of a month, of customers of a chunk, that have ended and are not closed: begun or not."""
    today = utc_now().astimezone(settings().timezone).date()
    return metering.unclosed_in_month(customer_ids, month, today)


def begin(keys: Collection[PeriodKey]) -> list[PeriodKey]:
    """Flip the periods to closing; those that were closed before are left out."""
    statuses = metering.begin_closes(keys)
    return [key for key in keys if statuses[key] == "closing"]


def finish(keys: Collection[PeriodKey]) -> set[PeriodKey]:
    """End closes in the transaction that posts them. Those that another run has ended are left out."""
    return metering.finish_closes(keys)


def bounds(period_start: date, period_end: date) -> tuple[datetime, datetime]:
    """The moments at which a period begins and ends."""
    return metering.Period(period_start, period_end).bounds(settings().timezone)


class Facts:
    """What periods that are closing used and took: read together, put together one by one."""

    def __init__(self, keys: Collection[PeriodKey]) -> None:
        self._usages = metering.PeriodUsages(keys)
        self._with_extras = extras.among({customer_id for customer_id, _ in keys})

    def of(self, key: PeriodKey) -> PeriodFacts:
        """Raises PeriodMissing."""
        usage = self._usages.of(key)
        if usage is None:
            raise PeriodMissing(f"customer {key[0]}, {key[1].isoformat()}")
        treatment = _treatment(usage.treatment)
        has_extras = key[0] in self._with_extras
        start, end = usage.period.start, usage.period.end
        return PeriodFacts(
            customer_id=key[0],
            period_start=start,
            period_end=end,
            usage=tuple(map(_meter_usage, usage.usages)),
            corrections=_corrections(usage),
            prepaid_debited_micros=usage.prepaid_debited_micros,
            promo_debited_micros=_promo_by_treatment(usage, treatment),
            treatment=treatment,
            fees=extras.fees_of(key[0], start, end, treatment) if has_extras else None,
            charges=extras.charges_of(key[0], end, treatment) if has_extras else (),
        )


def facts_of(customer_id: int, period_start: date) -> PeriodFacts:
    """What one period that is closing used and took. Raises PeriodMissing."""
    key = (customer_id, period_start)
    return Facts([key]).of(key)


def _meter_usage(one: PriceUsage) -> MeterUsage:
    return MeterUsage(
        meter=one.meter,
        names=one.names,
        unit=one.unit,
        treatment=_treatment(one.treatment),
        parts=tuple(
            Part(line.quantity, line.unit_amount, KINDS[line.part], line.above, line.up_to)
            for line in one.lines
        ),
        dimensions=one.when,
    )


def facts_without_usage(customer: Customer) -> PeriodFacts:
    """What a customer's period of today bills when it has not begun: charges and fees alone."""
    period = metering.period_today(customer.customer_id)
    treatment = _treatment(resolve_tax(metering.facts_of_customer(customer), period.start))
    return PeriodFacts(
        customer_id=customer.customer_id,
        period_start=period.start,
        period_end=period.end,
        usage=(),
        corrections=(),
        prepaid_debited_micros=0,
        promo_debited_micros={},
        treatment=treatment,
        fees=extras.fees_of(customer.customer_id, period.start, period.end, treatment),
        charges=extras.charges_of(customer.customer_id, period.end, treatment),
    )


def _treatment(given: TaxTreatment) -> Treatment:
    return _made_treatment(given.category, given.rate)


@lru_cache(maxsize=1000)
def _made_treatment(category: str, percent: Decimal) -> Treatment:
    return Treatment(category, percent)


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
    gross: dict[Treatment, int] = {own: 0}
    billed: tuple[PriceUsage | Correction, ...] = (*usage.usages, *usage.corrections)
    for one in billed:
        treatment = _treatment(one.treatment)
        gross[treatment] = gross.get(treatment, 0) + one.gross_micros
    shares: dict[Treatment, int] = {}
    for treatment, charged in gross.items():
        # What was given back belongs to what was taken back.
        share = max(0, min(left, charged)) if left > 0 else min(0, max(left, charged))
        if share:
            shares[treatment] = share
            left -= share
    if left:
        shares[own] = shares.get(own, 0) + left
    return shares


def given_back(customer_id: int, period_start: date) -> list[TaxTotal]:
    """What of a period's usage was taken back since its close, by treatment; the money is back already.

    Corrections that charge weigh against those that give back. Promotional credit that went back to its
    grant is counted too: it never comes back as cash.
    """
    net: dict[Treatment, Decimal] = {}
    gross: dict[Treatment, int] = {}
    for one in metering.corrections_of(customer_id, period_start):
        treatment = _treatment(one.treatment)
        net[treatment] = net.get(treatment, Decimal(0)) - one.net
        gross[treatment] = gross.get(treatment, 0) - one.gross_micros
    totals = []
    for treatment, micros in gross.items():
        if micros > 0:
            net_cents = cents(net[treatment])
            totals.append(TaxTotal(treatment, net_cents, 0, cents_of_micros(micros) - net_cents))
    return totals


def debited_after(keys: Collection[PeriodKey]) -> dict[PeriodKey, NewerDebits]:
    """What periods newer than these have taken so far. The balances must be locked."""
    return {key: NewerDebits(*taken) for key, taken in metering.debited_after(keys).items()}

"""What happens when: four months of two customers, for any moment at which the demo is loaded. Pure.

Three months ago a customer opens its account and uses a little without paying: that invoice is overdue
now. Two months ago likewise, and a payment for it is under way now. Last month is the full replay: a
first payment leaves a mandate, an automatic top-up follows, a second one is refused by the monthly maximum,
and what is then missing is due within thirty days. This month has used its first part, tops up again, and
waits with the balance a little above the threshold for the live part.

What must stay true: no act lies after `now`; an automatic top-up of this month lies more than an hour before
`now`, or there is none, so that the hourly limit does not hold up the one that the live part causes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app.demo.cast import (
    CUSTOMERS,
    LAST_MONTHS_MAXIMUM_MICROS,
    MONTHLY_MAXIMUM_MICROS,
    DemoCustomer,
)
from app.demo.replay import Span, trace
from metering.periods import Period, midnight, period_of_day, period_of_moment

ROWS_THIS_MONTH: Final = 3_819
OPENED_ON_DAY: Final = 6
CLOSES_AFTER: Final = timedelta(hours=2, minutes=10)
# Earlier in the month than this, an automatic top-up would still count for the hourly limit.
SETTLED_AFTER: Final = timedelta(hours=5)
PAYS_BEFORE: Final = timedelta(hours=2)
_SPARSE: Final = (time(21),)
_DENSE: Final = (time(9), time(16), time(23, 59, 30))


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that happens at a moment; the usage up to that moment is recorded before it."""

    at: datetime


@dataclass(frozen=True, kw_only=True)
class Record(Act):
    """Nothing but usage."""


@dataclass(frozen=True, kw_only=True)
class Open(Act):
    """A customer opens its account, with somebody who signs in."""

    customer: DemoCustomer


@dataclass(frozen=True, kw_only=True)
class FirstPayment(Act):
    """Paid at the checkout, leaving a mandate."""

    customer: DemoCustomer


@dataclass(frozen=True, kw_only=True)
class SetRule(Act):
    """The customer sets automatic top-up."""

    customer: DemoCustomer
    monthly_maximum_micros: int
    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class TopUpByHand(Act):
    """Paid at the checkout; as much as leaves the balance just above the threshold when `span` has ended."""

    customer: DemoCustomer
    span: Span


@dataclass(frozen=True, kw_only=True)
class CloseMonth(Act):
    """The provider invoices a month."""

    period: Period


@dataclass(frozen=True, kw_only=True)
class PayInvoice(Act):
    """The customer pays the invoice of a month in a way that takes the bank days."""

    customer: DemoCustomer
    period: Period


@dataclass(frozen=True, kw_only=True)
class Story:
    """Acts in the order of their moments, and the usage that runs beneath them."""

    now: datetime
    acts: tuple[Act, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class _Calendar:
    """The four months, the last of them the one that `now` lies in."""

    now: datetime
    zone: ZoneInfo

    def period(self, months_ago: int) -> Period:
        period = period_of_moment(self.now, self.zone)
        for _ in range(months_ago):
            period = period_of_day(period.start - timedelta(days=1))
        return period

    def begin(self, months_ago: int) -> datetime:
        return self.period(months_ago).bounds(self.zone)[0]

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        return midnight(day, self.zone) + timedelta(hours=hour, minutes=minute)

    @property
    def opened_at(self) -> datetime:
        return self.at(self.period(3).start.replace(day=OPENED_ON_DAY), 10)

    @property
    def elapsed(self) -> timedelta:
        """How much of this month has passed."""
        return self.now - self.begin(0)

    @property
    def last_close_at(self) -> datetime:
        return self.begin(0) + min(CLOSES_AFTER, 0.3 * self.elapsed)

    def this_month(self, share: float) -> datetime:
        """The moment at that share of the time between the last close and now."""
        return self.last_close_at + share * (self.now - self.last_close_at)


def story(now: datetime, zone: ZoneInfo) -> Story:
    """The demo's story, as it would have come to `now` (aware)."""
    calendar = _Calendar(now, zone)
    spans = tuple(span for customer in CUSTOMERS for span in _spans(calendar, customer))
    acts: list[Act] = [*_closes(calendar), *_records(calendar)]
    for customer in CUSTOMERS:
        acts += _acts_of(calendar, customer, spans)
    return Story(now=now, acts=tuple(sorted(acts, key=lambda act: act.at)), spans=spans)


def _spans(calendar: _Calendar, customer: DemoCustomer) -> Iterator[Span]:
    begins = [calendar.opened_at, calendar.begin(2), calendar.begin(1), calendar.last_close_at]
    ends = [calendar.begin(2), calendar.begin(1), calendar.begin(0), calendar.now]
    counts = [*customer.small_months, len(trace()), ROWS_THIS_MONTH]
    for ago, begin, end, count in zip((3, 2, 1, 0), begins, ends, counts, strict=True):
        yield Span(
            reference=customer.reference,
            label=f"{calendar.period(ago).start:%Y-%m}",
            begin=begin,
            end=end,
            first=0,
            last=count,
        )


def _closes(calendar: _Calendar) -> Iterator[Act]:
    for ago in (3, 2):
        yield CloseMonth(at=calendar.begin(ago - 1) + CLOSES_AFTER, period=calendar.period(ago))
    yield CloseMonth(at=calendar.last_close_at, period=calendar.period(1))


def _records(calendar: _Calendar) -> Iterator[Act]:
    """Usage is recorded in time, a few times a day, so that what follows from it carries a natural date."""
    for ago, times in ((3, _SPARSE), (2, _SPARSE), (1, _DENSE), (0, _DENSE)):
        for day in calendar.period(ago).days():
            for wall in times:
                at = datetime.combine(day, wall, tzinfo=calendar.zone)
                begin = calendar.last_close_at if ago == 0 else calendar.opened_at
                if begin < at < calendar.now:
                    yield Record(at=at)
    yield Record(at=calendar.now)


def _acts_of(calendar: _Calendar, customer: DemoCustomer, spans: tuple[Span, ...]) -> Iterator[Act]:
    # The second customer does everything a little later: two people are never of one mind.
    later = timedelta(minutes=17 * CUSTOMERS.index(customer))
    yield Open(at=calendar.opened_at, customer=customer)
    first_day = calendar.period(1).start
    yield FirstPayment(at=calendar.at(first_day, 10, 30) + later, customer=customer)
    yield SetRule(
        at=calendar.at(first_day, 10, 45) + later,
        customer=customer,
        monthly_maximum_micros=LAST_MONTHS_MAXIMUM_MICROS,
    )
    # What this month uses belongs to its last span.
    span = next(s for s in reversed(spans) if s.reference == customer.reference)
    top_up = 0.45 + 0.01 * CUSTOMERS.index(customer)
    rule = top_up / 20
    if calendar.elapsed < SETTLED_AFTER:
        # Too early for an automatic top-up of this month: it is off until a larger one by hand has come.
        yield SetRule(
            at=calendar.begin(0) - timedelta(hours=1) + later,
            customer=customer,
            monthly_maximum_micros=LAST_MONTHS_MAXIMUM_MICROS,
            enabled=False,
        )
        top_up, rule = 0.1 + top_up / 10, 0.3 + top_up / 10
    yield SetRule(
        at=calendar.this_month(rule), customer=customer, monthly_maximum_micros=MONTHLY_MAXIMUM_MICROS
    )
    yield TopUpByHand(at=calendar.this_month(top_up), customer=customer, span=span)
    yield PayInvoice(
        at=calendar.now - min(PAYS_BEFORE - later, 0.1 * calendar.elapsed),
        customer=customer,
        period=calendar.period(2),
    )

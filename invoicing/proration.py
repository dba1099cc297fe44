"""Service periods and their shares by day. Pure: no clock, no database, whole cents.

A subscription's periods are months or years counted from one day, its anchor: from 31 January on they begin
on 31 January, 28 February, 31 March. Days are calendar days, so a day on which the clock changes is a day.

The share of some days is what has accrued by their end less what had accrued by their beginning, each rounded
once. So the shares of a period's days add up to the whole, however it is cut, and none is below zero.
"""

import calendar
from dataclasses import dataclass
from datetime import date
from typing import Literal

Interval = Literal["month", "year"]


@dataclass(frozen=True, slots=True, order=True)
class ServicePeriod:
    """Days from `start` up to `end`, which is the first day after."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"{self} has no days")

    @property
    def days(self) -> int:
        return (self.end - self.start).days


def period_number(anchor: date, interval: Interval, number: int) -> ServicePeriod:
    """The period `number` (from 0) of those counted from `anchor`."""
    return ServicePeriod(_beginning(anchor, interval, number), _beginning(anchor, interval, number + 1))


def period_with(anchor: date, interval: Interval, day: date) -> ServicePeriod:
    """The period that a day lies in. Raises ValueError for a day before the anchor."""
    if day < anchor:
        raise ValueError(f"{day} lies before {anchor}")
    months = 12 * (day.year - anchor.year) + day.month - anchor.month
    number = months // 12 if interval == "year" else months
    period = period_number(anchor, interval, number)
    return period if period.start <= day else period_number(anchor, interval, number - 1)


def share_cents(whole_cents: int, period: ServicePeriod, start: date, end: date) -> int:
    """The share of the days from `start` up to `end` of a period that costs `whole_cents`."""
    if whole_cents < 0:
        raise ValueError("a price is not below zero")
    if not period.start <= start <= end <= period.end:
        raise ValueError(f"{start} to {end} is not within {period}")
    return _accrued(whole_cents, period, end) - _accrued(whole_cents, period, start)


def _accrued(whole_cents: int, period: ServicePeriod, day: date) -> int:
    """What the days before `day` come to, rounded half up."""
    passed, days = (day - period.start).days, period.days
    return (2 * whole_cents * passed + days) // (2 * days)


def _beginning(anchor: date, interval: Interval, number: int) -> date:
    months = anchor.month - 1 + number * (12 if interval == "year" else 1)
    year, month = anchor.year + months // 12, months % 12 + 1
    return date(year, month, min(anchor.day, calendar.monthrange(year, month)[1]))

"""Billing periods: which days an invoice covers. Pure: no clock, no database.

A period is a half-open range of days in the provider's zone, so the months in which the clocks
change are an hour shorter or longer. It is known by its first day. None spans two months.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

HALF_MONTH_DAY = 16


class Cycle(StrEnum):
    """How often a customer is invoiced."""

    MONTHLY = "monthly"
    HALF_MONTHLY = "half_monthly"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The days from `start` up to, not including, `end`."""

    start: date
    end: date

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Give the moments, in UTC, at which the period begins and ends in that zone."""
        return midnight(self.start, zone), midnight(self.end, zone)

    def days(self) -> list[date]:
        """Give every day of the period, in order."""
        return [self.start + timedelta(days=n) for n in range((self.end - self.start).days)]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Give the moment, in UTC, at which a day begins in that zone."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def period_of_day(day: date, cycle: Cycle = Cycle.MONTHLY) -> Period:
    """Give the period that a day falls in."""
    first = day.replace(day=1)
    next_first = (first + timedelta(days=32)).replace(day=1)
    if cycle is Cycle.MONTHLY:
        return Period(first, next_first)
    middle = first.replace(day=HALF_MONTH_DAY)
    return Period(first, middle) if day < middle else Period(middle, next_first)


def periods_of_month(month: date, cycle: Cycle) -> list[Period]:
    """Give the periods of the month that begins on a day, in order."""
    first = period_of_day(month, cycle)
    return [first] if cycle is Cycle.MONTHLY else [first, period_of_day(first.end, cycle)]


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Give the day on which a moment falls in that zone."""
    return moment.astimezone(zone).date()


def period_of_moment(moment: datetime, zone: ZoneInfo, cycle: Cycle = Cycle.MONTHLY) -> Period:
    """Give the period that a moment falls in, in the provider's zone."""
    return period_of_day(day_of(moment, zone), cycle)


class PeriodFinder:
    """Finds the period of many moments quickly: it remembers the bounds of those it met."""

    def __init__(self, zone: ZoneInfo, cycle: Cycle = Cycle.MONTHLY) -> None:
        self._zone = zone
        self._cycle = cycle
        self._known: list[tuple[datetime, datetime, Period]] = []

    def find(self, moment: datetime) -> Period:
        for begins, ends, period in self._known:
            if begins <= moment < ends:
                return period
        period = period_of_moment(moment, self._zone, self._cycle)
        self._known.append((*period.bounds(self._zone), period))
        return period

    def end_of(self, period: Period) -> datetime:
        """Give the moment, in UTC, at which a period ends."""
        return midnight(period.end, self._zone)

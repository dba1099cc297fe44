"""Levels over time: what a `weighted_sum` meter measures. Pure: no clock, no database.

A series is the level of one meter for one set of dimension values. Each event says the level from its time
on, in whatever order events arrive; before the first it is zero, and it is carried over the end of a period.
The integral (level times time) is exact, in unit × µs. Q is that integral in unit × hours, rounded to twelve
places from the exact sum, so that nothing is lost from one event to the next.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, NamedTuple, Protocol

from metering.periods import Period
from metering.rating import EXACT

# Rows of our own among the events carry this source; nobody else may.
ACCRUAL_SOURCE: Final = "tegoed:accrual"
ACCRUAL_TYPE: Final = "tegoed.accrual"
MICROSECOND: Final = timedelta(microseconds=1)
MICROSECONDS_PER_HOUR: Final = Decimal(3_600_000_000)
ZERO: Final = Decimal(0)
_TWELVE_PLACES: Final = Decimal(1).scaleb(-12)
_ROUNDING: Final = Context(prec=120, rounding=ROUND_HALF_UP)


class Change(NamedTuple):
    """From `at` on the level is `level`. Changes at one moment come in the order of source and id."""

    at: datetime
    source: str
    event_id: str
    level: Decimal


class Segment(NamedTuple):
    """A level, or a difference of levels, held from `start` to `end`."""

    start: datetime
    end: datetime
    level: Decimal

    @property
    def integral(self) -> Decimal:
        """Level times time in unit × µs, exact."""
        return EXACT.multiply(self.level, Decimal((self.end - self.start) // MICROSECOND))


class Effect(NamedTuple):
    """What a change does: segments that are now charged, or charged otherwise; and up to when all is."""

    segments: list[Segment]
    accrued_to: datetime


@dataclass(slots=True)
class Series:
    """The changes of a series as far as they matter, in order, and the moment up to which it is charged.

    Invariant: no change lies after `accrued_to`.
    """

    accrued_to: datetime | None = None
    changes: list[Change] = field(default_factory=list)

    @property
    def level(self) -> Decimal:
        """The level after the last change."""
        return self.changes[-1].level if self.changes else ZERO

    def effect_of_adding(self, change: Change) -> Effect:
        """What it charges that from its moment on the level is another one."""
        place = bisect_left(self.changes, change)
        before = self._level_before(place)
        if self.accrued_to is None:
            return Effect([], change.at)
        if change.at > self.accrued_to:
            return Effect(_segments(self.accrued_to, change.at, before), change.at)
        end = self._end_at(place)
        return Effect(_segments(change.at, end, EXACT.subtract(change.level, before)), self.accrued_to)

    def effect_of_removing(self, change: Change) -> Effect:
        """What it charges that a change never was: the level before it goes on."""
        place = self.changes.index(change)
        difference = EXACT.subtract(self._level_before(place), change.level)
        end = self._end_at(place + 1)
        return Effect(_segments(change.at, end, difference), self.accrued_to or end)

    def effect_of_time(self, until: datetime) -> Effect:
        """What the level costs from where it was charged to `until`."""
        if self.accrued_to is None or until <= self.accrued_to:
            return Effect([], self.accrued_to or until)
        return Effect(_segments(self.accrued_to, until, self.level), until)

    def add(self, change: Change, effect: Effect) -> None:
        """Keep a change whose effect was charged."""
        self.changes.insert(bisect_left(self.changes, change), change)
        self.accrued_to = effect.accrued_to

    def remove(self, change: Change) -> None:
        """Forget a change whose removal was charged."""
        self.changes.remove(change)

    def _level_before(self, place: int) -> Decimal:
        return self.changes[place - 1].level if place else ZERO

    def _end_at(self, place: int) -> datetime:
        """The moment of the change at a place, or where charging ends so far."""
        if place < len(self.changes):
            return self.changes[place].at
        if self.accrued_to is None:
            raise ValueError("a series with changes is charged up to some moment")
        return self.accrued_to


def _segments(start: datetime, end: datetime, level: Decimal) -> list[Segment]:
    return [Segment(start, end, level)] if start < end and level else []


class FindsPeriods(Protocol):
    """Knows the period of a moment, and the moment at which a period ends."""

    def find(self, moment: datetime) -> Period: ...

    def end_of(self, period: Period) -> datetime: ...


def by_period(segments: Iterable[Segment], finder: FindsPeriods) -> list[tuple[Period, Segment]]:
    """Cut segments where periods end: a level is charged in the period in which it was held."""
    parts = []
    for segment in segments:
        start = segment.start
        while start < segment.end:
            period = finder.find(start)
            end = min(segment.end, finder.end_of(period))
            parts.append((period, Segment(start, end, segment.level)))
            start = end
    return parts


def unit_hours(integral: Decimal) -> Decimal:
    """Q of an integral: unit × hours at twelve places, halves away from zero."""
    return _ROUNDING.quantize(_ROUNDING.divide(integral, MICROSECONDS_PER_HOUR), _TWELVE_PLACES)

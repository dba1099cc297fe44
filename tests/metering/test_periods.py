"""Periods: half-open months in the provider's zone, an hour shorter or longer when the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from metering.periods import Cycle, Period, period_of_day, period_of_moment

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis wants naive bounds


@given(MOMENTS, st.sampled_from(Cycle))
def test_every_moment_falls_in_exactly_one_period_and_none_spans_two_months(
    moment: datetime, cycle: Cycle
) -> None:
    period = period_of_moment(moment, AMSTERDAM, cycle)
    begins, ends = period.bounds(AMSTERDAM)
    assert begins <= moment < ends
    assert period.days()[-1].month == period.start.month
    assert period_of_day(period.end, cycle).start == period.end


def test_the_last_moment_of_the_year_in_amsterdam_is_still_december() -> None:
    midnight = datetime(2026, 12, 31, 23, tzinfo=UTC)
    december = Period(date(2026, 12, 1), date(2027, 1, 1))
    assert period_of_moment(midnight - timedelta(microseconds=1), AMSTERDAM) == december
    assert period_of_moment(midnight, AMSTERDAM).start == date(2027, 1, 1)


def test_months_in_which_the_clocks_change_are_an_hour_off() -> None:
    def hours(day: date) -> float:
        begins, ends = period_of_day(day).bounds(AMSTERDAM)
        return (ends - begins) / timedelta(hours=1)

    assert hours(date(2026, 3, 5)) == 31 * 24 - 1
    assert hours(date(2026, 10, 5)) == 31 * 24 + 1


def test_half_months_end_on_the_fifteenth_and_with_the_month() -> None:
    halves = [period_of_day(date(2026, 2, day), Cycle.HALF_MONTHLY) for day in (1, 15, 16, 28)]
    first, second = Period(date(2026, 2, 1), date(2026, 2, 16)), Period(date(2026, 2, 16), date(2026, 3, 1))
    assert halves == [first, first, second, second]

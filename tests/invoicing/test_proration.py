"""Shares by day: they add up to the whole, never fall below zero, and know months, leap years and clocks."""

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.proration import Interval, ServicePeriod, period_number, period_with, share_cents

DAYS = st.dates(date(2019, 12, 1), date(2045, 1, 31))
INTERVALS: st.SearchStrategy[Interval] = st.sampled_from(["month", "year"])
CENTS = st.integers(0, 10_000_000)


@st.composite
def periods(draw: st.DrawFn) -> ServicePeriod:
    return period_number(draw(DAYS), draw(INTERVALS), draw(st.integers(0, 30)))


@given(periods(), CENTS, st.lists(st.floats(0, 1), max_size=8))
def test_the_shares_of_a_period_add_up_to_the_whole_however_it_is_cut(
    period: ServicePeriod, cents: int, cuts: list[float]
) -> None:
    inner = sorted(period.start + timedelta(days=round(cut * period.days)) for cut in cuts)
    shares = [share_cents(cents, period, *days) for days in pairwise([period.start, *inner, period.end])]
    assert sum(shares) == cents
    assert all(0 <= share <= cents for share in shares)


@given(periods(), CENTS, CENTS, st.floats(0, 1), st.floats(0, 1))
def test_a_change_and_its_way_back_cost_what_the_days_of_each_cost(
    period: ServicePeriod, basic: int, large: int, first: float, second: float
) -> None:
    there, back = sorted(period.start + timedelta(days=round(cut * period.days)) for cut in (first, second))
    paid = basic
    paid += share_cents(large, period, there, period.end) - share_cents(basic, period, there, period.end)
    paid += share_cents(basic, period, back, period.end) - share_cents(large, period, back, period.end)
    used = share_cents(large, period, there, back) + basic - share_cents(basic, period, there, back)
    assert paid == used
    if there == back:
        assert paid == basic


@given(DAYS, INTERVALS, st.integers(0, 60))
def test_periods_follow_each_other_without_gap_or_overlap(
    anchor: date, interval: Interval, number: int
) -> None:
    assert period_number(anchor, interval, 0).start == anchor
    assert period_number(anchor, interval, number).end == period_number(anchor, interval, number + 1).start


@given(DAYS, INTERVALS, st.integers(0, 4000))
def test_every_day_from_the_anchor_on_lies_in_exactly_the_period_found_for_it(
    anchor: date, interval: Interval, days: int
) -> None:
    day = anchor + timedelta(days=days)
    period = period_with(anchor, interval, day)
    assert period.start <= day < period.end


def test_months_from_the_31st_end_where_the_month_ends() -> None:
    begins = [period_number(date(2028, 1, 31), "month", number).start for number in range(4)]
    assert begins == [date(2028, 1, 31), date(2028, 2, 29), date(2028, 3, 31), date(2028, 4, 30)]


def test_a_year_from_29_february_begins_on_the_28th_until_the_next_leap_year() -> None:
    begins = [period_number(date(2024, 2, 29), "year", number).start for number in range(5)]
    assert begins[1:] == [date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29)]
    assert [period_number(date(year, 1, 1), "year", 0).days for year in (2027, 2028)] == [365, 366]


@pytest.mark.parametrize(("month", "hours"), [(3, 31 * 24 - 1), (10, 31 * 24 + 1)])
def test_the_day_on_which_the_clock_changes_is_a_day_as_any(month: int, hours: int) -> None:
    period = period_number(date(2026, month, 1), "month", 0)
    zone = ZoneInfo("Europe/Amsterdam")
    begin, end = (datetime.combine(day, time.min, zone).timestamp() for day in (period.start, period.end))
    assert (period.days, (end - begin) / 3600) == (31, hours)
    shares = [
        share_cents(3100, period, day, day + timedelta(days=1))
        for day in (period.start + timedelta(days=number) for number in range(31))
    ]
    assert shares == [100] * 31


def test_what_is_no_share_of_a_period_is_refused() -> None:
    period = period_number(date(2026, 10, 1), "month", 0)
    with pytest.raises(ValueError, match="not within"):
        share_cents(100, period, date(2026, 10, 20), date(2026, 11, 2))
    with pytest.raises(ValueError, match="not within"):
        share_cents(100, period, date(2026, 10, 20), date(2026, 10, 10))
    with pytest.raises(ValueError, match="below zero"):
        share_cents(-1, period, period.start, period.end)
    with pytest.raises(ValueError, match="no days"):
        ServicePeriod(date(2026, 10, 1), date(2026, 10, 1))
    with pytest.raises(ValueError, match="before"):
        period_with(date(2026, 10, 1), "month", date(2026, 9, 30))

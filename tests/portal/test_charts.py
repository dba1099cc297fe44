"""Charts as geometry: bars as high as their amounts, stacked without gaps, six series at most."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.charts import FOOT, HEIGHT, MAX_SERIES, MAX_TICKS, TOP, nice_step, stacked_by_day

FIRST = date(2026, 10, 24)
DAYS = [FIRST + timedelta(days=number) for number in range(30)]


def label(micros: int) -> str:
    return str(micros)


def test_a_day_is_as_high_as_its_amount_is_to_the_highest_grid_line() -> None:
    chart = stacked_by_day(DAYS, [("Tokens", {FIRST: 4_000_000})], label=label, other="Other")

    (segment,) = chart.bars[0].segments
    assert (segment.y, segment.height) == (str(TOP), str(HEIGHT - FOOT - TOP))
    assert [tick.label for tick in chart.ticks] == ["0", "1000000", "2000000", "3000000", "4000000"]


@given(st.lists(st.lists(st.integers(0, 10**12), min_size=3, max_size=3), min_size=1, max_size=30))
def test_segments_stand_on_each_other_and_never_leave_the_chart(rows: list[list[int]]) -> None:
    days = DAYS[: len(rows)]
    series = [(f"m{n}", {day: row[n] for day, row in zip(days, rows, strict=True)}) for n in range(3)]

    chart = stacked_by_day(days, series, label=label, other="Other")

    assert chart.total_micros == sum(map(sum, rows))
    for bar in chart.bars:
        foot = Decimal(HEIGHT - FOOT)
        for segment in bar.segments:
            assert Decimal(segment.y) + Decimal(segment.height) == foot
            foot = Decimal(segment.y)
        assert foot >= TOP


@given(st.integers(0, 10**15))
def test_the_axis_has_at_most_four_steps_above_zero(highest: int) -> None:
    step = nice_step(highest)

    assert step * MAX_TICKS >= highest
    assert str(step).rstrip("0") in ("1", "2", "5")


def test_more_than_six_meters_are_joined_into_the_five_largest_and_the_rest() -> None:
    series = [(f"m{n}", {FIRST: n * 1_000_000}) for n in range(1, 10)]

    chart = stacked_by_day(DAYS, series, label=label, other="Other meters")

    assert len(chart.series) == MAX_SERIES
    assert chart.series == ("m9", "m8", "m7", "m6", "m5", "Other meters")
    assert chart.totals[-1] == (1 + 2 + 3 + 4) * 1_000_000


def test_usage_taken_back_is_no_bar_but_stands_in_the_table() -> None:
    chart = stacked_by_day(DAYS, [("Tokens", {FIRST: -500_000})], label=label, other="Other")

    assert chart.bars[0].segments == ()
    assert chart.rows[-1] == (FIRST, (-500_000,), -500_000)
    assert not chart.is_empty


def test_no_usage_at_all_is_an_empty_chart() -> None:
    assert stacked_by_day(DAYS, [], label=label, other="Other").is_empty


def test_a_higher_chart_has_the_same_width_and_its_foot_lower() -> None:
    chart = stacked_by_day(DAYS, [("Tokens", {FIRST: 4_000_000})], label=label, other="Other", height=300)

    (segment,) = chart.bars[0].segments
    assert (chart.height, chart.base) == (300, 300 - FOOT)
    assert (segment.y, segment.height) == (str(TOP), str(300 - FOOT - TOP))

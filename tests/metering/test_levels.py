"""Levels over time: the integral is that of the events, whatever the order in which they came."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from metering.levels import MICROSECOND, Change, Effect, Segment, Series, by_period, unit_hours
from metering.periods import PeriodFinder
from metering.rating import EXACT, sum_exact

START = datetime(2026, 10, 30, tzinfo=UTC)
FINDER = PeriodFinder(ZoneInfo("Europe/Amsterdam"))
MOMENTS = st.integers(0, 5 * 24 * 3600 * 10**6).map(lambda micros: START + timedelta(microseconds=micros))
IDS = st.text("xyz", min_size=1, max_size=3)
CHANGES = st.builds(Change, MOMENTS, st.sampled_from("ab"), IDS, st.decimals(0, 10**6, places=12))
HISTORIES = st.lists(CHANGES, max_size=12, unique_by=lambda change: change[1:3])


def integral_of(changes: list[Change], until: datetime) -> Decimal:
    """What was held: each level from its change to the next, by the definition."""
    ordered = [change for change in sorted(changes) if change.at < until]
    ends = [*(change.at for change in ordered[1:]), until]
    return sum_exact(
        [
            EXACT.multiply(change.level, Decimal((end - change.at) // MICROSECOND))
            for change, end in zip(ordered, ends, strict=False)
        ]
    )


def charged(effects: list[Effect]) -> Decimal:
    return sum_exact([segment.integral for effect in effects for segment in effect.segments])


def told(changes: list[Change], until: datetime) -> tuple[Series, list[Effect]]:
    """Tell a series its changes one by one, then let time pass."""
    series, effects = Series(), []
    for change in changes:
        effects.append(series.effect_of_adding(change))
        series.add(change, effects[-1])
    effects.append(series.effect_of_time(until))
    series.accrued_to = effects[-1].accrued_to
    return series, effects


@given(HISTORIES, st.randoms(use_true_random=False))
def test_levels_cost_the_same_in_whatever_order_their_changes_come(
    changes: list[Change], random: object
) -> None:
    until = START + timedelta(days=6)
    expected = integral_of(changes, until)
    for _ in range(2):
        random.shuffle(changes)  # type: ignore[attr-defined]  # st.randoms has no type
        assert charged(told(changes, until)[1]) == expected


@given(HISTORIES, st.data())
def test_a_change_that_is_taken_back_never_was(changes: list[Change], data: st.DataObject) -> None:
    until = START + timedelta(days=6)
    series, effects = told(changes, until)
    kept = list(changes)
    for change in data.draw(st.lists(st.sampled_from(changes), unique=True) if changes else st.just([])):
        effects.append(series.effect_of_removing(change))
        series.remove(change)
        kept.remove(change)
        assert charged(effects) == integral_of(kept, until)


@given(MOMENTS, MOMENTS, st.decimals(0, 10**6, places=12))
def test_a_level_held_over_the_end_of_a_period_is_cut_there(
    one: datetime, other: datetime, level: Decimal
) -> None:
    segment = Segment(min(one, other), max(one, other), level)
    parts = by_period([segment], FINDER)
    assert sum_exact([part.integral for _, part in parts]) == segment.integral
    for period, part in parts:
        begins, ends = period.bounds(ZoneInfo("Europe/Amsterdam"))
        assert begins <= part.start < part.end <= ends


def test_hours_are_rounded_once_from_the_exact_sum() -> None:
    assert unit_hours(Decimal(3_600_000_000)) == 1
    # A third of an hour, three times: the thirds are not rounded one by one.
    assert unit_hours(Decimal(1_200_000_000)) == Decimal("0.333333333333")
    assert unit_hours(3 * Decimal(1_200_000_000)) == 1


def test_of_changes_at_one_moment_the_last_by_source_and_id_holds() -> None:
    moment = START
    series, _ = told([Change(moment, "a", "2", Decimal(5)), Change(moment, "a", "1", Decimal(9))], moment)
    assert series.level == 5

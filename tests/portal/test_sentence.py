"""The one sentence: the gravest matter first, and calm when nothing is the matter."""

from datetime import date

import pytest

from app.portal.sentence import Facts, days_left, days_to_threshold, matter_of


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (Facts(state="ok", has_history=True), ("ok", "well")),
        (Facts(state="ok", has_history=True, lasts_days=9), ("ok", "lasts")),
        (
            Facts(state="ok", has_history=True, auto_enabled=True, next_top_up_on=date(2026, 11, 26)),
            ("ok", "next_top_up"),
        ),
        (Facts(state="ok", has_history=True, lasts_days=0), ("look", "nearly")),
        (Facts(state="ok", has_history=True, due=1), ("look", "due")),
        (Facts(state="low", has_history=True), ("look", "low")),
        (Facts(state="low", has_history=True, in_flight_micros=25_000_000), ("info", "under_way")),
        (Facts(state="exhausted", has_history=True), ("lost", "exhausted")),
        (Facts(state="exhausted", has_history=False), ("info", "begin")),
        (
            Facts(state="ok", has_history=True, auto_enabled=True, auto_has_method=False),
            ("look", "no_method"),
        ),
        (Facts(state="low", has_history=True, auto_enabled=True, auto_paused=True), ("look", "paused")),
        (Facts(state="exhausted", has_history=True, overdue=1, due=1), ("look", "overdue")),
        (Facts(state="suspended", has_history=True, overdue=1), ("lost", "suspended")),
    ],
)
def test_the_gravest_matter_is_said(facts: Facts, said: tuple[str, str]) -> None:
    assert matter_of(facts) == said


def test_a_balance_lasts_whole_days_at_the_recent_burn() -> None:
    assert days_left(36_070_000, 3_900_000) == 9
    assert days_left(-1, 3_900_000) == 0
    assert days_left(36_070_000, 0) is None
    assert days_left(36_070_000, 10) is None, "more than a year is no promise"
    assert days_to_threshold(36_070_000, 10_000_000, 3_900_000) == 6

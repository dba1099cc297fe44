"""The table of states: what may follow what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topups.states import ENDED, MOVES, UNDER_WAY, MoveRefused, Status, follows, moved

ANY = st.sampled_from(Status)


def test_every_state_is_in_the_table() -> None:
    assert set(MOVES) == set(Status)


@given(st.lists(ANY, max_size=30))
def test_once_paid_nothing_that_mollie_says_changes_it(said: list[Status]) -> None:
    status = Status.PAID
    for to in said:
        if follows(status, to):
            status = moved(status, to)
    assert status is Status.PAID


@given(ANY)
def test_money_that_arrives_is_always_taken_once_it_was_asked_for(status: Status) -> None:
    if status not in (Status.PAID, Status.REQUESTED):
        assert follows(status, Status.PAID)


@given(ANY, ANY)
def test_a_move_outside_the_table_is_refused(status: Status, to: Status) -> None:
    if to in MOVES[status]:
        assert moved(status, to) is to
    else:
        with pytest.raises(MoveRefused):
            moved(status, to)


@given(ANY)
def test_a_status_never_follows_itself(status: Status) -> None:
    assert not follows(status, status)


def test_what_has_ended_never_comes_under_way_again() -> None:
    for status in ENDED:
        assert not MOVES[status] & UNDER_WAY

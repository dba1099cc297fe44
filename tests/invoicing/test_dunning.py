"""The plan of dunning, with every calendar and every interruption: pure."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.dunning import LEAST_APART, LETTERS, Facts, Schedule, Step, chargeable_cents, next_step
from invoicing.late_fees import FeeTerms, consumer_owes_from, fee_cents, legal_cents

DUE = date(2026, 11, 15)
SCHEDULE = Schedule()


def facts(**given_facts: object) -> Facts:
    usual = Facts(
        due_date=DUE, outstanding_cents=10_000, least_chased_cents=100, is_consumer=False, fee_cents=4_000
    )
    return replace(usual, **given_facts)  # type: ignore[arg-type]  # each test names real ones


def walk(about: Facts, days: int = 90, start: date = DUE - timedelta(days=14)) -> dict[Step, date]:
    """What is done on which day when nobody pays."""
    log: dict[Step, date] = {}
    for ahead in range(days):
        today = start + timedelta(days=ahead)
        step = next_step(about, SCHEDULE, today, log)
        if step is not None:
            log[step] = today
            if step is Step.SECOND_REMINDER:
                about = replace(about, named_fee_cents=about.fee_cents)
    return log


def after_due(log: dict[Step, date]) -> dict[Step, int]:
    return {step: (day - DUE).days for step, day in log.items()}


def test_a_business_that_does_not_pay_gets_every_step_on_its_day() -> None:
    assert after_due(walk(facts())) == {
        Step.UPCOMING: -3,
        Step.REMINDER: 7,
        Step.SECOND_REMINDER: 21,
        Step.LATE_FEE: 35,
        Step.FINAL_DEMAND: 42,
        Step.SUSPENSION: 49,
    }


def test_a_consumer_is_charged_after_the_fourteen_days_that_the_letter_gave() -> None:
    log = walk(facts(is_consumer=True))
    assert log[Step.LATE_FEE] == log[Step.SECOND_REMINDER] + timedelta(days=15)
    assert after_due(log)[Step.LATE_FEE] == 36


def test_without_a_fee_in_the_terms_there_is_no_such_step() -> None:
    assert Step.LATE_FEE not in walk(facts(fee_cents=0))
    assert Step.FINAL_DEMAND in walk(facts(fee_cents=0))


def test_a_provider_that_does_not_suspend_stops_at_the_final_demand() -> None:
    plan = replace(SCHEDULE, grace_days=None)
    log: dict[Step, date] = {step: DUE + timedelta(days=50) for step in Step if step is not Step.SUSPENSION}
    assert next_step(facts(), plan, DUE + timedelta(days=400), log) is None


def test_what_was_missed_is_caught_up_in_order_and_never_on_one_day() -> None:
    log = walk(facts(is_consumer=True), start=DUE + timedelta(days=100))
    assert Step.UPCOMING not in log
    days = [log[step] for step in Step if step in log]
    assert days == sorted(days)
    assert all(later - earlier >= LEAST_APART for earlier, later in pairwise(days))
    assert log[Step.LATE_FEE] >= consumer_owes_from(log[Step.SECOND_REMINDER])


def test_a_warning_from_before_a_payment_was_taken_back_is_given_again_before_any_suspension() -> None:
    warned: dict[Step, date] = {
        step: day for step, day in walk(facts()).items() if step is not Step.SUSPENSION
    }
    for days in (43, 80):
        reopened = facts(reopened_on=DUE + timedelta(days=days))
        log = dict(warned)
        done: list[tuple[Step, int]] = []
        for day in range(days, days + 30):
            step = next_step(reopened, SCHEDULE, DUE + timedelta(days=day), log)
            if step is not None:
                log[step] = DUE + timedelta(days=day)
                done.append((step, day))
        again = max(days, 42 + LEAST_APART.days)
        assert done == [(Step.FINAL_DEMAND, again), (Step.SUSPENSION, again + 7)]


def test_who_was_suspended_already_is_warned_no_second_time() -> None:
    log = walk(facts())
    assert next_step(facts(reopened_on=DUE + timedelta(days=80)), SCHEDULE, DUE + timedelta(80), log) is None


def test_no_fee_is_added_after_a_warning_that_is_to_be_given_again() -> None:
    log: dict[Step, date] = {
        step: day for step, day in walk(facts(fee_cents=0)).items() if step is not Step.SUSPENSION
    }
    reopened = facts(reopened_on=DUE + timedelta(days=80))
    assert next_step(reopened, SCHEDULE, DUE + timedelta(days=80), log) is Step.FINAL_DEMAND


@pytest.mark.parametrize("held", ["is_paused", "is_under_way", "is_collected"])
def test_nothing_is_done_while_it_is_held(held: str) -> None:
    assert walk(facts(**{held: True})) == {}


def test_a_cent_is_not_chased() -> None:
    assert walk(facts(outstanding_cents=99)) == {}
    assert walk(facts(outstanding_cents=0, least_chased_cents=0)) == {}


def test_a_schedule_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="after each other"):
        Schedule(reminder_days=30)


@given(
    days=st.lists(
        st.tuples(
            st.integers(1, 30),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.integers(0, 300_000),
            st.integers(0, 20_000),
        ),
        max_size=60,
    ),
    is_consumer=st.booleans(),
    start=st.integers(-30, 200),
)
def test_no_step_twice_none_while_held_and_no_fee_for_a_consumer_without_the_letter(
    *, days: list[tuple[int, bool, bool, bool, int, int]], is_consumer: bool, start: int
) -> None:
    """Days pass, it is paused, being paid, paid and charged back, and fees differ: whatever happens."""
    today = DUE + timedelta(days=start)
    log: dict[Step, date] = {}
    named: int | None = None
    for ahead, is_paused, is_under_way, is_collected, outstanding, fee in days:
        today += timedelta(days=ahead)
        about = facts(
            is_consumer=is_consumer,
            is_paused=is_paused,
            is_under_way=is_under_way,
            is_collected=is_collected,
            outstanding_cents=outstanding,
            fee_cents=fee,
            named_fee_cents=named,
        )
        step = next_step(about, SCHEDULE, today, log)
        if step is None:
            continue
        assert step not in log
        assert not any((is_paused, is_under_way, is_collected))
        assert outstanding >= about.least_chased_cents
        if step in LETTERS:
            assert all(today >= log[other] + LEAST_APART for other in LETTERS if other in log)
        if step is Step.LATE_FEE:
            assert chargeable_cents(about) > 0
        if step is Step.LATE_FEE and is_consumer:
            assert named
            assert chargeable_cents(about) <= named
            assert today > log[Step.SECOND_REMINDER] + timedelta(days=14)
        if step is Step.SUSPENSION:
            assert today >= log[Step.FINAL_DEMAND] + timedelta(days=7)
        if step is Step.SECOND_REMINDER:
            named = fee
        log[step] = today
    done = [step for step in Step if step in log]
    assert [log[step] for step in done] == sorted(log.values())


@pytest.mark.parametrize(
    ("principal", "fee"),
    [
        (1, 40_00),
        (266_66, 40_00),
        (266_67, 40_00),
        (300_00, 45_00),
        (2_500_00, 375_00),
        (5_000_00, 625_00),
        (10_000_00, 875_00),
        (200_000_00, 2_775_00),
        (1_000_000_00, 6_775_00),
        (50_000_000_00, 6_775_00),
    ],
)
def test_the_legal_scale(principal: int, fee: int) -> None:
    assert legal_cents(principal) == fee


@pytest.mark.parametrize(
    ("terms", "is_consumer", "country", "fee"),
    [
        ("", False, "NL", 0),
        ("15", False, "NL", 15_00),
        ("12.50", True, "NL", 12_50),
        ("10%", False, "NL", 100_00),
        ("wik", False, "BE", 150_00),
        ("wik", True, "NL", 150_00),
        # Never more of a consumer than the law allows, and of one elsewhere nothing.
        ("500", True, "NL", 150_00),
        ("50%", True, "NL", 150_00),
        ("wik", True, "BE", 0),
    ],
)
def test_the_fee_is_what_the_terms_say_within_the_law(
    *, terms: str, is_consumer: bool, country: str, fee: int
) -> None:
    assert fee_cents(FeeTerms(terms), 1_000_00, is_consumer=is_consumer, country=country) == fee


@pytest.mark.parametrize("text", ["ten", "101%", "-5", "1,50", "wik%"])
def test_terms_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        FeeTerms(text)

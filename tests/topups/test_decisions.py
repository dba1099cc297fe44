"""Whether to top up automatically, and why not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topups.decisions import AfterFailure, Limits, Reason, Rule, Situation, after_failure, decide

EURO = 1_000_000
LIMITS = Limits(hourly=1, daily=3, minimum_micros=10 * EURO, maximum_micros=250 * EURO)
RULE = Rule(
    enabled=True,
    paused=False,
    threshold_micros=10 * EURO,
    amount_micros=25 * EURO,
    target_micros=None,
    monthly_maximum_micros=250 * EURO,
)
LOW = Situation(
    available_micros=9_980_000,
    in_flight_micros=0,
    month_used_micros=0,
    charges_last_hour=0,
    charges_last_day=0,
    attempt_open=False,
    usable_methods=("pm_1", "pm_2"),
)

micros = st.integers(min_value=-(10**12), max_value=10**12)
positive = st.integers(min_value=0, max_value=10**12)
situations = st.builds(
    Situation,
    available_micros=micros,
    in_flight_micros=positive,
    month_used_micros=positive,
    charges_last_hour=st.integers(0, 4),
    charges_last_day=st.integers(0, 6),
    attempt_open=st.booleans(),
    usable_methods=st.lists(st.sampled_from(["pm_1", "pm_2"]), unique=True),
)
rules = st.builds(
    Rule,
    enabled=st.booleans(),
    paused=st.booleans(),
    threshold_micros=st.integers(1, 10**9),
    amount_micros=st.one_of(st.none(), st.integers(1_000, 25_000).map(lambda c: c * 10_000)),
    target_micros=st.integers(10**9 + 1, 10**10),
    monthly_maximum_micros=st.integers(1, 10**10),
).map(lambda rule: rule if rule.amount_micros is None else replace(rule, target_micros=None))


def test_below_the_threshold_the_first_method_is_charged() -> None:
    verdict = decide(RULE, LOW, LIMITS)
    assert (verdict.reason, verdict.amount_micros, verdict.payment_method_id) == (
        "charged",
        25 * EURO,
        "pm_1",
    )


def test_exactly_at_the_threshold_nothing_happens() -> None:
    assert decide(RULE, replace(LOW, available_micros=10 * EURO), LIMITS).reason == "above_threshold"


def test_a_direct_debit_on_its_way_counts_for_the_threshold() -> None:
    assert decide(RULE, replace(LOW, in_flight_micros=25 * EURO), LIMITS).reason == "in_flight"


def test_a_second_charge_is_made_when_what_is_on_its_way_does_not_reach_the_threshold() -> None:
    situation = replace(LOW, available_micros=-20 * EURO, in_flight_micros=25 * EURO)
    assert decide(RULE, situation, LIMITS).reason == "charged"


def test_the_monthly_maximum_is_hard_to_the_cent() -> None:
    assert decide(RULE, replace(LOW, month_used_micros=225 * EURO), LIMITS).reason == "charged"
    assert (
        decide(RULE, replace(LOW, month_used_micros=225 * EURO + 10_000), LIMITS).reason == "monthly_maximum"
    )


def test_where_several_reasons_hold_the_first_in_the_documented_order_is_given() -> None:
    rule = replace(RULE, paused=True)
    situation = replace(
        LOW,
        month_used_micros=240 * EURO,
        usable_methods=(),
        charges_last_hour=1,
        charges_last_day=3,
        attempt_open=True,
    )
    given_reasons = [decide(rule, situation, LIMITS).reason]
    situation = replace(situation, month_used_micros=0)
    given_reasons.append(decide(rule, situation, LIMITS).reason)
    given_reasons.append(decide(RULE, situation, LIMITS).reason)
    situation = replace(situation, usable_methods=("pm_1",))
    given_reasons.append(decide(RULE, situation, LIMITS).reason)
    situation = replace(situation, charges_last_hour=0)
    given_reasons.append(decide(RULE, situation, LIMITS).reason)
    situation = replace(situation, charges_last_day=0)
    given_reasons.append(decide(RULE, situation, LIMITS).reason)
    assert given_reasons == [
        "monthly_maximum",
        "paused_after_failures",
        "no_valid_method",
        "hourly_limit",
        "daily_limit",
        "in_flight",
    ]


def test_up_to_a_target_charges_what_is_missing_in_whole_cents() -> None:
    rule = replace(RULE, amount_micros=None, target_micros=50 * EURO)
    assert decide(rule, replace(LOW, available_micros=3_999_999), LIMITS).amount_micros == 46_010_000


def test_up_to_a_target_stays_within_the_providers_bounds() -> None:
    rule = replace(RULE, amount_micros=None, target_micros=12 * EURO, monthly_maximum_micros=1000 * EURO)
    assert decide(rule, LOW, LIMITS).amount_micros == 10 * EURO
    assert decide(rule, replace(LOW, available_micros=-900 * EURO), LIMITS).amount_micros == 250 * EURO


@given(rules, situations)
def test_no_charge_ever_lifts_the_month_above_its_maximum(rule: Rule, situation: Situation) -> None:
    verdict = decide(rule, situation, LIMITS)
    if verdict.charges:
        assert situation.month_used_micros + verdict.amount_micros <= rule.monthly_maximum_micros


@given(rules, situations)
def test_a_charge_is_only_made_below_the_threshold_with_a_method_and_no_open_attempt(
    rule: Rule, situation: Situation
) -> None:
    verdict = decide(rule, situation, LIMITS)
    if verdict.charges:
        assert rule.enabled
        assert not rule.paused
        assert situation.available_micros + situation.in_flight_micros < rule.threshold_micros
        assert verdict.payment_method_id == situation.usable_methods[0]
        assert not situation.attempt_open
        assert verdict.amount_micros % 10_000 == 0


@given(situations)
def test_a_rule_that_is_off_never_charges(situation: Situation) -> None:
    assert decide(replace(RULE, enabled=False), situation, LIMITS).reason is Reason.DISABLED


@pytest.mark.parametrize(
    ("method", "code", "retries", "expected"),
    [
        ("directdebit", "AM04", 0, AfterFailure.RETRY_AFTER_BUSINESS_DAYS),
        ("directdebit", "AM04", 1, AfterFailure.RETRY_AFTER_BUSINESS_DAYS),
        ("directdebit", "AM04", 2, AfterFailure.WAIT_FOR_CUSTOMER),
        ("directdebit", "MS03", 0, AfterFailure.RETRY_AFTER_BUSINESS_DAYS),
        ("directdebit", "AC01", 0, AfterFailure.WAIT_FOR_CUSTOMER),
        ("directdebit", "MD06", 0, AfterFailure.DISABLE),
        ("directdebit", None, 0, AfterFailure.WAIT_FOR_CUSTOMER),
        ("creditcard", "insufficient_funds", 0, AfterFailure.RETRY_AFTER_A_DAY),
        ("creditcard", "insufficient_funds", 1, AfterFailure.WAIT_FOR_CUSTOMER),
        ("creditcard", "possible_fraud", 0, AfterFailure.WAIT_FOR_CUSTOMER),
    ],
)
def test_what_happens_to_a_method_after_its_charge_failed(
    method: str, code: str | None, retries: int, expected: AfterFailure
) -> None:
    assert after_failure(method, code, retries) is expected

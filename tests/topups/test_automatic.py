"""Automatic top-up from a stored mandate: when it happens, when not and why, and when it stops."""

import pytest

from app.db import db, in_unit_of_work
from app.ledger.service import get_balance
from tests.fixtures.outside import Mailbox
from tests.topups.conftest import EURO, Story
from topups import service
from topups.errors import (
    AmountOutsideLimits,
    ConsentMissing,
    MonthlyMaximumBelowAmount,
    NoPaymentMethod,
    TargetNotAboveThreshold,
)


def subjects(smtp: Mailbox) -> list[str]:
    return [str(mail["Subject"]).replace("\u00a0", " ") for mail in smtp.messages]


@pytest.fixture
def with_card(story: Story) -> Story:
    """A customer with a card mandate, €10 on the balance and a rule."""
    story.save_method("creditcard")
    story.turn_on()
    story.run_jobs()
    return story


@pytest.fixture
def with_debit(story: Story) -> Story:
    """The same with a SEPA mandate."""
    story.save_method("ideal")
    story.turn_on()
    story.run_jobs()
    return story


def test_below_the_threshold_the_card_is_charged_and_the_customer_told(
    with_card: Story, smtp: Mailbox
) -> None:
    smtp.messages.clear()
    with_card.use(0.02)
    assert with_card.evaluate() == "charged"
    with_card.run_jobs()
    assert with_card.prepaid == 34_980_000
    automatic = with_card.top_ups()[-1]
    assert (automatic.origin, automatic.status, automatic.sequence_type) == ("automatic", "paid", "recurring")
    (charge,) = with_card.charges()
    assert charge["body"]["mandateId"].startswith("mdt_")
    assert len([s for s in subjects(smtp) if "25" in s]) == 1


def test_at_the_threshold_nothing_happens_and_the_decision_says_why(with_card: Story) -> None:
    assert with_card.evaluate() == "above_threshold"
    assert with_card.charges() == []


def test_saving_the_rule_evaluates_at_once(story: Story) -> None:
    story.save_method("creditcard")
    story.use(5)
    story.turn_on()
    story.run_jobs()
    assert story.prepaid == 30 * EURO


def test_a_direct_debit_is_announced_with_amount_date_mandate_and_creditor(
    with_debit: Story, smtp: Mailbox
) -> None:
    smtp.messages.clear()
    with_debit.use(1)
    assert with_debit.evaluate() == "charged"
    with_debit.run_jobs()
    top_up = with_debit.top_ups()[-1]
    assert top_up.status == "pending"
    assert with_debit.prepaid == 9 * EURO
    (mail,) = smtp.messages
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    (method,) = service.payment_methods(with_debit.customer_id)
    assert method.mandate_reference is not None
    for told in (method.mandate_reference, "Stichting Mollie Payments", "NL08ZZZ502057730000", "25,00"):
        assert told in text, told


def test_the_debit_settles_after_a_business_day(with_debit: Story) -> None:
    with_debit.use(1)
    with_debit.evaluate()
    with_debit.run_jobs()
    with_debit.sandbox.control("clock/advance", {"business_days": 2})
    with_debit.run_jobs()
    assert with_debit.prepaid == 34 * EURO


def test_a_debit_on_its_way_counts_for_threshold_and_month_but_does_not_block(with_debit: Story) -> None:
    with_debit.use(1)
    with_debit.evaluate()
    with_debit.run_jobs()
    with_debit.pass_time(hours=2)
    assert with_debit.evaluate() == "in_flight"
    with_debit.use(30)
    assert with_debit.evaluate() == "charged"
    with_debit.run_jobs()
    summary = service.summary(with_debit.customer_id)
    assert (summary.month_used_micros, summary.month_in_flight_micros) == (50 * EURO, 50 * EURO)
    assert [m.amount_micros for m in summary.under_way] == [25 * EURO, 25 * EURO]
    assert all(m.expected_on is not None for m in summary.under_way)


def test_at_most_one_an_hour_and_the_schedule_looks_again(with_card: Story) -> None:
    with_card.use(5)
    assert with_card.evaluate() == "charged"
    with_card.run_jobs()
    with_card.use(25)
    assert with_card.evaluate() == "hourly_limit"
    with_card.pass_time(minutes=61)
    with_card.sweep()
    assert with_card.prepaid == 30 * EURO
    assert len(with_card.charges()) == 2


def test_at_most_three_a_day(with_card: Story) -> None:
    for _ in range(3):
        with_card.use(25)
        assert with_card.evaluate() == "charged"
        with_card.run_jobs()
        with_card.pass_time(minutes=61)
    with_card.use(25)
    assert with_card.evaluate() == "daily_limit"


def test_the_monthly_maximum_is_never_exceeded(with_card: Story) -> None:
    with_card.turn_on(monthly_maximum_micros=50 * EURO)
    for _ in range(2):
        with_card.use(25)
        assert with_card.evaluate() == "charged"
        with_card.run_jobs()
        with_card.pass_time(minutes=61)
    with_card.use(25)
    assert with_card.evaluate() == "monthly_maximum"
    assert with_card.rule().evaluate_at is not None


def test_provisional_credit_is_given_within_its_limit_and_replaced_by_the_money(with_debit: Story) -> None:
    with_debit.customer.provisional_limit_micros = 20 * EURO
    db.session.commit()
    with_debit.use(1)
    with_debit.evaluate()
    with_debit.run_jobs()
    assert with_debit.prepaid == 29 * EURO
    (given,) = with_debit.transfers("provisional")
    assert (given.debit, given.credit, given.amount_micros) == ("psp_pending", "prepaid", 20 * EURO)

    with_debit.sandbox.control("clock/advance", {"business_days": 2})
    with_debit.run_jobs()
    assert with_debit.prepaid == 34 * EURO
    (back,) = with_debit.transfers("provisional_reversal")
    assert back.amount_micros == 20 * EURO


def test_provisional_credit_is_taken_back_when_the_debit_fails(with_debit: Story) -> None:
    with_debit.customer.provisional_limit_micros = 100 * EURO
    db.session.commit()
    with_debit.use(1)
    with_debit.evaluate()
    with_debit.run_jobs()
    assert with_debit.prepaid == 34 * EURO
    with_debit.settle(with_debit.top_ups()[-1], "failed", failure_reason="AM04")
    with_debit.run_jobs()
    assert with_debit.prepaid == 9 * EURO


def test_a_failed_debit_falls_back_to_the_next_method(story: Story, smtp: Mailbox) -> None:
    story.save_method("ideal", key="save-debit")
    story.save_method("creditcard", key="save-card")
    story.turn_on()
    story.use(15)
    smtp.messages.clear()
    assert story.evaluate() == "charged"
    story.run_jobs()
    story.settle(story.top_ups()[-1], "failed", failure_reason="AM04")
    story.run_jobs()
    debit, card = story.top_ups()[-2:]
    assert (debit.method, debit.status, debit.failure_code) == ("directdebit", "failed", "AM04")
    assert (card.method, card.status) == ("creditcard", "paid")
    assert story.prepaid == 30 * EURO
    assert story.rule().failures_in_row == 0
    assert any("niet gelukt" in s or "failed" in s for s in subjects(smtp))


def test_after_three_failures_in_a_row_the_engine_stops_for_good(story: Story, smtp: Mailbox) -> None:
    for number in range(3):
        story.save_method("creditcard", key=f"save-{number}")
    story.turn_on(threshold_micros=40 * EURO)
    story.run_jobs()
    story.use(60)
    story.sandbox.control("outcomes", {"status": "failed", "failure_reason": "card_expired", "times": 10})
    story.pass_time(hours=2)
    smtp.messages.clear()
    assert story.evaluate() == "charged"
    story.run_jobs()
    rule = story.rule()
    assert (rule.failures_in_row, rule.paused_because) == (3, "failures")
    assert story.evaluate() == "paused_after_failures"
    told = [s for s in subjects(smtp) if "Automati" in s]
    assert len(told) == 2, told

    story.sandbox.control("outcomes", method="DELETE")
    story.pay(50, key="by-hand")
    assert story.rule().paused_at is None


def test_the_rule_needs_consent_and_a_method(story: Story) -> None:
    with pytest.raises(NoPaymentMethod):
        story.turn_on()
    story.save_method("creditcard")
    with pytest.raises(ConsentMissing):
        story.turn_on(consent_by=None)
    story.turn_on()
    story.turn_on(consent_by=None, amount_micros=20 * EURO)
    with pytest.raises(ConsentMissing):
        story.turn_on(consent_by=None, amount_micros=50 * EURO)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"monthly_maximum_micros": 20 * EURO}, MonthlyMaximumBelowAmount),
        ({"amount_micros": None, "target_micros": 10 * EURO}, TargetNotAboveThreshold),
        ({"amount_micros": 5 * EURO}, AmountOutsideLimits),
        ({"amount_micros": 300 * EURO, "monthly_maximum_micros": 900 * EURO}, AmountOutsideLimits),
        ({"threshold_micros": 0}, AmountOutsideLimits),
    ],
)
def test_a_rule_that_cannot_work_is_refused(
    story: Story, rule: dict[str, int | None], error: type[Exception]
) -> None:
    story.save_method("creditcard")
    with pytest.raises(error):
        story.turn_on(**rule)
    assert service.find_rule(story.customer_id) is None


def test_the_ledger_watches_the_threshold_less_what_is_on_its_way(with_debit: Story) -> None:
    assert get_balance(with_debit.customer_id).attention_mark_micros == 10 * EURO
    with_debit.use(1)
    with_debit.evaluate()
    with_debit.run_jobs()
    db.session.rollback()
    assert get_balance(with_debit.customer_id).attention_mark_micros == 5 * EURO, "the low mark comes first"
    with_debit.use(10)
    with_debit.evaluate()
    db.session.rollback()
    assert get_balance(with_debit.customer_id).attention_mark_micros == -15 * EURO


def test_turning_it_off_cancels_what_was_only_decided(with_card: Story) -> None:
    with_card.use(5)
    with_card.evaluate()

    in_unit_of_work(service.switch_off, with_card.customer_id)
    with_card.run_jobs()
    assert with_card.top_ups()[-1].status == "canceled"
    assert with_card.charges() == []
    assert with_card.evaluate() == "disabled"


def test_the_same_answer_on_the_same_day_is_counted_not_repeated(with_card: Story) -> None:
    for _ in range(5):
        with_card.evaluate()
    (decision,) = with_card.decisions()
    assert decision.times >= 5

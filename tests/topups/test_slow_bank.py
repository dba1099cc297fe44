"""Direct debits take their time: days of waiting, a failure on day four, a chargeback in week seven."""

import pytest

from app.i18n import local_date
from tests.topups.conftest import EURO, Story
from topups.business_days import add_business_days


@pytest.fixture
def debit(story: Story) -> Story:
    """A SEPA mandate, a rule, and a debit that has just been asked for."""
    story.save_method("ideal")
    story.turn_on()
    story.run_jobs()
    story.use(1)
    return story


def test_a_debit_without_funds_is_tried_again_three_business_days_later(debit: Story) -> None:
    assert debit.evaluate() == "charged"
    debit.run_jobs()
    debit.settle(debit.top_ups()[-1], "failed", failure_reason="AM04")
    debit.run_jobs()
    assert debit.decisions()[-1].reason.value == "no_valid_method"
    rule = debit.rule()
    assert rule.evaluate_at is not None
    today = local_date(debit.decisions()[-1].decided_at)
    assert local_date(rule.evaluate_at) == add_business_days(today, 3)

    debit.pass_time(days=(add_business_days(today, 3) - today).days, minutes=5)
    debit.sweep()
    assert len(debit.charges()) == 2
    assert debit.top_ups()[-1].status == "pending"


def test_a_debit_that_fails_on_day_four_frees_its_share_of_the_month(debit: Story) -> None:
    debit.turn_on(monthly_maximum_micros=25 * EURO)
    debit.run_jobs()
    (charged,) = [t for t in debit.top_ups() if t.origin == "automatic"]
    debit.settle(charged, "failed", failure_reason="AC01", after_seconds=4 * 24 * 3600)
    debit.pass_time(days=3)
    debit.sweep()
    assert debit.top_up(charged.top_up_id).status == "pending"
    debit.pass_time(days=1, minutes=5)
    debit.run_jobs()
    debit.sweep()
    failed = debit.top_up(charged.top_up_id)
    assert (failed.status, failed.failure_code) == ("failed", "AC01")
    debit.save_method("creditcard", key="another")
    debit.run_jobs()
    assert debit.top_ups()[-1].status in ("paid", "open")
    assert debit.prepaid >= 19 * EURO


def test_a_paid_debit_charged_back_in_week_seven_takes_the_money_off_again(debit: Story) -> None:
    debit.evaluate()
    debit.run_jobs()
    debit.sandbox.control("clock/advance", {"business_days": 2})
    debit.run_jobs()
    charged = debit.top_ups()[-1]
    assert charged.status == "paid"
    assert debit.prepaid == 34 * EURO
    debit.pass_time(days=49)
    debit.sandbox.control(f"payments/{charged.mollie_payment_id}/chargeback", {"code": "MD06"})
    debit.run_jobs()
    assert debit.prepaid == 9 * EURO
    assert debit.rule().paused_because == "chargeback"
    (taken,) = debit.transfers("chargeback")
    assert (taken.debit, taken.credit) == ("prepaid", "psp")

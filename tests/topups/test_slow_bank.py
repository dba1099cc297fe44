"""Banks take their time: days of waiting, failures on day four, chargebacks in week seven, mandates gone."""

from datetime import date

import pytest

from app.clock import utc_now
from app.i18n import local_date
from tests.fixtures.outside import Mailbox
from tests.topups.conftest import EURO, Story
from topups import jobs, service
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


def test_a_debit_may_be_on_its_way_for_days_and_is_counted_all_the_time(debit: Story) -> None:
    assert debit.evaluate() == "charged"
    debit.run_jobs()
    charged = debit.top_ups()[-1]
    debit.settle(charged, "paid", after_seconds=6 * 24 * 3600)
    for _ in range(5):
        debit.pass_time(days=1)
        debit.sweep()
        assert debit.top_up(charged.top_up_id).status == "pending"
        assert debit.evaluate() == "in_flight"
        assert service.summary(debit.customer_id).month_in_flight_micros in (0, 25 * EURO)
    assert debit.prepaid == 9 * EURO
    assert len(debit.charges()) == 1
    debit.pass_time(days=1, hours=1)
    debit.run_jobs()
    assert debit.prepaid == 34 * EURO
    assert debit.evaluate() == "above_threshold"


def test_a_mandate_that_lapses_is_found_within_a_day_and_told(debit: Story, smtp: Mailbox) -> None:
    (method,) = service.payment_methods(debit.customer_id)
    debit.sandbox.control(f"mandates/{method.mollie_mandate_id}/state", {"status": "invalid"})
    smtp.messages.clear()
    debit.pass_time(days=1)
    jobs.mandates_daily()
    debit.run_jobs()
    assert service.payment_methods(debit.customer_id) == []
    assert debit.evaluate() == "no_valid_method"
    assert debit.charges() == []
    (mail,) = smtp.messages
    body = mail.get_body(("plain",))
    assert body is not None
    assert "/payment-methods" in body.get_content()


def test_a_card_about_to_expire_is_told_once(story: Story, smtp: Mailbox) -> None:
    card = story.save_method("creditcard")
    assert card.card_expires_on is not None
    smtp.messages.clear()
    until_expiry = (date.fromisoformat(card.card_expires_on) - local_date(utc_now())).days
    for days in (until_expiry - 40, 20, 5):
        story.pass_time(days=days)
        jobs.mandates_daily()
        story.run_jobs()
    (mail,) = smtp.messages
    body = mail.get_body(("plain",))
    assert body is not None
    assert "28" in body.get_content()


def test_a_first_payments_mandate_is_found_although_its_job_was_lost(story: Story) -> None:
    top_up = story.request(10, save_method=True, consent_by=service.GivenBy(ip_address=None, user_id=None))
    story.settle(top_up)
    service.sync_payment(top_up.top_up_id)
    story.lose_jobs()
    assert service.payment_methods(story.customer_id) == []
    jobs.mandates_daily()
    story.run_jobs()
    assert [m.status for m in service.payment_methods(story.customer_id)] == ["valid"]

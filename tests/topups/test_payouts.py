"""The payout report: Mollie's money against the ledger's, day by day."""

import csv
from datetime import date

from flask.testing import FlaskCliRunner

from app.clock import utc_now
from app.db import db, unit_of_work
from app.i18n import local_date
from app.ledger.service import lock_balance, post
from app.ledger.sides import Posting, Side
from tests.topups.conftest import EURO, Story
from topups import gateway, payouts


def this_month(story: Story) -> payouts.Report:
    story.run_jobs()
    db.session.rollback()
    return payouts.report(local_date(utc_now()))


def on(report: payouts.Report, day: date) -> payouts.Day:
    return next(each for each in report.days if each.day == day)


def test_what_was_paid_refunded_and_charged_back_agrees_to_the_cent(story: Story) -> None:
    story.pay(25, key="a")
    taken_back = story.pay(50, key="b")
    refunded = story.pay(100, key="c")
    story.request(75, key="never paid")
    story.sandbox.control(f"payments/{refunded.mollie_payment_id}/refund", {"amount": amount("30.00")})
    made = story.sandbox.control(f"payments/{taken_back.mollie_payment_id}/chargeback", {})
    report = this_month(story)
    today = on(report, local_date(utc_now()))
    assert report.agrees
    assert report.differences == ()
    assert (today.received_micros, today.refunded_micros, today.charged_back_micros) == (
        175 * EURO,
        -30 * EURO,
        -50 * EURO,
    )
    assert today.ledger_micros == 95 * EURO
    story.sandbox.control(f"chargebacks/{made['id']}/reverse", {})
    assert on(this_month(story), today.day).charged_back_micros == 0


def test_a_payment_whose_webhook_was_lost_is_named_until_reconciliation_finds_it(
    story: Story, runner: FlaskCliRunner
) -> None:
    lost = story.request(25)
    story.sandbox.control("faults", {"action": "webhook_drop", "times": 1})
    story.settle(lost)
    report = this_month(story)
    (line,) = report.differences
    assert (line.difference, line.subject) == ("not_in_ledger", lost.mollie_payment_id)
    assert not report.agrees
    assert sum(day.difference_micros for day in report.days) == 25 * EURO
    runner.invoke(args=["topups", "reconcile"])
    assert this_month(story).agrees


def test_money_that_was_posted_without_mollie_is_named(story: Story) -> None:
    with unit_of_work():
        lock_balance(story.customer_id)
        post(
            Posting(
                customer_id=story.customer_id,
                kind="top_up",
                debit=Side.PSP,
                credit=Side.PREPAID,
                amount_micros=5 * EURO,
                reference="topup-tu_made-up-paid",
            )
        )
    (line,) = this_month(story).differences
    assert (line.difference, line.ledger_micros) == ("not_at_mollie", 5 * EURO)


def test_a_refund_that_comes_back_counts_on_neither_side(story: Story) -> None:
    top_up = story.pay(25)
    made = story.sandbox.control(f"payments/{top_up.mollie_payment_id}/refund", {"amount": amount("10.00")})
    story.run_jobs()
    story.sandbox.control(f"refunds/{made['id']}/state", {"status": "failed"})
    report = this_month(story)
    assert report.agrees
    assert on(report, local_date(utc_now())).refunded_micros == 0
    assert on(report, local_date(utc_now())).ledger_micros == 25 * EURO


def test_what_was_posted_a_day_later_is_told_but_is_not_wrong(story: Story) -> None:
    """Our side was down overnight: both days differ, and the line says why."""
    top_up = story.request(25)
    story.sandbox.control("faults", {"action": "webhook_drop", "times": 1})
    story.settle(top_up)
    paid_on = local_date(utc_now())
    story.pass_time(days=1)
    story.sweep()
    assert story.prepaid == 25 * EURO
    report = payouts.report(paid_on)
    (line,) = report.differences
    assert (line.difference, line.is_wrong, line.mollie_day) == ("other_day", False, paid_on)
    assert on(report, paid_on).difference_micros == 25 * EURO


def test_the_command_prints_a_table_and_writes_csv(story: Story, runner: FlaskCliRunner) -> None:
    story.pay(25)
    month = local_date(utc_now()).strftime("%Y-%m")
    answer = runner.invoke(args=["topups", "payouts", "--month", month])
    assert answer.exit_code == 0, answer.output
    assert "Mollie and the ledger agree." in answer.output
    assert "25.00" in answer.output
    answer = runner.invoke(args=["topups", "payouts", "--month", month, "--csv", "-"])
    rows = list(csv.DictReader(answer.output.splitlines()))
    assert sum(row["at_mollie"] == "25.00" for row in rows) == 1
    story.sandbox.control("faults", {"match": "* /v2/*", "action": "503", "times": None})
    answer = runner.invoke(args=["topups", "payouts", "--month", month])
    assert answer.exit_code == 1
    assert "Mollie cannot be asked now" in answer.output


def amount(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


def test_a_payment_that_somebody_made_in_the_dashboard_is_not_ours(story: Story) -> None:
    body = {
        "amount": {"value": "5.00", "currency": "EUR"},
        "description": "A collection box",
        "redirectUrl": "https://shop.example/",
    }
    made = gateway.create_payment(body, "0b0ef6f0-6b4b-4f0c-9f53-0f6f3f4bb1a1")
    story.sandbox.control(f"payments/{made.payment_id}/state", {"status": "paid", "method": "ideal"})
    (line,) = this_month(story).differences
    assert (line.difference, line.subject) == ("not_ours", made.payment_id)

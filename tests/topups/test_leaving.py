"""A customer leaves: the prepaid money that is left goes back the way it came."""

import pytest
from flask.testing import FlaskClient, FlaskCliRunner

from app.db import db, in_unit_of_work, unit_of_work
from app.ledger.service import grant
from tests.fixtures.outside import Mailbox
from tests.topups.conftest import EURO, NOBODY, Story
from topups import service
from topups.errors import CustomerClosed


def close(story: Story) -> service.Leaving:
    leaving = in_unit_of_work(service.close_customer, story.customer_id)
    story.run_jobs()
    return leaving


def test_what_is_left_goes_back_to_the_newest_payments_first(story: Story, smtp: Mailbox) -> None:
    first, second = story.pay(50, key="a"), story.pay(25, key="b")
    with unit_of_work():
        grant(story.customer_id, 10 * EURO, reason="welcome", reference="welcome")
    story.use(30.005)
    smtp.messages.clear()
    leaving = close(story)
    assert (leaving.going_back_micros, leaving.left_micros) == (44_990_000, 0)
    assert story.top_up(second.top_up_id).refunded_micros == 25 * EURO
    assert story.top_up(first.top_up_id).refunded_micros == 19_990_000
    assert story.prepaid == 5_000
    assert len(smtp.messages) == 2
    assert close(story).refunds == ()


def test_nothing_is_charged_or_topped_up_any_more(story: Story) -> None:
    story.save_method("creditcard")
    story.turn_on()
    story.run_jobs()
    close(story)
    assert not story.rule().enabled
    story.use(20)
    story.evaluate()
    story.run_jobs()
    assert story.charges() == []
    with pytest.raises(CustomerClosed):
        story.request(25, key="after")
    with pytest.raises(CustomerClosed):
        story.turn_on(consent_by=NOBODY)


def test_a_closed_customers_last_payment_goes_back_when_it_is_closed_again(story: Story) -> None:
    late = story.request(25)
    close(story)
    story.settle(late)
    story.run_jobs()
    assert story.prepaid == 25 * EURO
    close(story)
    assert story.prepaid == 0


def test_an_answer_that_was_lost_while_closing_is_asked_for_again(story: Story) -> None:
    story.pay(25)
    story.sandbox.control("faults", {"match": "POST /v2/payments/*/refunds", "action": "reset_after"})
    close(story)
    assert story.prepaid == 25 * EURO
    assert in_unit_of_work(service.close_customer, story.customer_id).refunds == ()
    story.pass_time(minutes=2)
    story.sweep()
    assert story.prepaid == 0


def test_by_command_and_by_api(story: Story, api: FlaskClient, runner: FlaskCliRunner) -> None:
    story.pay(25)
    printed = runner.invoke(args=["topups", "close-customer", "acme"]).output
    assert "25.00 of tu_" in printed
    answer = api.post("/v1/customers/acme/close", json={}, headers={"Idempotency-Key": "bye"})
    assert answer.status_code == 200, answer.text
    assert answer.json == {
        "status": "closed",
        "going_back": {"value": "0.00", "currency": "EUR"},
        "left": {"value": "0.00", "currency": "EUR"},
        "refunds": [],
    }
    story.run_jobs()
    db.session.rollback()
    assert story.prepaid == 0

"""Refunds that we ask for: never more than the payment, never twice, never money that has been used."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import db, unit_of_work
from app.ledger.service import grant
from tests.fixtures.outside import Mailbox
from tests.topups.at_once import at_once
from tests.topups.conftest import EURO, Story
from topups import refunding, service
from topups.errors import (
    NotRefundable,
    RefundAboveBalance,
    RefundAbovePayment,
    RefundRefused,
    RequestKeyReused,
    UnknownTopUp,
)
from topups.models import Refund


def refund(story: Story, top_up: service.TopUp, euros: int | None = None, **wish: object) -> Refund:
    facts: dict[str, object] = {"request_key": "refund", "top_up_id": top_up.top_up_id} | wish
    if euros is not None:
        facts["amount_micros"] = euros * EURO
    made = service.request_refund(service.RefundWish(**facts))  # type: ignore[arg-type]  # a test's shorthand
    db.session.rollback()
    return made


def again(refund_id: str) -> Refund:
    db.session.rollback()
    db.session.expire_all()
    return refunding.find_refund(refund_id)


def refund_calls(story: Story) -> int:
    return len(story.sandbox.control("requests?method=POST&path=/v2/payments/*/refunds", method="GET"))


def test_a_whole_payment_goes_back_the_way_it_was_paid(story: Story, smtp: Mailbox) -> None:
    top_up = story.pay(25)
    smtp.messages.clear()
    made = refund(story, top_up)
    assert (made.status, made.amount_micros) == ("pending", 25 * EURO)
    assert story.prepaid == 0
    (taken,) = story.transfers("refund")
    assert (taken.debit, taken.credit, taken.reference) == (
        "prepaid",
        "psp",
        f"refund-{made.mollie_refund_id}",
    )
    story.run_jobs()
    (mail,) = smtp.messages
    assert "25,00" in str(mail["Subject"])
    story.pass_time(days=3)
    story.run_jobs()
    assert again(made.refund_id).status == "refunded"
    assert story.top_up(top_up.top_up_id).refunded_micros == 25 * EURO
    assert len(story.transfers("refund")) == 1


def test_parts_add_up_to_the_payment_and_no_further(story: Story) -> None:
    top_up = story.pay(25)
    story.pay(50, key="another")
    refund(story, top_up, 10, request_key="a")
    refund(story, top_up, 10, request_key="b")
    with pytest.raises(RefundAbovePayment):
        refund(story, top_up, 6, request_key="c")
    assert refund(story, top_up, request_key="rest").amount_micros == 5 * EURO
    with pytest.raises(RefundAbovePayment):
        refund(story, top_up, request_key="nothing-left")
    assert story.prepaid == 50 * EURO


def test_the_same_request_is_one_refund_and_another_amount_under_its_key_is_refused(story: Story) -> None:
    top_up = story.pay(25)
    first = refund(story, top_up, 10)
    assert refund(story, top_up, 10).refund_id == first.refund_id
    with pytest.raises(RequestKeyReused):
        refund(story, top_up, 11)
    assert story.prepaid == 15 * EURO
    assert refund_calls(story) == 1


def test_what_was_used_is_not_refunded_unless_staff_forces_it(story: Story) -> None:
    top_up = story.pay(25)
    story.use(20)
    with pytest.raises(RefundAboveBalance):
        refund(story, top_up)
    assert refund(story, top_up, 5, request_key="what-is-left").amount_micros == 5 * EURO
    refund(story, top_up, request_key="forced", forced=True)
    assert story.prepaid == -20 * EURO


def test_promotional_credit_never_becomes_cash(story: Story) -> None:
    top_up = story.pay(25)
    story.use(20)
    with unit_of_work():
        grant(story.customer_id, 10 * EURO, reason="welcome", reference="welcome")
    with pytest.raises(RefundAboveBalance):
        refund(story, top_up, 6)
    assert refund(story, top_up, 5).status == "pending"


def test_a_payment_that_never_arrived_has_nothing_to_send_back(story: Story) -> None:
    with pytest.raises(NotRefundable):
        refund(story, story.request(25))
    with pytest.raises(UnknownTopUp):
        service.request_refund(service.RefundWish(top_up_id="tu_1_nothing", request_key="k"))


def test_two_refunds_at_once_do_not_send_the_same_euro_back_twice(app: Flask, story: Story) -> None:
    top_up = story.pay(25)
    raised = at_once(
        app, *[lambda key=key: refund(story, top_up, 15, request_key=key) for key in ("a", "b", "c")]
    )
    assert [type(error) for error in raised] == [RefundAbovePayment] * 2
    assert story.prepaid == 10 * EURO
    assert refund_calls(story) == 1


@pytest.mark.parametrize("action", ["reset_after", "truncate", {"type": "error_after", "status": 500}])
def test_a_refund_whose_answer_was_lost_is_asked_for_again_with_the_same_key(
    story: Story, action: object
) -> None:
    top_up = story.pay(25)
    story.sandbox.control("faults", {"match": "POST /v2/payments/*/refunds", "action": action})
    made = refund(story, top_up, 10)
    assert (made.status, story.prepaid) == ("unknown", 25 * EURO)
    story.pass_time(seconds=40)
    story.sweep()
    assert again(made.refund_id).status == "pending"
    assert story.prepaid == 15 * EURO
    assert story.sandbox.control("totals", method="GET")["total"]["refunded_cents"] == 1000


def test_a_lost_answer_is_searched_for_once_the_key_is_forgotten(story: Story) -> None:
    top_up = story.pay(25)
    story.sandbox.control("faults", {"match": "POST /v2/payments/*/refunds", "action": "reset_after"})
    made = refund(story, top_up, 10)
    story.pass_time(hours=2)
    story.sweep()
    assert again(made.refund_id).mollie_refund_id is not None
    assert (story.prepaid, refund_calls(story)) == (15 * EURO, 1)


def test_a_refund_that_never_reached_mollie_is_given_up_and_frees_its_share(story: Story) -> None:
    top_up = story.pay(25)
    story.sandbox.control("faults", {"match": "POST /v2/payments/*/refunds", "action": "drop"})
    made = refund(story, top_up)
    with pytest.raises(RefundAbovePayment):
        refund(story, top_up, request_key="meanwhile")
    story.pass_time(hours=2)
    story.sweep()
    assert (again(made.refund_id).status, story.prepaid) == ("refused", 25 * EURO)
    assert refund(story, top_up, request_key="later").status == "pending"


def test_a_refund_seen_by_webhook_before_its_answer_is_not_posted_twice(story: Story) -> None:
    top_up = story.pay(25)
    story.sandbox.control("faults", {"match": "POST /v2/payments/*/refunds", "action": "reset_after"})
    made = refund(story, top_up, 10)
    service.sync_payment(top_up.top_up_id)
    assert again(made.refund_id).status == "pending"
    refunding.send(made.refund_id)
    assert len(story.transfers("refund")) == 1
    assert len(service.refunds_of(story.top_up(top_up.top_up_id))) == 1


def test_a_refused_refund_says_so_and_moves_nothing(story: Story) -> None:
    top_up = story.pay(25)
    match = {"match": "POST /v2/payments/*/refunds", "action": {"type": "status", "status": 422}}
    story.sandbox.control("faults", match)
    with pytest.raises(RefundRefused):
        refund(story, top_up)
    assert story.prepaid == 25 * EURO


def test_a_refund_that_fails_at_the_bank_comes_back_to_the_balance_once(story: Story) -> None:
    made = refund(story, story.pay(25))
    story.sandbox.control(f"refunds/{made.mollie_refund_id}/state", {"status": "failed"})
    story.run_jobs()
    assert (again(made.refund_id).status, story.prepaid) == ("failed", 25 * EURO)
    assert refund(story, story.top_ups()[0], request_key="once-more").status == "pending"


def test_the_api_refunds_lists_and_explains(story: Story, api: FlaskClient) -> None:
    top_up = story.pay(25)
    path = f"/v1/top-ups/{top_up.top_up_id}/refunds"
    body = {"amount": {"value": "10.00", "currency": "EUR"}}
    assert api.post(path, json=body).status_code == 400
    first = api.post(path, json=body, headers={"Idempotency-Key": "r1"})
    assert first.status_code == 201
    assert first.json is not None
    assert (first.json["status"], first.json["amount"]) == ("pending", body["amount"])
    replayed = api.post(path, json=body, headers={"Idempotency-Key": "r1"})
    assert (replayed.status_code, replayed.json) == (201, first.json)
    assert api.post(path, json={}, headers={"Idempotency-Key": "r1"}).status_code == 409
    listed = api.get(path).json
    assert listed is not None
    assert [r["id"] for r in listed["data"]] == [first.json["id"]]
    too_much = api.post(
        path, json={"amount": {"value": "20.00", "currency": "EUR"}}, headers={"Idempotency-Key": "r2"}
    )
    assert too_much.json is not None
    assert (too_much.status_code, too_much.json["code"]) == (409, "refund_above_payment")
    story.use(15)
    used = api.post(path, json={}, headers={"Idempotency-Key": "r3"})
    assert used.json is not None
    assert (used.status_code, used.json["code"]) == (409, "refund_above_balance")
    forced = api.post(path, json={"force": True}, headers={"Idempotency-Key": "r4"})
    assert forced.status_code == 201
    assert story.prepaid == -15 * EURO

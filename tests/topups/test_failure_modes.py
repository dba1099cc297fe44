"""Fifteen ways it goes wrong, one by one, each told against a Mollie that really does it."""

from datetime import timedelta

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.clock import utc_now
from app.db import db, in_unit_of_work, unit_of_work
from app.ledger.service import lock_balance
from tests.fixtures.outside import Mailbox
from tests.fixtures.product import LiveApp
from tests.topups.at_once import at_once
from tests.topups.conftest import EURO, NOBODY, Story
from topups import charging, crediting, gateway, reconciliation, service
from topups.models import TopUp, WebhookCall
from topups.states import Status


def test_mode_1_webhook_and_return_page_race_and_credit_once(app: Flask, story: Story) -> None:
    top_up = story.request(25)
    story.settle(top_up)
    raised = at_once(app, *[lambda: service.sync_payment(top_up.top_up_id)] * 6)
    assert raised == []
    assert story.prepaid == 25 * EURO
    story.run_jobs()
    assert story.prepaid == 25 * EURO


def test_mode_2_the_same_webhook_twice_at_once_credits_once(story: Story) -> None:
    top_up = story.request(25)
    story.sandbox.control("faults", {"match": {"event": "paid"}, "action": "webhook_concurrent"})
    story.settle(top_up)
    story.sandbox.control(f"payments/{top_up.mollie_payment_id}/webhook", {"copies": 3})
    calls = db.session.scalars(select(WebhookCall)).all()
    assert len(calls) >= 4
    story.run_jobs()
    assert story.prepaid == 25 * EURO
    db.session.rollback()
    assert all(call.handled_at is not None for call in db.session.scalars(select(WebhookCall)))


def test_mode_3_the_customer_returns_before_the_webhook(story: Story) -> None:
    top_up = story.request(25)
    story.sandbox.control("faults", {"match": {"event": "paid"}, "action": "webhook_drop"})
    assert service.sync_payment(top_up.top_up_id).status == "open"
    assert story.prepaid == 0
    story.settle(top_up)
    assert service.sync_payment(top_up.top_up_id).status == "paid"
    assert story.prepaid == 25 * EURO


def test_mode_4_a_refund_webhook_while_still_paid_credits_nothing_and_takes_the_delta(story: Story) -> None:
    top_up = story.pay(25)
    payment = f"payments/{top_up.mollie_payment_id}"
    story.sandbox.control(f"{payment}/refund", {"amount": {"value": "10.00", "currency": "EUR"}})
    story.run_jobs()
    assert story.prepaid == 15 * EURO
    story.sandbox.control(f"{payment}/webhook", {"copies": 2})
    story.run_jobs()
    story.sandbox.control(f"{payment}/refund", {"amount": {"value": "5.00", "currency": "EUR"}})
    story.run_jobs()
    assert story.prepaid == 10 * EURO
    refunded = story.top_up(top_up.top_up_id)
    assert (refunded.status, refunded.refunded_micros) == ("paid", 15 * EURO)
    assert len(story.transfers("refund")) == 2


@pytest.mark.parametrize("action", ["reset_after", "truncate", {"type": "error_after", "status": 500}])
def test_mode_5_the_create_call_timed_out_but_was_executed(story: Story, action: object) -> None:
    story.pay(10, key="before")
    story.sandbox.control("faults", {"match": "POST /v2/payments", "action": action})
    top_up = story.request(25, key="lost-answer")
    assert (top_up.status, top_up.checkout_url) == ("unknown", None)
    again = service.sync_payment(top_up.top_up_id)
    assert again.status == "open"
    assert again.checkout_url is not None
    made = story.sandbox.control("requests?method=POST&path=/v2/payments", method="GET")
    keys = [r["idempotency_key"] for r in made if r["body"]["metadata"]["topup_id"] == top_up.top_up_id]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    story.settle(story.top_up(top_up.top_up_id))
    story.run_jobs()
    assert story.prepaid == 35 * EURO


def test_mode_5_later_than_an_hour_the_payment_is_searched_for_and_not_made_again(story: Story) -> None:
    story.pay(10, key="before")
    story.sandbox.control("faults", {"match": "POST /v2/payments", "action": "reset_after"})
    top_up = story.request(25, key="lost-answer")
    story.pass_time(hours=2)
    found = service.sync_payment(top_up.top_up_id)
    assert found.mollie_payment_id is not None
    made = story.sandbox.control("requests?method=POST&path=/v2/payments", method="GET")
    assert len([r for r in made if r["body"]["metadata"]["topup_id"] == top_up.top_up_id]) == 1


def test_mode_5_what_never_reached_mollie_fails_after_the_hour(story: Story) -> None:
    story.pay(10, key="before")
    story.sandbox.control("faults", {"match": "POST /v2/payments", "action": "drop"})
    top_up = story.request(25, key="never-arrived")
    assert top_up.status == "unknown"
    story.pass_time(hours=2)
    lost = service.sync_payment(top_up.top_up_id)
    assert (lost.status, lost.failure_code) == ("failed", "not_reached")
    assert lost.look_at is None


def test_mode_5_given_up_and_yet_paid_is_found_by_reconciliation_and_credited(
    story: Story, runner: FlaskCliRunner
) -> None:
    story.pay(10, key="before")
    story.sandbox.control("faults", {"match": "POST /v2/payments", "action": "reset_after"})
    top_up = story.request(25, key="lost-answer")
    (made, *_) = story.sandbox.control("requests?method=POST&path=/v2/payments", method="GET")
    assert made["body"]["metadata"]["topup_id"] == top_up.top_up_id
    with unit_of_work():
        crediting.lose(crediting.lock_top_up(top_up.top_up_id), "not_reached")
    story.sandbox.control("faults", {"match": {"event": "*"}, "action": "webhook_drop", "times": None})
    (newest, *_) = gateway.list_payments(1)
    story.sandbox.control(f"payments/{newest.payment_id}/state", {"status": "paid"})
    printed = runner.invoke(args=["topups", "reconcile"]).output
    assert f"{newest.payment_id}: failed → paid" in printed
    assert story.prepaid == 35 * EURO


def test_mode_6_a_422_although_the_payment_exists_is_searched_for_first(story: Story) -> None:
    story.pay(10, key="before")
    story.sandbox.control("faults", {"match": "POST /v2/payments", "action": "error_after"})
    top_up = story.request(25, key="refused-yet-made")
    assert top_up.status == "open"
    assert top_up.mollie_payment_id is not None
    story.settle(top_up)
    story.run_jobs()
    assert story.prepaid == 35 * EURO


def test_mode_7_two_workers_at_once_charge_once(app: Flask, story: Story) -> None:
    story.save_method("creditcard")
    story.turn_on()
    story.run_jobs()
    story.use(5)
    raised = at_once(app, *[lambda: in_unit_of_work(service.evaluate, story.customer_id)] * 4)
    assert raised == []
    (requested,) = [t for t in story.top_ups() if t.origin == "automatic"]
    raised = at_once(app, *[lambda: charging.charge(requested.top_up_id)] * 3)
    assert raised == []
    story.run_jobs()
    assert story.prepaid == 30 * EURO
    assert len(story.charges()) == 1


def test_mode_7_the_database_itself_allows_one_open_automatic_attempt(story: Story) -> None:
    method_id = story.save_method("creditcard").payment_method_id
    story.turn_on()
    story.run_jobs()
    story.use(5)
    story.evaluate()
    (requested,) = [t for t in story.top_ups() if t.origin == "automatic"]
    second = {c.name: getattr(requested, c.name) for c in TopUp.__table__.columns}
    second |= {"top_up_id": "tu_rs_second", "request_key": "automatic:second"}
    assert second["payment_method_id"] == method_id
    with pytest.raises(IntegrityError, match="uq_top_up_one_automatic_attempt"), unit_of_work():
        db.session.add(TopUp(**second))
    story.run_jobs()


def test_mode_8_an_old_attempt_expires_after_a_newer_one_was_paid(story: Story) -> None:
    old = story.request(25, key="old")
    story.pay(25, key="new")
    story.settle(old, "expired")
    story.run_jobs()
    assert story.top_up(old.top_up_id).status == "expired"
    assert story.prepaid == 25 * EURO


def test_mode_9_two_tabs_both_paid_are_both_credited(story: Story) -> None:
    first, second = story.request(25, key="tab-1"), story.request(25, key="tab-2")
    assert first.mollie_payment_id != second.mollie_payment_id
    story.settle(first)
    story.settle(second)
    story.run_jobs()
    assert story.prepaid == 50 * EURO


def test_mode_10_a_mandate_that_is_gone_is_disabled_and_the_next_method_tried(
    story: Story, smtp: Mailbox
) -> None:
    first = story.save_method("creditcard", key="save-1")
    story.save_method("creditcard", key="save-2")
    story.turn_on()
    story.run_jobs()
    story.sandbox.control(f"mandates/{first.mollie_mandate_id}/state", {"status": "revoked"})
    smtp.messages.clear()
    story.use(15)
    assert story.evaluate() == "charged"
    story.run_jobs()
    gone, paid = [t for t in story.top_ups() if t.origin == "automatic"]
    assert (gone.status, gone.failure_code) == ("failed", "mandate_revoked")
    assert paid.status == "paid"
    assert paid.payment_method_id != gone.payment_method_id
    db.session.expire_all()
    assert service.find_method(story.customer_id, first.payment_method_id).status == "revoked"
    texts = [str(m["Subject"]) for m in smtp.messages]
    assert any("can no longer be used" in t or "niet meer" in t for t in texts), texts


def test_mode_11_a_charge_always_names_its_mandate(story: Story) -> None:
    first = story.save_method("creditcard", key="save-1")
    second = story.save_method("creditcard", key="save-2")
    wanted = second.mollie_mandate_id
    service.pay_with_mandate(story.customer, 25 * EURO, first.payment_method_id, request_key="with-the-first")
    (charge,) = story.charges()
    assert charge["body"]["mandateId"] == first.mollie_mandate_id != wanted


def test_mode_12_a_pending_mandate_is_not_charged_until_it_is_valid(story: Story) -> None:
    top_up = story.request(10, method="ideal", save_method=True, consent_by=NOBODY)
    story.settle(top_up, mandate_status="pending")
    story.run_jobs()
    (method,) = service.payment_methods(story.customer_id)
    assert method.status == "pending"
    story.turn_on()
    story.run_jobs()
    story.use(5)
    assert story.evaluate() == "no_valid_method"

    story.sandbox.control(f"mandates/{method.mollie_mandate_id}/state", {"status": "valid"})
    story.pass_time(minutes=11)
    story.sweep()
    assert [t.status for t in story.top_ups() if t.origin == "automatic"] == ["pending"]


def test_mode_12_an_abandoned_mandate_comes_to_nothing(story: Story) -> None:
    top_up = story.request(10, method="ideal", save_method=True, consent_by=NOBODY)
    story.settle(top_up, mandate_status="pending")
    story.run_jobs()
    (method,) = service.payment_methods(story.customer_id)
    story.sandbox.control(f"mandates/{method.mollie_mandate_id}/state", {"status": "invalid"})
    story.pass_time(minutes=11)
    story.sweep()
    db.session.expire_all()
    assert service.payment_methods(story.customer_id) == []


def test_mode_13_a_chargeback_months_later_pauses_and_its_reversal_credits_back_once(story: Story) -> None:
    story.save_method("creditcard")
    story.turn_on()
    story.run_jobs()
    story.use(5)
    story.evaluate()
    story.run_jobs()
    charged = story.top_ups()[-1]
    story.use(20)
    story.pass_time(days=49)
    chargeback = story.sandbox.control(f"payments/{charged.mollie_payment_id}/chargeback", {"code": "AM04"})
    story.run_jobs()
    assert story.prepaid == -15 * EURO
    assert story.rule().paused_because == "chargeback"
    assert story.evaluate() == "paused_after_failures"
    assert story.top_up(charged.top_up_id).charged_back_micros == 25 * EURO

    story.sandbox.control(f"chargebacks/{chargeback['id']}/reverse")
    story.sandbox.control(f"payments/{charged.mollie_payment_id}/webhook", {"copies": 2})
    story.run_jobs()
    service.sync_payment(charged.top_up_id)
    assert story.prepaid == 10 * EURO
    assert len(story.transfers("chargeback_reversed")) == 1


def test_mode_14_a_refunded_first_payment_is_reversed_and_the_customer_asked_about_the_mandate(
    story: Story, smtp: Mailbox
) -> None:
    top_up = story.pay(25, save_method=True, consent_by=NOBODY)
    smtp.messages.clear()
    story.sandbox.control(f"payments/{top_up.mollie_payment_id}/refund")
    story.run_jobs()
    assert story.prepaid == 0
    (mail,) = smtp.messages
    body = mail.get_body(("plain",))
    assert body is not None
    assert "/payment-methods" in body.get_content()


def test_mode_15_after_days_of_silence_reconciliation_finds_everything(story: Story) -> None:
    paid, refunded = story.request(25, key="paid"), story.pay(50, key="refunded")
    story.sandbox.control("faults", {"match": {"event": "*"}, "action": "webhook_drop", "times": None})
    story.settle(paid)
    story.sandbox.control(f"payments/{refunded.mollie_payment_id}/refund")
    requests.post(
        f"{story.sandbox.url}/v2/payments",
        json={
            "amount": {"value": "5.00", "currency": "EUR"},
            "description": "made elsewhere",
            "redirectUrl": "https://example.org/",
            "metadata": {"topup_id": "tu_rs_unknown"},
        },
        headers={"Authorization": "Bearer test_dHar4XY7LxsDOtmnkVtjNVWXLSlXsM"},
        timeout=10,
    ).raise_for_status()
    assert story.prepaid == 50 * EURO

    found = reconciliation.reconcile()

    assert story.prepaid == 25 * EURO
    assert any("open → paid" in line for line in found)
    assert any("refunds" in line for line in found)
    assert any("unknown top-up tu_rs_unknown" in line for line in found)
    assert all("unknown" in line for line in reconciliation.reconcile())


def test_a_refund_that_fails_later_is_credited_back_once(story: Story) -> None:
    top_up = story.pay(25)
    refund = story.sandbox.control(f"payments/{top_up.mollie_payment_id}/refund")
    story.run_jobs()
    assert story.prepaid == 0
    story.sandbox.control(f"refunds/{refund['id']}/state", {"status": "failed"})
    story.sandbox.control(f"payments/{top_up.mollie_payment_id}/webhook")
    story.run_jobs()
    service.sync_payment(top_up.top_up_id)
    assert story.prepaid == 25 * EURO


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("amount_micros", 26 * EURO, "other_amount"),
        ("currency", "USD", "other_currency"),
        ("mollie_payment_id", "tr_another", "other_payment"),
    ],
)
def test_a_payment_that_does_not_match_is_never_credited(
    story: Story, column: str, value: object, problem: str
) -> None:
    top_up = story.request(25)
    payment_id = top_up.mollie_payment_id
    assert payment_id is not None
    with unit_of_work():
        setattr(service.find_top_up(top_up.top_up_id), column, value)
    story.sandbox.control(f"payments/{payment_id}/state", {"status": "paid"})
    facts = gateway.get_payment(payment_id)
    in_unit_of_work(crediting.apply, top_up.top_up_id, facts)
    assert story.top_up(top_up.top_up_id).problem == problem
    assert story.prepaid == 0


def test_a_webhook_before_the_create_call_has_answered_is_adopted(story: Story) -> None:
    method = story.save_method("creditcard")
    story.sandbox.control("faults", {"match": "POST /v2/payments", "action": "webhook_before_answer"})
    made = service.pay_with_mandate(
        story.customer, 25 * EURO, method.payment_method_id, request_key="early-webhook"
    )
    story.run_jobs()
    assert story.top_up(made.top_up_id).status == "paid"
    assert story.prepaid == 35 * EURO


def test_a_worker_that_died_between_commit_and_call_is_taken_over_with_the_same_key(story: Story) -> None:
    story.save_method("creditcard")
    story.turn_on()
    story.run_jobs()
    story.use(5)
    story.evaluate()
    requested = story.top_ups()[-1]
    assert in_unit_of_work(charging._begin_charge, requested.top_up_id)
    story.pass_time(seconds=40)
    story.sweep()
    assert story.prepaid == 30 * EURO
    assert story.charges()[0]["idempotency_key"] == str(requested.idempotency_key)


def test_a_webhook_is_stored_and_answered_within_milliseconds_whatever_it_names(
    story: Story, live_app: LiveApp
) -> None:
    top_up = story.request(25)
    known = f"{live_app.url}/webhooks/mollie/{top_up.top_up_id}"
    for url, body in (
        (known, {"id": top_up.mollie_payment_id}),
        (known, {"id": "tr_of_somebody_else"}),
        (known, {"id": "'; drop table top_up; --"}),
        (known, {}),
        (f"{live_app.url}/webhooks/mollie/tu_rs_nobody", {"id": "tr_abc"}),
        (f"{live_app.url}/webhooks/mollie/nonsense", {"id": "tr_abc"}),
    ):
        assert requests.post(url, data=body, timeout=5).status_code == 200
    stored = db.session.scalars(select(WebhookCall.mollie_payment_id)).all()
    assert stored == [top_up.mollie_payment_id]
    story.run_jobs()
    assert story.prepaid == 0


def test_a_webhook_claiming_paid_is_not_believed(story: Story, client: FlaskClient) -> None:
    top_up = story.request(25)
    client.post(
        f"/webhooks/mollie/{top_up.top_up_id}", data={"id": top_up.mollie_payment_id, "status": "paid"}
    )
    story.run_jobs()
    assert story.top_up(top_up.top_up_id).status is Status.OPEN
    assert story.prepaid == 0


def test_a_lost_job_is_found_by_the_sweep(app: Flask, story: Story) -> None:
    top_up = story.request(25)
    story.settle(top_up)
    app.extensions["redis"].flushall()
    story.run_jobs()
    assert story.prepaid == 0
    with unit_of_work():
        lock_balance(story.customer_id)
        for call in db.session.scalars(select(WebhookCall)):
            call.received_at = utc_now() - timedelta(minutes=2)
    story.sweep()
    assert story.prepaid == 25 * EURO

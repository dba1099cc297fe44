"""Webhooks: a form with an id, ten attempts over 26 hours, and all the ways they misbehave."""

import threading
import time
from datetime import datetime
from typing import Any

import pytest
import requests

from topups.sandbox.server import Running, start

TEN_ATTEMPTS_MINUTES = [0, 1, 3, 7, 15, 31, 60, 180, 600, 1560]


@pytest.fixture
def paid_once(pay: Any, control: Any) -> Any:
    """Makes a payment and has it paid, which is one webhook."""

    def create(**data: Any) -> str:
        payment = pay(method="ideal", **data)
        control(f"payments/{payment.id}/state", status="paid")
        return str(payment.id)

    return create


def test_each_final_status_is_told_and_an_open_one_is_not(pay: Any, control: Any, receiver: Any) -> None:
    told = []
    for status in ("paid", "failed", "canceled", "expired", "authorized"):
        payment = pay(method="ideal")
        assert payment.id not in receiver.ids
        control(f"payments/{payment.id}/state", status=status)
        told.append(payment.id)
    assert receiver.ids == told
    assert {each["status"] for each in control("deliveries")} == {"delivered"}


def test_a_webhook_is_sent_by_itself_soon_after_the_answer(
    mandate_of: Any, charge: Any, receiver: Any
) -> None:
    customer_id, mandate_id = mandate_of("creditcard")
    receiver.ids.clear()
    charged = charge(customer_id, mandate_id)
    deadline = time.monotonic() + 5
    while receiver.ids != [charged.id]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_receiver_that_is_down_is_tried_ten_times_in_26_hours(
    paid_once: Any, control: Any, receiver: Any
) -> None:
    receiver.status = 503
    payment_id = paid_once()
    control("clock/advance", seconds=60 * 60)
    assert len(receiver.ids) == 7
    control("clock/advance", seconds=48 * 3600)
    assert receiver.ids == [payment_id] * 10
    (delivery,) = control("deliveries")
    assert delivery["status"] == "given_up"
    moments = [moment_minutes(each["at"]) for each in delivery["attempts"]]
    assert [round(each - moments[0]) for each in moments] == TEN_ATTEMPTS_MINUTES
    assert {each["status"] for each in delivery["attempts"]} == {503}


def moment_minutes(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() / 60


def test_a_receiver_that_recovers_hears_it_at_the_next_attempt(
    paid_once: Any, control: Any, receiver: Any
) -> None:
    receiver.status = 500
    payment_id = paid_once()
    receiver.status = 200
    control("clock/advance", seconds=61)
    control("clock/advance", seconds=86400)
    assert receiver.ids == [payment_id, payment_id]
    assert control("deliveries")[0]["status"] == "delivered"


def test_a_receiver_that_asks_back_sees_the_moment_of_the_webhook(
    mollie: Any, mandate_of: Any, charge: Any, control: Any, receiver: Any
) -> None:
    first, second = charge(*mandate_of("ideal")), charge(*mandate_of("ideal"))
    control(f"payments/{second.id}/state", status="paid", after_business_days=3)
    control("flush")
    seen: list[tuple[str, str]] = []
    receiver.on_call = lambda _: seen.append(
        (mollie.payments.get(first.id).status, mollie.payments.get(second.id).status)
    )
    control("clock/advance", business_days=5)
    assert seen == [("paid", "pending"), ("paid", "paid")]


def test_a_webhook_can_be_lost_and_sent_again(paid_once: Any, control: Any, receiver: Any) -> None:
    control("faults", action="webhook_drop")
    payment_id = paid_once()
    control("clock/advance", seconds=86400)
    assert receiver.ids == []
    assert control("deliveries")[0]["status"] == "dropped"
    control(f"payments/{payment_id}/webhook")
    assert receiver.ids == [payment_id]


def test_a_webhook_can_come_twice(paid_once: Any, control: Any, receiver: Any) -> None:
    control("faults", action="webhook_duplicate")
    payment_id = paid_once()
    assert receiver.ids == [payment_id]
    control("clock/advance", seconds=6)
    assert receiver.ids == [payment_id, payment_id]


def test_webhooks_can_come_at_the_same_time(paid_once: Any, control: Any, receiver: Any) -> None:
    together = threading.Barrier(3, timeout=5)
    receiver.on_call = lambda _: together.wait()
    control("faults", action={"type": "webhook_concurrent", "copies": 3})
    payment_id = paid_once()
    assert receiver.ids == [payment_id] * 3


def test_a_webhook_can_be_late(paid_once: Any, control: Any, receiver: Any) -> None:
    control("faults", action={"type": "webhook_delay", "seconds": 3600})
    payment_id = paid_once()
    control("clock/advance", seconds=3590)
    assert receiver.ids == []
    control("clock/advance", seconds=11)
    assert receiver.ids == [payment_id]


def test_a_webhook_can_be_overtaken(paid_once: Any, control: Any, receiver: Any) -> None:
    control("faults", action="webhook_reorder")
    first, second = paid_once(), paid_once()
    control("flush")
    assert receiver.ids == [second, first]


def test_a_webhook_can_name_an_id_nobody_knows(paid_once: Any, control: Any, receiver: Any) -> None:
    control("faults", match={"event": "paid"}, action="webhook_unknown_id")
    payment_id = paid_once()
    assert len(receiver.ids) == 2
    assert payment_id in receiver.ids
    receiver.ids.clear()
    control("webhooks", url=receiver.url, id="tr_invented")
    assert receiver.ids == ["tr_invented"]


def test_strangers_are_never_called(paid_once: Any, control: Any) -> None:
    paid_once(webhookUrl="https://example.org/webhook")
    (attempt,) = control("deliveries")[0]["attempts"]
    assert "loopback only" in attempt["error"]


def test_what_was_waiting_when_the_sandbox_stopped_is_sent_when_it_runs_again(
    tmp_path: Any, receiver: Any
) -> None:
    state = tmp_path / "mollie.sqlite"
    receiver.status = 500
    running = start(state=state)
    payment_id = make_paid(running, receiver.url)
    requests.post(f"{running.url}/_sandbox/clock/advance", json={"seconds": 10}, timeout=5)
    running.stop()
    receiver.status = 200
    again = start(state=state)
    offset = requests.get(f"{again.url}/_sandbox/clock", timeout=5).json()["offset_seconds"]
    assert offset == pytest.approx(10, abs=1)
    requests.post(f"{again.url}/_sandbox/clock/advance", json={"seconds": 60}, timeout=5)
    again.stop()
    assert receiver.ids == [payment_id, payment_id]


def make_paid(running: Running, webhook_url: str) -> str:
    body: Any = {
        "amount": {"value": "1.00", "currency": "EUR"},
        "description": "d",
        "redirectUrl": "http://127.0.0.1/",
        "webhookUrl": webhook_url,
        "method": "ideal",
    }
    headers = {"Authorization": "Bearer test_x"}
    made = requests.post(f"{running.url}/v2/payments", json=body, headers=headers, timeout=5).json()
    url = f"{running.url}/_sandbox/payments/{made['id']}/state"
    requests.post(url, json={"status": "paid"}, timeout=5).raise_for_status()
    return str(made["id"])

"""Every fault of the API, as the real client meets it."""

import time
from typing import Any

import pytest
import requests
from mollie.api.error import (
    ConflictError,
    NotFoundError,
    RequestError,
    ResponseError,
    ResponseHandlingError,
    UnprocessableEntityError,
)

from topups.sandbox.server import Running

CREATE = "POST /v2/payments"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_statuses_come_back_as_asked(pay: Any, mollie: Any, control: Any, status: int) -> None:
    control("faults", match=CREATE, action={"type": "status", "status": status})
    with pytest.raises(ResponseError) as refused:
        pay()
    assert refused.value.status == status
    assert mollie.payments.list().count == 0
    pay()


def test_an_error_may_be_a_page_and_say_when_to_come_back(pay: Any, control: Any, running: Running) -> None:
    action = {"type": "status", "status": 503, "html": True, "retry_after": 7}
    control("faults", match={"path": "/v2/*"}, times=2, action=action)
    with pytest.raises(ResponseHandlingError, match="<html>"):
        pay()
    answer = requests.get(f"{running.url}/v2/payments", headers={"Authorization": "Bearer test_x"}, timeout=5)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_latency_delays_and_executes_once(pay: Any, mollie: Any, control: Any) -> None:
    control("faults", match=CREATE, action={"type": "latency", "seconds": 0.3})
    started = time.monotonic()
    pay()
    assert time.monotonic() - started >= 0.3
    assert mollie.payments.list().count == 1


def test_a_request_may_be_dropped_before_it_is_executed(pay: Any, mollie: Any, control: Any) -> None:
    control("faults", match=CREATE, action="drop")
    with pytest.raises(RequestError):
        pay()
    assert mollie.payments.list().count == 0


def test_a_connection_may_break_after_the_payment_was_made(pay: Any, mollie: Any, control: Any) -> None:
    control("faults", match=CREATE, action="reset_after")
    with pytest.raises(RequestError):
        pay(metadata={"topup_id": "tu_7"})
    (found,) = mollie.payments.list()
    assert found.metadata == {"topup_id": "tu_7"}


def test_a_request_may_time_out_after_it_was_executed_and_its_key_finds_the_answer(
    mollie: Any, control: Any
) -> None:
    body = {
        "amount": {"value": "25.00", "currency": "EUR"},
        "description": "Top-up",
        "redirectUrl": "http://127.0.0.1/",
    }
    control("faults", match=CREATE, action={"type": "timeout_after", "seconds": 1})
    mollie.set_timeout((1, 0.3))
    with pytest.raises(RequestError):
        mollie.payments.create(body, idempotency_key="k")
    (found,) = mollie.payments.list()
    assert mollie.payments.create(body, idempotency_key="k").id == found.id


def test_an_error_may_be_answered_although_the_payment_was_made(pay: Any, mollie: Any, control: Any) -> None:
    control("faults", match=CREATE, action="error_after")
    with pytest.raises(UnprocessableEntityError):
        pay()
    assert mollie.payments.list().count == 1


def test_an_answer_may_be_cut_in_half(pay: Any, mollie: Any, control: Any) -> None:
    control("faults", match=CREATE, action="truncate")
    with pytest.raises(ResponseHandlingError, match="Unable to decode"):
        pay()
    assert mollie.payments.list().count == 1


def test_a_conflict_executes_nothing(pay: Any, mollie: Any, control: Any) -> None:
    control("faults", match=CREATE, action="conflict")
    with pytest.raises(ConflictError):
        pay()
    assert mollie.payments.list().count == 0


def test_a_stale_read_shows_the_state_before_the_last_change(pay: Any, mollie: Any, control: Any) -> None:
    payment = pay(method="ideal")
    control(f"payments/{payment.id}/state", status="paid")
    control("faults", match="GET /v2/payments*", action="stale", times=2)
    assert mollie.payments.get(payment.id).is_open()
    assert [each.status for each in mollie.payments.list()] == ["open"]
    assert mollie.payments.get(payment.id).status == "paid"


def test_a_stale_read_does_not_know_what_was_just_made(pay: Any, mollie: Any, control: Any) -> None:
    payment = pay()
    control("faults", match="GET *", action="stale", times=2)
    assert mollie.payments.list().count == 0
    with pytest.raises(NotFoundError):
        mollie.payments.get(payment.id)
    control("clock/advance", seconds=61)
    control("faults", match="GET *", action="stale")
    assert mollie.payments.get(payment.id).is_open()


def test_a_webhook_may_come_before_the_answer(pay: Any, mollie: Any, control: Any, receiver: Any) -> None:
    seen: list[str] = []
    receiver.on_call = lambda payment_id: seen.append(mollie.payments.get(payment_id).status)
    control("faults", match=CREATE, action="webhook_before_answer")
    payment = pay()
    assert receiver.ids == [payment.id]
    assert seen == ["open"]


def test_a_fault_strikes_only_what_it_matches_and_as_often_as_told(pay: Any, control: Any) -> None:
    control("faults", match={"method": "POST", "body": "*tu_9*"}, times=2, action="500")
    pay(metadata={"topup_id": "tu_8"})
    for _ in range(2):
        with pytest.raises(ResponseError):
            pay(metadata={"topup_id": "tu_9"})
    pay(metadata={"topup_id": "tu_9"})
    assert control("faults") == []


def test_the_dice_fall_the_same_for_the_same_seed(mollie: Any, control: Any) -> None:
    def run() -> list[bool]:
        control("reset", seed=11)
        control("faults", match="GET *", times=None, probability=0.5, action=500)
        return [fails(mollie) for _ in range(20)]

    def fails(client: Any) -> bool:
        try:
            client.payments.list()
        except ResponseError:
            return True
        return False

    first = run()
    assert first == run()
    assert 3 < sum(first) < 17


@pytest.mark.parametrize(
    "fault",
    [{"action": "explode"}, {"action": {"type": "latency", "minutes": 1}}, {"action": "drop", "chance": 1}],
)
def test_a_fault_that_does_not_exist_is_refused(running: Running, fault: dict[str, Any]) -> None:
    assert requests.post(f"{running.url}/_sandbox/faults", json=fault, timeout=5).status_code == 422


def test_the_log_tells_every_request_and_its_fault(pay: Any, mollie: Any, control: Any) -> None:
    control("faults", match=CREATE, action="drop")
    with pytest.raises(RequestError):
        pay(metadata={"topup_id": "tu_1"})
    mollie.payments.list()
    listed, created = control("requests")
    assert (listed["method"], listed["status"], listed["fault"]) == ("GET", 200, None)
    assert (created["status"], created["fault"]) == (0, "drop")
    assert created["body"]["metadata"] == {"topup_id": "tu_1"}
    assert created["idempotency_key"]
    assert len(control("requests?method=POST")) == 1

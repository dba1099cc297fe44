"""Idempotency keys: one request, however often it is sent."""

import threading
from typing import Any

import pytest
import requests
from mollie.api.error import BadRequestError, ConflictError, UnprocessableEntityError

from topups.sandbox.server import Running

BODY = {
    "amount": {"value": "25.00", "currency": "EUR"},
    "description": "Top-up",
    "redirectUrl": "http://127.0.0.1/return",
}


def post(running: Running, key: str, body: dict[str, Any]) -> requests.Response:
    headers = {"Authorization": "Bearer test_sandbox", "Idempotency-Key": key}
    return requests.post(f"{running.url}/v2/payments", json=body, headers=headers, timeout=5)


def test_the_same_request_is_answered_again_and_marked(running: Running) -> None:
    first, second = post(running, "k", BODY), post(running, "k", BODY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


def test_another_body_under_the_same_key_is_a_bad_request(mollie: Any) -> None:
    mollie.payments.create(BODY, idempotency_key="k")
    with pytest.raises(BadRequestError):
        mollie.payments.create({**BODY, "description": "Other"}, idempotency_key="k")
    assert mollie.payments.list().count == 1


def test_a_refusal_is_remembered_too(running: Running) -> None:
    wrong = {**BODY, "description": ""}
    assert post(running, "k", wrong).status_code == 422
    assert post(running, "k", wrong).headers["Idempotent-Replayed"] == "true"


def test_a_key_is_forgotten_after_an_hour(mollie: Any, control: Any) -> None:
    mollie.payments.create(BODY, idempotency_key="k")
    control("clock/advance", seconds=3590)
    mollie.payments.create(BODY, idempotency_key="k")
    assert mollie.payments.list().count == 1
    control("clock/advance", seconds=20)
    mollie.payments.create(BODY, idempotency_key="k")
    assert mollie.payments.list().count == 2


def test_two_at_once_under_one_key_are_a_conflict(mollie: Any, running: Running, control: Any) -> None:
    control("faults", match="POST /v2/payments", action={"type": "latency", "seconds": 0.6})
    slow = threading.Thread(target=post, args=(running, "k", BODY))
    slow.start()
    wait_for_fault(control)
    with pytest.raises(ConflictError):
        mollie.payments.create(BODY, idempotency_key="k")
    slow.join()
    mollie.payments.create(BODY, idempotency_key="k")
    assert mollie.payments.list().count == 1


def wait_for_fault(control: Any) -> None:
    """Until the only fault has struck."""
    while control("faults"):
        pass


def test_what_was_not_executed_frees_its_key(mollie: Any, control: Any) -> None:
    control("faults", match="POST /v2/payments", action="conflict")
    with pytest.raises(ConflictError):
        mollie.payments.create(BODY, idempotency_key="k")
    mollie.payments.create(BODY, idempotency_key="k")
    assert mollie.payments.list().count == 1


def test_keys_matter_on_post_only(mollie: Any) -> None:
    payment = mollie.payments.create(BODY, idempotency_key="k")
    for description in ("one", "two"):
        mollie.payments.update(payment.id, {"description": description}, idempotency_key="k")
    assert mollie.payments.get(payment.id).description == "two"
    with pytest.raises(UnprocessableEntityError):
        mollie.payments.delete(payment.id, idempotency_key="k")

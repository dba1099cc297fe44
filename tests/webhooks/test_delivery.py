"""Outgoing webhooks: signed, delivered after the commit, tried again, replayed, never twice at once."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from standardwebhooks import Webhook

from app.clock import utc_now
from app.config import Settings
from app.db import db, in_unit_of_work, unit_of_work
from app.webhooks import jobs, service
from app.webhooks.models import WebhookAttempt, WebhookDelivery
from tests.fixtures.outside import Mailbox
from tests.fixtures.product import Clock
from tests.fixtures.receiver import Receiver

ACME = 1000


@pytest.fixture
def secret(demo_settings: Settings, receiver: Receiver) -> str:
    """The secret of the receiver's endpoint."""
    return in_unit_of_work(service.register, receiver.url)[1]


def happen(key: str = "tu_1", event: str = "top_up.paid") -> None:
    with unit_of_work():
        service.tell(event, lambda: {"id": key, "naam": "Café €"}, customer_id=ACME, dedupe_key=key)


def the_delivery() -> WebhookDelivery:
    db.session.rollback()
    db.session.expire_all()
    (delivery,) = service.deliveries()
    return delivery


def attempts() -> list[WebhookAttempt]:
    db.session.rollback()
    return db.session.query(WebhookAttempt).order_by(WebhookAttempt.number).all()


def test_a_message_arrives_after_the_commit_with_a_signature_that_the_library_accepts(
    secret: str, receiver: Receiver, run_jobs: Callable[..., int]
) -> None:
    happen()
    assert receiver.requests == []

    run_jobs()

    (message,) = receiver.verified(secret)
    assert message["type"] == "top_up.paid"
    assert message["data"] == {"id": "tu_1", "naam": "Café €"}
    assert the_delivery().status == "delivered"
    (attempt,) = attempts()
    assert (attempt.status_code, attempt.error) == (204, None)


def test_what_is_rolled_back_is_never_told(
    secret: str, receiver: Receiver, run_jobs: Callable[..., int]
) -> None:
    def fail_afterwards() -> None:
        service.tell("top_up.paid", dict, customer_id=ACME, dedupe_key="tu_1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_unit_of_work(fail_afterwards)

    run_jobs()
    jobs.sweep()
    run_jobs()

    assert receiver.requests == []


def test_the_same_thing_is_told_once(secret: str, receiver: Receiver, run_jobs: Callable[..., int]) -> None:
    happen()
    happen()

    run_jobs()

    assert len(receiver.requests) == 1


def test_an_endpoint_gets_only_the_events_it_wants(
    demo_settings: Settings, receiver: Receiver, run_jobs: Callable[..., int]
) -> None:
    in_unit_of_work(service.register, receiver.url, ["invoice.paid"])
    happen()
    happen("F2026-000001", "invoice.paid")

    run_jobs()

    assert [json.loads(one.body)["type"] for one in receiver.requests] == ["invoice.paid"]


def test_a_refused_message_is_tried_again_with_growing_pauses_under_the_same_id(
    secret: str, receiver: Receiver, clock: Clock, run_jobs: Callable[..., int]
) -> None:
    receiver.statuses, receiver.answer = [500, 302], b"down for\x00 a moment"
    receiver.location = "http://127.0.0.1:1/"
    clock.freeze(utc_now())
    happen()
    run_jobs()

    delivery = the_delivery()
    assert delivery.status == "waiting"
    pause = delivery.next_attempt_at - clock.now() if delivery.next_attempt_at else timedelta(0)
    assert timedelta(seconds=5) <= pause < timedelta(seconds=6)
    run_jobs(scheduled=True)
    assert len(receiver.requests) == 1, "not before its time"

    clock.freeze(clock.now() + timedelta(seconds=6))
    jobs.sweep()
    run_jobs()
    clock.freeze(clock.now() + timedelta(minutes=6))
    jobs.sweep()
    run_jobs()

    assert the_delivery().status == "delivered"
    assert [attempt.status_code for attempt in attempts()] == [500, 302, 204]
    assert attempts()[0].answer == "down for\N{REPLACEMENT CHARACTER} a moment"
    assert len({one.message_id for one in receiver.requests}) == 1
    for one in receiver.requests:
        signed = Webhook(secret).sign(one.message_id, _moment_of(one.headers), one.body.decode())
        assert signed == one.headers["webhook-signature"]


def _moment_of(headers: dict[str, str]) -> datetime:
    return datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=UTC)


def test_after_the_last_pause_it_is_given_up_and_after_days_the_endpoint_is_switched_off_with_a_mail(
    secret: str, receiver: Receiver, clock: Clock, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    receiver.status = 503
    clock.freeze(utc_now())
    happen()
    for _ in range(len(jobs.PAUSES) + 3):
        jobs.sweep()
        run_jobs()
        clock.freeze(clock.now() + timedelta(hours=27))

    (endpoint,) = service.endpoints()
    assert the_delivery().status == "failed"
    assert (endpoint.disabled_because, bool(endpoint.disabled_at)) == ("failing", True)
    (mail,) = smtp.messages
    assert receiver.url in str(mail["subject"])
    happen("tu_2")
    run_jobs()
    assert len(service.deliveries()) == 1, "nothing is addressed to what is switched off"


def test_an_endpoint_switched_on_again_can_be_sent_what_it_missed(
    secret: str, receiver: Receiver, clock: Clock, run_jobs: Callable[..., int]
) -> None:
    begun = utc_now()
    happen("tu_1")
    receiver.status = 410
    run_jobs()
    happen("tu_2")
    (endpoint,) = service.endpoints()
    assert endpoint.disabled_because == "gone"
    with pytest.raises(service.EndpointDisabled):
        in_unit_of_work(service.replay_since, endpoint.endpoint_id, begun)

    receiver.status = 200
    receiver.requests.clear()
    in_unit_of_work(service.enable, endpoint.endpoint_id)
    assert in_unit_of_work(service.replay_since, endpoint.endpoint_id, begun) == 2
    run_jobs()

    assert sorted(message["data"]["id"] for message in receiver.verified(secret)) == ["tu_1", "tu_2"]


def test_two_workers_at_once_send_a_message_once(app: Flask, secret: str, receiver: Receiver) -> None:
    happen()
    delivery = the_delivery()
    arguments = (delivery.customer_id, delivery.delivery_id)
    barrier = threading.Barrier(4)

    def work() -> None:
        with app.app_context():
            barrier.wait()
            jobs.deliver(*arguments)
            db.session.remove()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(receiver.requests) == 1
    assert the_delivery().status == "delivered"


def test_a_worker_that_died_in_the_middle_leaves_its_attempt_to_the_sweep(
    secret: str, receiver: Receiver, clock: Clock, run_jobs: Callable[..., int]
) -> None:
    clock.freeze(utc_now())
    happen()
    delivery = the_delivery()
    assert in_unit_of_work(jobs._claim, delivery.customer_id, delivery.delivery_id) is not None
    run_jobs()
    assert receiver.requests == []

    clock.freeze(clock.now() + jobs.LEASE)
    jobs.sweep()
    run_jobs()

    assert len(receiver.requests) == 1


def test_after_a_rotation_both_secrets_verify_for_a_day(
    secret: str, receiver: Receiver, clock: Clock, run_jobs: Callable[..., int]
) -> None:
    (endpoint,) = service.endpoints()
    _, fresh = in_unit_of_work(service.rotate, endpoint.endpoint_id)
    happen()
    run_jobs()

    assert receiver.verified(fresh) == receiver.verified(secret)

    clock.freeze(utc_now() + timedelta(hours=25))
    happen("tu_2")
    run_jobs()
    assert receiver.requests[1].headers["webhook-signature"].count("v1,") == 1

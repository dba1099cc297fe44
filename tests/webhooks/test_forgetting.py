"""What was told long ago is forgotten, but for that it was told."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from app.clock import utc_now
from app.config import Settings
from app.db import db, in_unit_of_work, unit_of_work
from app.webhooks import forgetting, service
from app.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookMessage
from tests.fixtures.product import Clock
from tests.fixtures.receiver import Receiver


@pytest.fixture
def endpoint(demo_settings: Settings, receiver: Receiver) -> str:
    return in_unit_of_work(service.register, receiver.url)[0].endpoint_id


def happen(key: str) -> str | None:
    with unit_of_work():
        return service.tell("top_up.paid", lambda: {"id": key}, customer_id=1000, dedupe_key=key)


def count(table: type[WebhookAttempt | WebhookDelivery]) -> int:
    db.session.rollback()
    return db.session.query(table).count()


def test_old_messages_go_with_their_deliveries_and_are_never_told_again(
    app: Flask, endpoint: str, receiver: Receiver, run_jobs: Callable[..., int], clock: Clock
) -> None:
    happen("old")
    run_jobs()
    clock.travel_to(utc_now() + timedelta(days=91))
    happen("new")
    run_jobs()
    assert (count(WebhookAttempt), count(WebhookDelivery)) == (2, 2)

    assert forgetting.forget_old() == 1

    assert (count(WebhookAttempt), count(WebhookDelivery)) == (1, 1)
    assert happen("old") is None
    since = utc_now() - timedelta(days=365)
    assert in_unit_of_work(service.replay_since, endpoint, since) == 1
    assert forgetting.forget_old() == 0


def test_what_still_waits_is_kept(app: Flask, endpoint: str, clock: Clock) -> None:
    happen("waiting")
    clock.travel_to(utc_now() + timedelta(days=91))
    assert forgetting.forget_old() == 0
    assert db.session.query(WebhookMessage.body).scalar() != ""

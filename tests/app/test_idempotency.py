"""Idempotency keys: an answer is kept for a day and then gone; what moved money stays done once."""

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.api import IdempotencyRecord, forget_old_keys
from app.db import db
from app.factory import SCHEDULE
from tests.fixtures.product import Clock

ACME = {"reference": "acme", "name": "Acme B.V.", "email": "a@acme.nl", "country": "NL", "locale": "nl"}
PATH = "/v1/customers/acme/grants"
GRANT = {"amount": {"value": "5.00", "currency": "EUR"}, "reason": "Welcome"}
KEY = {"Idempotency-Key": "welcome"}


def kept() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(IdempotencyRecord)) or 0


def given(api: FlaskClient) -> str:
    balance = api.get("/v1/customers/acme/balance").get_json()
    return str(balance["promotional"]["value"])


def test_an_answer_is_swept_away_after_a_day(api: FlaskClient, clock: Clock) -> None:
    api.post("/v1/customers", json=ACME, headers={"Idempotency-Key": "new"})
    api.post(PATH, json=GRANT, headers=KEY)
    clock.travel_to(clock.now() + timedelta(hours=23))
    forget_old_keys()
    assert kept() == 2
    clock.travel_to(clock.now() + timedelta(hours=1, minutes=1))
    forget_old_keys()
    assert kept() == 0
    assert "app.api.forget_old_keys" in {recurring.job for recurring in SCHEDULE}


def test_the_same_key_is_a_new_request_after_a_day_but_what_moved_money_stays_done_once(
    api: FlaskClient, clock: Clock
) -> None:
    api.post("/v1/customers", json=ACME)
    first = api.post(PATH, json=GRANT, headers=KEY)
    assert first.status_code == 201
    clock.travel_to(clock.now() + timedelta(hours=25))
    # Swept or not yet: a day is a day.
    again = api.post(PATH, json=GRANT, headers=KEY)
    assert "Idempotent-Replayed" not in again.headers
    assert given(api) == "5.00"
    another = ACME | {"reference": "another"}
    assert api.post("/v1/customers", json=another, headers=KEY).status_code == 409
    clock.travel_to(clock.now() + timedelta(hours=25))
    assert api.post("/v1/customers", json=another, headers=KEY).status_code == 201


def test_long_keys_that_differ_only_at_their_end_give_two_grants(api: FlaskClient) -> None:
    api.post("/v1/customers", json=ACME)
    for end in ("a", "b"):
        made = api.post(PATH, json=GRANT, headers={"Idempotency-Key": "k" * 127 + end})
        assert made.status_code == 201
    assert given(api) == "10.00"

"""Holds: work is authorised before it is done, and debited as it was."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.clock import utc_now
from app.customers.service import find_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.ledger import holds, jobs
from app.ledger.models import BalanceRow
from app.ledger.service import clear_attention, customers_wanting_attention, get_balance, set_marks
from app.ledger.verify import verify_all
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, body

EURO = 1_000_000


@pytest.fixture
def funded(provider: Provider) -> Provider:
    """Acme has € 10 to spend; a token costs € 0.00121 with VAT."""
    provider.grant("10")
    return provider


def money(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


def place(provider: Provider, amount: str | None = None, **facts: Any) -> TestResponse:
    key = facts.pop("key", f"hold-{next(provider.numbers)}")
    wanted = facts if amount is None else {"amount": money(amount)} | facts
    return provider.api.post(
        "/v1/customers/acme/holds", json=wanted, headers={"Idempotency-Key": key}
    )  # fmt: skip


def capture(provider: Provider, hold: dict[str, Any], *events: dict[str, Any]) -> TestResponse:
    return provider.api.post(f"/v1/holds/{hold['id']}/capture", json=list(events))


def release(provider: Provider, hold: dict[str, Any]) -> TestResponse:
    return provider.api.post(f"/v1/holds/{hold['id']}/release")


def test_a_hold_takes_from_what_is_available_and_moves_no_money(funded: Provider) -> None:
    placed = place(funded, "4", expires_in=60)
    assert placed.status_code == 201
    hold = body(placed)
    assert (hold["amount"], hold["status"], hold["captured"]) == (money("4.00"), "open", None)
    balance = funded.balance()
    assert (balance["available"], balance["held"], balance["promotional"]) == ("6.00", "4.00", "10.00")
    listed = body(funded.api.get("/v1/customers/acme/holds"))
    assert listed == {"data": [hold], "next_cursor": None}


def test_what_the_balance_does_not_cover_is_refused(funded: Provider) -> None:
    assert place(funded, "10").status_code == 201
    refused = place(funded, "0.000001")
    assert (refused.status_code, body(refused)["code"]) == (402, "insufficient_balance")
    assert funded.balance()["state"] == "exhausted"


def test_an_overdraft_lets_holds_reach_below_zero_less_what_is_owed_already(funded: Provider) -> None:
    assert funded.api.put("/v1/customers/acme/overdraft", json={"amount": money("5")}).status_code == 200
    assert funded.balance()["overdraft"] == "5.00"
    assert place(funded, "15.000001").status_code == 402
    assert place(funded, "15").status_code == 201
    below = funded.api.put("/v1/customers/acme/overdraft", json={"amount": money("-1")})
    assert (below.status_code, body(below)["field"]) == (422, "amount")


@pytest.mark.parametrize(("tokens", "left"), [(1000, "8.79"), (3000, "6.37"), (9000, "-0.89")])
def test_the_capture_debits_what_really_was(funded: Provider, tokens: int, left: str) -> None:
    hold = body(place(funded, "3.63"))
    event = funded.event(tokens)
    captured = capture(funded, hold, event)
    assert captured.status_code == 200, captured.text
    answer = body(captured)
    assert (answer["status"], answer["accepted"]) == ("captured", 1)
    assert Decimal(answer["captured"]["value"]) == 10 - Decimal(left)
    assert Decimal(answer["balance"]["available"]["value"]) == funded.available() == Decimal(left)
    assert funded.balance()["held"] == "0.00"
    again = body(capture(funded, hold, event))
    assert (again["captured"], again["accepted"], again["duplicates"]) == (answer["captured"], 0, 1)
    other = capture(funded, hold, funded.event(1))
    assert (other.status_code, body(other)["code"]) == (409, "hold_ended")
    assert funded.available() == Decimal(left)


def test_a_single_cloudevent_captures_too_and_must_be_the_customers(funded: Provider) -> None:
    funded.customer("other")
    hold = body(place(funded, "1"))
    path = f"/v1/holds/{hold['id']}/capture"
    others = funded.api.post(path, json=funded.event(1, subject="other"))
    assert (others.status_code, body(others)["code"]) == (422, "other_subject")
    event = funded.event(1, type="nobody.counts.this")
    uncounted = funded.api.post(path, json=event)
    assert (uncounted.status_code, body(uncounted)["code"]) == (422, "no_meter")
    assert funded.balance()["held"] == "1.00"
    assert funded.api.post(path, json=funded.event(1)).status_code == 200
    assert funded.balance()["held"] == "0.00"


def test_a_capture_is_all_or_nothing(funded: Provider) -> None:
    hold = body(place(funded, "1"))
    refused = capture(funded, hold, funded.event(1), funded.event(-1))
    assert (refused.status_code, body(refused)["code"], body(refused)["index"]) == (
        422,
        "invalid_quantity",
        1,
    )
    assert (funded.balance()["held"], funded.available()) == ("1.00", Decimal(9))


def test_what_is_released_is_free_again_and_cannot_be_captured(funded: Provider) -> None:
    hold = body(place(funded, "10"))
    for _ in range(2):
        assert body(release(funded, hold))["status"] == "released"
    assert funded.available() == 10
    assert capture(funded, hold, funded.event(1)).status_code == 409
    captured = body(place(funded, "1"))
    capture(funded, captured, funded.event(1))
    assert release(funded, captured).status_code == 409


def test_a_hold_expires_and_its_work_is_recorded_all_the_same(funded: Provider, clock: Clock) -> None:
    hold = body(place(funded, "10", expires_in=60))
    clock.travel_to(utc_now() + timedelta(seconds=61))
    # What has expired does not stand in the way of the next, even before it is swept.
    assert place(funded, "10", expires_in=30).status_code == 201
    clock.travel_to(utc_now() + timedelta(seconds=31))
    jobs.expire_holds()
    jobs.expire_holds()
    assert funded.available() == 10
    assert body(release(funded, hold))["status"] == "expired"
    assert body(capture(funded, hold, funded.event(1000)))["status"] == "captured"
    assert funded.available() == Decimal("8.79")


def test_a_repeated_request_answers_the_same_hold(app: Flask, funded: Provider) -> None:
    one, again = place(funded, "6", key="once"), place(funded, "6", key="once")
    assert body(one) == body(again)
    customer_id = find_customer("acme").customer_id
    made = [
        in_unit_of_work(
            holds.place_hold,
            customer_id,
            EURO,
            expires_at=utc_now() + timedelta(hours=1),
            reference="crashed",
        ).hold.public_id
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert funded.balance()["held"] == "7.00"
    bare = funded.api.post("/v1/customers/acme/holds", json={"amount": money("1")})
    assert (bare.status_code, body(bare)["code"]) == (400, "idempotency_key_required")


def test_holds_at_once_never_overdraw(app: Flask, funded: Provider) -> None:
    def hold(number: int) -> int:
        with app.app_context():
            try:
                in_unit_of_work(
                    holds.place_hold,
                    customer_id,
                    3 * EURO,
                    expires_at=utc_now() + timedelta(hours=1),
                    reference=f"at-once-{number}",
                )
            except holds.InsufficientBalance:
                return 0
            return 1

    customer_id = find_customer("acme").customer_id
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(hold, range(16))) == 3
    assert funded.balance()["held"] == "9.00"


def test_a_quantity_is_held_at_the_customers_price_on_top_of_what_was_used(funded: Provider) -> None:
    tiers = [{"up_to": "1000", "unit_amount": "0"}, {"up_to": None, "unit_amount": "0.01"}]
    funded.meter("calls", event_type="call", value_property="calls", dimensions=["model"])
    funded.price("calls", model="graduated", currency="EUR", tiers=tiers)
    for used, quantity, amount in ((0, "600", "0.00"), (600, "600", "2.42"), (900, "100", "1.21")):
        if used:
            funded.send(funded.event(type="call", data={"calls": used - 300 if used == 900 else used}))
        hold = body(place(funded, meter="calls", quantity=quantity))
        assert hold["amount"]["value"] == amount
        release(funded, hold)


def test_a_quantity_is_held_at_the_price_of_its_dimensions(funded: Provider) -> None:
    funded.price(model="per_unit", currency="EUR", unit_amount="0.01", when={"model": "large"})
    for dimensions, amount in ({"model": "large"}, "1.21"), ({"model": "small"}, "0.121"), (None, "0.121"):
        held = place(funded, meter="tokens", quantity="100", dimensions=dimensions)
        assert body(held)["amount"]["value"] == amount
    unknown = place(funded, meter="no-meter", quantity="1")
    assert (unknown.status_code, body(unknown)["code"]) == (404, "unknown_meter")
    funded.meter("free")
    assert body(place(funded, meter="free", quantity="1"))["code"] == "no_price"


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "meter"),
    ({"amount": money("0")}, "amount"),
    ({"amount": money("-1")}, "amount"),
    ({"amount": money("1"), "meter": "tokens"}, "amount"),
    ({"meter": "tokens"}, "quantity"),
    ({"meter": "tokens", "quantity": -1}, "quantity"),
    ({"meter": "tokens", "quantity": "1", "dimensions": []}, "dimensions"),
    ({"meter": "tokens", "quantity": "1", "dimensions": {"model": {}}}, "dimensions"),
    ({"amount": money("1"), "expires_in": 0}, "expires_in"),
    ({"amount": money("1"), "expires_in": "soon"}, "expires_in"),
    ({"amount": money("1"), "expires_in": True}, "expires_in"),
    ({"amount": money("1"), "colour": "green"}, "colour"),
]


def test_what_cannot_be_held_is_refused_by_the_name_of_its_field(funded: Provider) -> None:
    for wanted, field in BAD:
        key = {"Idempotency-Key": f"bad-{next(funded.numbers)}"}
        refused = funded.api.post("/v1/customers/acme/holds", json=wanted, headers=key)
        assert (refused.status_code, body(refused).get("field")) == (422, field), wanted
    unknown = funded.api.post("/v1/holds/ho_1_abc/release")
    assert (unknown.status_code, body(unknown)["code"]) == (404, "unknown_hold")
    assert funded.api.post("/v1/holds/nonsense/release").status_code == 404


def test_a_suspended_customer_gets_no_hold(funded: Provider) -> None:
    with unit_of_work():
        db.session.execute(update(BalanceRow).values(suspended_at=utc_now()))
    refused = place(funded, "1")
    assert (refused.status_code, body(refused)["code"]) == (402, "customer_suspended")


def test_a_hold_that_takes_the_balance_below_its_mark_asks_for_a_look(funded: Provider) -> None:
    customer_id = find_customer("acme").customer_id
    with unit_of_work():
        set_marks(customer_id, low_mark_micros=5 * EURO, attention_mark_micros=5 * EURO)
        clear_attention(customer_id)
    place(funded, "5")
    assert customers_wanting_attention() == []
    place(funded, "0.01")
    assert customers_wanting_attention() == [customer_id]
    assert funded.balance()["state"] == "low"


@pytest.mark.broken_ledger
def test_verification_names_what_is_held_without_a_hold(funded: Provider) -> None:
    place(funded, "1")
    assert verify_all().differences == ()
    with unit_of_work():
        db.session.execute(update(BalanceRow).values(held_micros=BalanceRow.held_micros + 1))
    customer_id = find_customer("acme").customer_id
    assert [d.what for d in verify_all().differences if d.customer_id == customer_id] == [
        "held beside its holds"
    ]
    assert get_balance(customer_id).held_micros == EURO + 1

"""`/v1`: top-ups, automatic top-up and payment methods as programs see them."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.customers.auth import create_api_key
from app.db import db, unit_of_work
from tests.topups.at_once import at_once
from tests.topups.conftest import EURO, Story
from topups.consents import TEXT_VERSION
from topups.models import Consent

TWENTY_FIVE = {"value": "25.00", "currency": "EUR"}


class Program:
    def __init__(self, client: FlaskClient, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/v1{path}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def post(self, path: str, body: Any, key: str | None = "k1") -> TestResponse:
        extra = {"Idempotency-Key": key} if key else {}
        return self.client.post(f"/v1{path}", json=body, headers=self.headers | extra)

    def put(self, path: str, body: Any) -> TestResponse:
        return self.client.put(f"/v1{path}", json=body, headers=self.headers)


@pytest.fixture
def program(client: FlaskClient, story: Story) -> Program:
    with unit_of_work():
        _, key = create_api_key("tests")
    return Program(client, key)


def test_a_top_up_is_made_with_a_checkout_url_and_read_back(story: Story, program: Program) -> None:
    answer = program.post(
        "/customers/acme/top-ups",
        {"amount": TWENTY_FIVE, "method": "ideal", "redirect_url": "https://shop.example/thanks"},
    )
    assert answer.status_code == 201
    made = answer.json
    assert made is not None
    assert made["checkout_url"].startswith("http")
    assert (made["status"], made["purpose"], made["amount"]) == ("open", "balance", TWENTY_FIVE)
    story.sandbox.control(f"payments/{made['mollie_payment_id']}/state", {"status": "paid"})
    story.run_jobs()
    assert program.get(f"/top-ups/{made['id']}")["status"] == "paid"
    assert [t["id"] for t in program.get("/customers/acme/top-ups")["data"]] == [made["id"]]
    assert program.get("/customers/acme/balance")["prepaid"] == TWENTY_FIVE


def test_the_same_key_and_body_is_answered_the_same_and_another_body_refused(
    story: Story, program: Program
) -> None:
    body = {"amount": TWENTY_FIVE, "method": "ideal"}
    first = program.post("/customers/acme/top-ups", body)
    again = program.post("/customers/acme/top-ups", body)
    assert (again.status_code, again.json) == (201, first.json)
    other = program.post("/customers/acme/top-ups", body | {"amount": {"value": "50.00", "currency": "EUR"}})
    assert other.status_code == 409
    assert len(story.top_ups()) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": {"value": "5.00", "currency": "EUR"}}, 422, "amount_outside_limits"),
        ({"amount": {"value": "25.001", "currency": "EUR"}}, 422, "amount_not_whole_cents"),
        ({"amount": {"value": "25.00", "currency": "USD"}}, 422, "invalid_money"),
        ({"amount": 25}, 422, "invalid_money"),
        ({}, 422, "invalid_money"),
        ({"amount": TWENTY_FIVE, "method": "barter"}, 422, "unknown_method"),
        ({"amount": TWENTY_FIVE, "save_method": "yes"}, 422, "invalid_request"),
        ({"amount": TWENTY_FIVE, "method": "ideal", "consent": "yes"}, 422, "invalid_request"),
        ({"amount": TWENTY_FIVE, "redirect_url": "javascript:alert(1)"}, 422, "invalid_request"),
        ({"amount": TWENTY_FIVE, "payment_method": "pm_1_nothing"}, 404, "unknown_payment_method"),
        ({"amount": TWENTY_FIVE, "surprise": 1}, 422, "invalid_request"),
    ],
)
def test_bad_input_is_named_and_nothing_is_made(
    story: Story, program: Program, body: Any, status: int, code: str
) -> None:
    answer = program.post("/customers/acme/top-ups", body)
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.mimetype == "application/problem+json"
    assert story.top_ups() == []


def test_money_moves_only_with_an_idempotency_key_and_an_api_key(story: Story, program: Program) -> None:
    assert program.post("/customers/acme/top-ups", {"amount": TWENTY_FIVE}, key=None).status_code == 400
    program.headers = {}
    for path in ("/customers/acme/top-ups", "/customers/acme/auto-top-up", "/customers/acme/payment-methods"):
        assert program.client.get(f"/v1{path}").status_code == 401


def test_automatic_top_up_is_read_set_and_explained(story: Story, program: Program) -> None:
    off = program.get("/customers/acme/auto-top-up")
    assert (off["enabled"], off["state"]) == (False, "off")
    method = story.save_method("creditcard")
    body = {
        "enabled": True,
        "threshold": {"value": "10.00", "currency": "EUR"},
        "amount": TWENTY_FIVE,
        "target": None,
        "monthly_maximum": {"value": "100.00", "currency": "EUR"},
        "payment_methods": [method.payment_method_id],
        "consent": {"locale": "nl", "ip": "192.0.2.9"},
    }
    answer = program.put("/customers/acme/auto-top-up", body)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["last_decision"]["reason"] == "above_threshold"
    assert answer.json["consent"]["ip"] == "192.0.2.9"
    story.use(5)
    story.evaluate()
    story.run_jobs()
    now = program.get("/customers/acme/auto-top-up")
    assert now["last_decision"]["reason"] in ("charged", "above_threshold")
    assert now["month_used"] == TWENTY_FIVE
    (listed,) = program.get("/customers/acme/payment-methods")["data"]
    assert listed["status"] == "valid"
    assert set(listed) == {"id", "method", "status", "label", "mandate_reference"}

    low = body | {"monthly_maximum": {"value": "20.00", "currency": "EUR"}}
    refused = program.put("/customers/acme/auto-top-up", low)
    assert refused.json is not None
    assert (refused.status_code, refused.json["code"]) == (422, "monthly_maximum_below_amount")
    off = program.put("/customers/acme/auto-top-up", body | {"enabled": False, "consent": None})
    assert off.status_code == 200
    assert not story.rule().enabled


GIVEN_ELSEWHERE: list[dict[str, Any]] = [
    {},
    {"consent": None},
    {"consent": {"agreed": True, "ip": 12, "locale": ["nl"]}},
]


@pytest.mark.parametrize("consent", GIVEN_ELSEWHERE)
def test_a_program_vouches_for_the_consent_it_took_by_its_key(
    story: Story, program: Program, consent: dict[str, Any]
) -> None:
    body = {"amount": TWENTY_FIVE, "method": "ideal", "save_method": True} | consent
    assert program.post("/customers/acme/top-ups", body).status_code == 201
    method = story.save_method("creditcard", key="m1")
    rule = {
        "enabled": True,
        "threshold": {"value": "10.00", "currency": "EUR"},
        "amount": TWENTY_FIVE,
        "monthly_maximum": {"value": "100.00", "currency": "EUR"},
        "payment_methods": [method.payment_method_id],
    } | consent
    answer = program.put("/customers/acme/auto-top-up", rule)
    assert answer.status_code == 200, answer.text
    given = db.session.scalars(select(Consent).where(Consent.api_key_id.is_not(None))).all()
    assert {one.kind for one in given} == {"save_method", "automatic_top_up"}
    for one in given:
        assert one.text_version == TEXT_VERSION
        assert (one.locale, one.ip_address, one.user_id) == ("nl", None, None)
        assert one.text.startswith(("Bewaar", "Sla ", "Ik geef"))


def test_a_rule_can_be_sent_back_as_it_was_read_and_keeps_its_consent(story: Story, program: Program) -> None:
    method = story.save_method("creditcard")
    rule = {
        "enabled": True,
        "threshold": {"value": "10.00", "currency": "EUR"},
        "target": {"value": "40.00", "currency": "EUR"},
        "monthly_maximum": {"value": "100.00", "currency": "EUR"},
        "payment_methods": [method.payment_method_id],
    }
    first = program.put("/customers/acme/auto-top-up", rule).json
    assert first is not None
    again = program.put("/customers/acme/auto-top-up", program.get("/customers/acme/auto-top-up"))
    assert again.status_code == 200, again.text
    assert again.json is not None
    assert again.json["consent"] == first["consent"]
    higher = first | {"monthly_maximum": {"value": "200.00", "currency": "EUR"}}
    raised = program.put("/customers/acme/auto-top-up", higher).json
    assert raised is not None
    assert raised["consent"]["given_at"] > first["consent"]["given_at"]


def test_lists_of_top_ups_are_paged(story: Story, program: Program) -> None:
    for number in range(3):
        story.request(10 + number, key=f"k{number}")
    first = program.get("/customers/acme/top-ups?limit=2")
    rest = program.get(f"/customers/acme/top-ups?limit=2&cursor={first['next_cursor']}")
    amounts = [t["amount"]["value"] for t in first["data"] + rest["data"]]
    assert amounts == ["12.00", "11.00", "10.00"]
    assert rest["next_cursor"] is None
    assert story.prepaid == 0 * EURO


def test_a_key_is_honoured_for_a_day_and_never_makes_a_second_payment(story: Story, program: Program) -> None:
    body = {"amount": TWENTY_FIVE, "method": "ideal"}
    first = program.post("/customers/acme/top-ups", body, key="once")
    story.pass_time(hours=23)
    again = program.post("/customers/acme/top-ups", body, key="once")
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = program.post("/customers/acme/top-ups", body | {"method": "creditcard"}, key="once")
    assert (other.status_code, other.mimetype) == (409, "application/problem+json")
    assert program.post("/customers/acme/top-ups", body, key="twice").status_code == 201
    assert len(story.top_ups()) == 2


def test_the_same_request_several_times_at_once_is_one_payment(
    app: Flask, story: Story, program: Program
) -> None:
    answers: list[int] = []
    body = {"amount": TWENTY_FIVE, "method": "ideal"}

    def ask() -> None:
        answers.append(program.post("/customers/acme/top-ups", body, key="at-once").status_code)

    assert at_once(app, ask, ask, ask) == []
    assert answers.count(201) >= 1
    assert set(answers) <= {201, 409}
    assert len(story.top_ups()) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("post", "/customers/acme/top-ups", {"amount": TWENTY_FIVE, "status": "paid"}, "status"),
        ("post", "/customers/acme/top-ups", {"amount": TWENTY_FIVE, "fee": TWENTY_FIVE}, "fee"),
        ("post", "/customers/acme/top-ups", {"amount": TWENTY_FIVE, "customer_id": 1}, "customer_id"),
        ("put", "/customers/acme/auto-top-up", {"threshold": TWENTY_FIVE, "enabled_at": None}, "enabled_at"),
        ("post", "/top-ups/tu_rs_x/refunds", {"mollie_refund_id": "re_1"}, "mollie_refund_id"),
        ("post", "/customers/acme/close", {"force": True}, "force"),
    ],
)
def test_a_field_that_is_not_of_the_request_is_refused_by_name(
    story: Story, program: Program, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    answer = program.post(path, body) if method == "post" else program.put(path, body)
    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["field"]) == (422, "invalid_request", field)
    assert story.top_ups() == []

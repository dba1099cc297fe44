"""The reference tells the truth: every route is described, and what fuzzing gets back was said beforehand."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import msgspec
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.reference.document import PREFIX, undescribed
from tests.fixtures.outside import Sandbox
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, body

# Addresses that the documents of design are about and that a program counts on.
SOME_PATHS: Final = (
    "/v1/events",
    "/v1/customers/{reference}/balance",
    "/v1/customers/{reference}/auto-top-up",
    "/v1/invoices/{number}",
    "/v1/meters/{code}/prices",
)
EXAMPLES: Final = 6
NOVEMBER: Final = datetime(2026, 11, 5, 9, tzinfo=UTC)
KEYS: Final = count()
ARGUMENT: Final = re.compile(r"<[^>]+>")
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/v1/openapi.json")
    assert answer.status_code == 200
    return dict(msgspec.json.decode(answer.data))


def test_every_route_is_described_and_none_that_is_not_there(app: Flask, document: dict[str, Any]) -> None:
    assert undescribed(app) == []
    there = {
        (rule.rule.replace("<", "{").replace(">", "}"), method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(PREFIX)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    said = {(path, method.upper()) for path, operations in document["paths"].items() for method in operations}
    assert said == there
    assert {path for path, _ in said} >= set(SOME_PATHS)


def test_keys_and_idempotency_are_described_as_they_are_enforced(document: dict[str, Any]) -> None:
    grants = document["paths"]["/v1/customers/{reference}/grants"]["post"]
    (key,) = (one for one in grants["parameters"] if one["name"] == "Idempotency-Key")
    assert key["required"]
    assert grants["security"] == [{"api_key": []}]
    assert grants["responses"]["400"]["x-codes"] == ["idempotency_key_required", "invalid_json"]
    assert document["paths"]["/v1/openapi.json"]["get"]["security"] == []
    posts = [operations["post"] for operations in document["paths"].values() if "post" in operations]
    names = [{one["name"] for one in operation["parameters"]} for operation in posts]
    assert sum("Idempotency-Key" not in one for one in names) == 1, (
        "events alone have an identity of their own"
    )


@dataclass(frozen=True)
class LivedIn:
    """A service with something of everything; `known` are the names and ids that addresses may have."""

    key: str
    known: dict[str, str]


@pytest.fixture
def lived_in(api: FlaskClient, sandbox: Sandbox, runner: FlaskCliRunner, clock: Clock) -> LivedIn:
    provider = Provider(api)
    clock.travel_to(NOVEMBER - timedelta(days=20))
    provider.meter()
    provider.price()
    provider.customer()
    provider.send(provider.event(10_000))
    clock.travel_to(NOVEMBER)
    assert runner.invoke(args=["invoicing", "close", "--period", "2026-10"]).exit_code == 0
    provider.send(provider.event(10))
    provider.grant("50.00")
    provider.customer("leaver")

    def made(path: str, content: dict[str, Any], name: str = "id") -> str:
        answer = api.post(f"/v1{path}", json=content, headers={"Idempotency-Key": f"lived-{path}"})
        assert answer.status_code == 201, answer.text
        return str(body(answer)[name])

    plan = {"name": {"en": "Basic", "nl": "Basis"}, "price": "30.00"}
    assert api.put("/v1/plans/basic", json=plan).status_code == 201
    known = {
        "code": "tokens",
        "subscription_id": made("/customers/acme/subscriptions", {"plan": "basic"}),
        "charge_id": made("/customers/acme/charges", {"description": "Work", "amount": euros("75.00")}),
        "number": body(api.get("/v1/invoices"))["data"][0]["number"],
        "hold_id": made("/customers/acme/holds", {"amount": euros("1.00")}),
        "top_up_id": made("/customers/acme/top-ups", {"amount": euros("25.00"), "method": "ideal"}),
        "endpoint_id": made("/webhook-endpoints", {"url": "https://shop.example/"}),
    }
    return LivedIn(api.environ_base["HTTP_AUTHORIZATION"], known)


def euros(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_sent_gets_an_answer_that_was_described(
    app: Flask, lived_in: LivedIn, sandbox: Sandbox, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", app)
    failures = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        try:
            # Who is closed can do little more: somebody else leaves.
            customer = "leaver" if found.ok().path.endswith("/close") else "acme"
            fuzz(found.ok(), mode, lived_in.key, lived_in.known | {"reference": customer})
        except (AssertionError, ExceptionGroup) as failure:
            failures.append(f"{found.ok().label}: {failure}")
    assert failures == [], "\n\n".join(failures)


def test_an_address_with_a_nul_leads_nowhere(
    app: Flask, api: FlaskClient, client: FlaskClient, lived_in: LivedIn
) -> None:
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.arguments and not rule.rule.startswith("/static"):
            assert api.get(ARGUMENT.sub("x_1_%00", rule.rule)).status_code == 404, rule.rule
    for address in (
        "/v1/invoices?customer=%00",
        "/v1/customers/acme/usage?meter=a%00b",
        "/v1/invoices?%00=1",
    ):
        refused = api.get(address)
        assert (refused.status_code, body(refused)["code"]) == (422, "invalid_request"), address
    assert client.get("/sign-in?next=%00").status_code == 422


def fuzz(operation: Any, mode: GenerationMode, key: str, known: dict[str, str]) -> None:
    """Send a handful of generated requests, to what exists where the address names it."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        number = next(KEYS)
        if mode is GenerationMode.POSITIVE or number % 2:
            # What is wrong is every other time sent to what exists, so that it is not the address alone.
            case.path_parameters = {**(case.path_parameters or {}), **_existing(case, known)}
        if mode is GenerationMode.POSITIVE:
            # Every other request is about a plausible amount; each acts anew.
            if number % 2:
                case.body = plausible(case.body)
            if "Idempotency-Key" in (case.headers or {}):
                case.headers["Idempotency-Key"] = f"fuzz-{number}"
        response = case.call_and_validate(headers={"Authorization": key}, checks=CHECKS)
        assert_code_is_described(operation, response)

    check()


def plausible(content: Any) -> Any:
    """The body with each amount in it a payable one."""
    if isinstance(content, dict):
        if set(content) == {"value", "currency"}:
            return euros("12.00")
        return {name: plausible(part) for name, part in content.items()}
    return [plausible(part) for part in content] if isinstance(content, list) else content


def _existing(case: Any, known: dict[str, str]) -> dict[str, str]:
    return {name: known[name] for name in case.path_parameters or {} if name in known}


def assert_code_is_described(operation: Any, response: Any) -> None:
    said = operation.definition.raw["responses"].get(str(response.status_code), {})
    if "x-codes" in said:
        assert response.json()["code"] in said["x-codes"], (operation.label, response.text)

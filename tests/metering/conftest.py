"""A provider with meters and prices, and customers whose usage is told over the API."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.clock import utc_now
from app.customers.service import find_customer
from metering.service import CustomerFacts, TaxTreatment, set_tax_resolver

PER_TOKEN = {"model": "per_unit", "currency": "EUR", "unit_amount": "0.001"}


@pytest.fixture
def vat(app: Flask) -> dict[str, Decimal]:
    """VAT rates by country, which a test may change; 21% for all others."""
    rates: dict[str, Decimal] = {}

    def treatment(facts: CustomerFacts, _day: object) -> TaxTreatment:
        return TaxTreatment("S", rates.get(facts.country, Decimal(21)))

    set_tax_resolver(treatment)
    return rates


def body(response: TestResponse) -> dict[str, Any]:
    """The JSON object of an answer."""
    answer = response.json
    assert isinstance(answer, dict), response.text
    return answer


@dataclass
class Provider:
    """What a program of the provider does with the API."""

    api: FlaskClient
    numbers: Iterator[int] = field(default_factory=count)

    def meter(self, code: str = "tokens", **facts: Any) -> TestResponse:
        shape = {
            "event_type": "llm.completion",
            "aggregation": "sum",
            "value_property": "tokens",
            "unit": "token",
            "dimensions": ["model"],
            "name": {"en": "Tokens", "nl": "Tokens"},
        }
        return self.api.put(f"/v1/meters/{code}", json=shape | facts)

    def price(self, code: str = "tokens", **definition: Any) -> TestResponse:
        return self.api.post(f"/v1/meters/{code}/prices", json=definition or PER_TOKEN)

    def customer(self, reference: str = "acme", **facts: Any) -> int:
        shape = {"reference": reference, "name": "Acme", "email": f"{reference}@example.nl"}
        assert self.api.post("/v1/customers", json=shape | facts).status_code == 201
        return find_customer(reference).customer_id

    def event(self, tokens: object = 1, **attributes: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": f"event-{next(self.numbers)}",
            "source": "tests",
            "type": "llm.completion",
            "subject": "acme",
            "time": utc_now().isoformat(),
            "data": {"tokens": tokens, "model": "small"},
        } | attributes

    def send(self, *events: dict[str, Any]) -> dict[str, Any]:
        """Post a batch and give the answer."""
        response = self.api.post("/v1/events", json=list(events))
        assert response.status_code == 200, response.text
        return body(response)

    def send_one(self, event: dict[str, Any]) -> TestResponse:
        return self.api.post("/v1/events", json=event)

    def void(self, event: dict[str, Any]) -> TestResponse:
        return self.api.post(
            f"/v1/customers/{event['subject']}/events/void",
            json={"source": event["source"], "id": event["id"]},
        )

    def available(self, reference: str = "acme") -> Decimal:
        return Decimal(self.balance(reference)["available"])

    def balance(self, reference: str = "acme") -> dict[str, str]:
        """The balance's amounts and its state, as text."""
        answer = body(self.api.get(f"/v1/customers/{reference}/balance"))
        return {name: part["value"] if name != "state" else part for name, part in answer.items()}

    def grant(self, amount: str, reference: str = "acme", **facts: Any) -> None:
        given = self.api.post(
            f"/v1/customers/{reference}/grants",
            json={"amount": {"value": amount, "currency": "EUR"}, "reason": "Welcome"} | facts,
            headers={"Idempotency-Key": f"grant-{next(self.numbers)}"},
        )
        assert given.status_code == 201, given.text


@pytest.fixture
def bare_provider(api: FlaskClient, vat: dict[str, Decimal]) -> Provider:
    """A provider that has set up nothing yet."""
    return Provider(api)


@pytest.fixture
def provider(bare_provider: Provider) -> Provider:
    """A provider with the customer acme and tokens at € 0.001 net each."""
    assert bare_provider.meter().status_code == 201
    assert bare_provider.price().status_code == 201
    bare_provider.customer()
    return bare_provider


@pytest.fixture
def ago() -> Callable[..., str]:
    """A moment in the past as an event's time: `ago(days=3)`."""

    def moment(**durations: float) -> str:
        return (utc_now() - timedelta(**durations)).isoformat()

    return moment

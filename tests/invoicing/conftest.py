"""An AI provider with three meters, its customers, and the months they live through."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import func, select

from app.customers.models import Customer
from app.customers.service import get_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.ledger import service as ledger
from app.ledger.accounts import open_account
from app.ledger.models import Transfer
from app.ledger.service import Balance
from app.ledger.sides import Posting, Side
from invoicing import service
from invoicing.models import Invoice
from tests.fixtures.product import Clock

EURO = 1_000_000
OCTOBER = date(2026, 10, 1)
IN_OCTOBER = datetime(2026, 10, 12, 9, tzinfo=UTC)
AFTER_OCTOBER = datetime(2026, 11, 1, 5, tzinfo=UTC)
PROMPT, GENERATED, REQUESTS = 18_059_974, 245_896, 8_819

_METERS: dict[str, dict[str, Any]] = {
    "prompt_tokens": {
        "value_property": "prompt",
        "unit": "token",
        "en": "Prompt tokens",
        "nl": "Prompttokens",
    },
    "generated_tokens": {
        "value_property": "generated",
        "unit": "token",
        "en": "Generated tokens",
        "nl": "Gegenereerde tokens",
    },
    "requests": {"value_property": None, "unit": "request", "en": "Requests", "nl": "Verzoeken"},
}
_PRICES: dict[str, dict[str, Any]] = {
    "prompt_tokens": {
        "model": "graduated",
        "tiers": [
            {"up_to": "10000000", "unit_amount": "0.000002"},
            {"up_to": None, "unit_amount": "0.0000015"},
        ],
    },
    "generated_tokens": {"model": "per_unit", "unit_amount": "0.000012"},
    "requests": {"model": "per_unit", "unit_amount": "0.001"},
}


@dataclass
class Shop:
    """The provider's side of a story: customers use, pay, and are invoiced."""

    app: Flask
    api: FlaskClient
    runner: FlaskCliRunner
    clock: Clock
    run_jobs: Callable[..., int]
    sent: int = 0
    customers: dict[str, int] = field(default_factory=dict)

    def customer(self, reference: str, **facts: Any) -> int:
        given = {
            "name": f"{reference.title()} B.V.",
            "email": f"{reference}@example.nl",
            "kind": "business",
            "country": "NL",
            "locale": "nl",
        } | facts
        self.customers[reference] = in_unit_of_work(
            lambda: open_account({"reference": reference, **given}).customer_id
        )
        return self.customers[reference]

    def use(
        self,
        reference: str,
        *,
        requests: int = 1,
        prompt: int = 0,
        generated: int = 0,
        at: datetime = IN_OCTOBER,
        source: str = "test",
    ) -> list[str]:
        """Events that add up to these quantities; answers their ids."""
        events = []
        for position in range(requests):
            self.sent += 1
            first = position == 0
            events.append(
                {
                    "specversion": "1.0",
                    "id": f"event-{self.sent}",
                    "source": source,
                    "type": "llm.completion",
                    "subject": reference,
                    "time": at.isoformat(),
                    "data": {
                        "prompt": prompt // requests + (prompt % requests if first else 0),
                        "generated": generated // requests + (generated % requests if first else 0),
                    },
                }
            )
        answer = self.api.post("/v1/events", json=events)
        assert answer.get_json()["accepted"] == requests, answer.get_json()
        db.session.rollback()
        return [str(event["id"]) for event in events]

    def replay(self, reference: str) -> None:
        """A month of real use: €43.86 net, €53.07 with VAT."""
        self.use(reference, requests=REQUESTS, prompt=PROMPT, generated=GENERATED)

    def use_42_40(self, reference: str, at: datetime = IN_OCTOBER) -> list[str]:
        """The same tokens in one request: €32.09 + €2.95 net, €42.40 with VAT."""
        return self.use(reference, prompt=PROMPT, generated=GENERATED, at=at)

    def top_up(self, reference: str, euros: float, name: str = "topup-1-paid") -> None:
        self.post(reference, "top_up", Side.PSP, Side.PREPAID, euros, name=name)

    def post(self, reference: str, kind: str, debit: Side, credit: Side, euros: float, *, name: str) -> None:
        with unit_of_work():
            ledger.lock_balance(self.customers[reference])
            ledger.post(
                Posting(
                    customer_id=self.customers[reference],
                    kind=kind,
                    debit=debit,
                    credit=credit,
                    amount_micros=round(euros * EURO),
                    reference=name,
                )
            )

    def grant(self, reference: str, euros: float) -> None:
        in_unit_of_work(
            ledger.grant,
            self.customers[reference],
            round(euros * EURO),
            reason="welcome",
            reference="welcome",
        )

    def close(self, period: str = "2026-10", *options: str) -> str:
        """The command, as an operator gives it."""
        result = self.runner.invoke(args=["invoicing", "close", "--period", period, *options])
        db.session.rollback()
        db.session.expire_all()
        assert result.exit_code == 0, result.output
        return result.output

    def invoices(self, reference: str) -> list[Invoice]:
        """The oldest first, read afresh."""
        db.session.rollback()
        db.session.expire_all()
        filters = service.Filters(customer_id=self.customers[reference])
        return [listed.invoice for listed in service.page(filters)[0]][::-1]

    def invoice(self, reference: str) -> Invoice:
        (only,) = self.invoices(reference)
        return only

    def balance(self, reference: str) -> Balance:
        db.session.rollback()
        return ledger.get_balance(self.customers[reference])

    def side(self, reference: str, side: Side) -> int:
        """What stands on a side of the provider's for this customer: credits less debits, in micros."""
        db.session.rollback()
        mine = Transfer.customer_id == self.customers[reference]
        credited = select(func.coalesce(func.sum(Transfer.amount_micros), 0)).where(
            mine, Transfer.credit == side
        )
        debited = select(func.coalesce(func.sum(Transfer.amount_micros), 0)).where(
            mine, Transfer.debit == side
        )
        return int(db.session.scalar(credited) or 0) - int(db.session.scalar(debited) or 0)

    def account(self, reference: str) -> Customer:
        return get_customer(self.customers[reference])


@pytest.fixture
def shop(
    app: Flask, api: FlaskClient, runner: FlaskCliRunner, clock: Clock, run_jobs: Callable[..., int]
) -> Shop:
    """Three meters with their prices, in the middle of October."""
    clock.travel_to(IN_OCTOBER + timedelta(days=3))
    for code, meter in _METERS.items():
        body = {
            "event_type": "llm.completion",
            "aggregation": "sum" if meter["value_property"] else "count",
            "value_property": meter["value_property"],
            "unit": meter["unit"],
            "dimensions": [],
            "name": {"en": meter["en"], "nl": meter["nl"]},
        }
        assert api.put(f"/v1/meters/{code}", json=body).status_code in {200, 201}
        price = {"currency": "EUR", "effective_from": None, "when": None, **_PRICES[code]}
        answer = api.post(f"/v1/meters/{code}/prices", json=price)
        assert answer.status_code == 201, answer.get_json()
    db.session.rollback()
    return Shop(app, api, runner, clock, run_jobs)

"""A customer with a history, told through the API and the engine as it would really happen."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from app.clock import utc_now
from app.db import unit_of_work
from app.ledger.service import grant, lock_balance, post
from app.ledger.sides import Posting, Side
from metering.usage import roll_up

METERS = (
    ("prompt-tokens", "sum", "prompt_tokens", {"en": "Prompt tokens", "nl": "Prompttokens"}, "0.000002"),
    (
        "generated-tokens",
        "sum",
        "generated_tokens",
        {"en": "Generated tokens", "nl": "Gegenereerde tokens"},
        "0.000012",
    ),
    ("requests", "count", None, {"en": "Requests", "nl": "Verzoeken"}, "0.001"),
)


def meters(api: FlaskClient) -> None:
    """Three meters on one event type, each with a price."""
    for code, aggregation, value, name, price in METERS:
        meter: dict[str, Any] = {
            "event_type": "llm.completion",
            "aggregation": aggregation,
            "value_property": value,
            "unit": "token" if value else "request",
            "dimensions": [],
            "name": name,
        }
        answer = api.put(f"/v1/meters/{code}", json=meter)
        assert answer.status_code in {200, 201}, answer.text
        body = {
            "currency": "EUR",
            "model": "per_unit",
            "effective_from": None,
            "when": None,
            "unit_amount": price,
        }
        answer = api.post(f"/v1/meters/{code}/prices", json=body)
        assert answer.status_code in {200, 201}, answer.text


def use(api: FlaskClient, reference: str, *, days: int, prompt: int = 400_000, name: str = "e") -> None:
    """An event every six hours for as many days, the last of them now."""
    events = [
        {
            "specversion": "1.0",
            "id": f"{name}-{number}",
            "source": "tests",
            "type": "llm.completion",
            "subject": reference,
            "time": (utc_now() - timedelta(hours=6 * number)).isoformat(),
            "data": {
                "prompt_tokens": prompt + 90_000 * (number % 5),
                "generated_tokens": 20_000 + 7_000 * (number % 7),
            },
        }
        for number in reversed(range(days * 4))
    ]
    answer = api.post("/v1/events", json=events)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["rejected"] == []
    with unit_of_work():
        roll_up()


def money_in(customer_id: int, euros: int, reference: str = "topup-by-hand") -> None:
    with unit_of_work():
        lock_balance(customer_id)
        post(
            Posting(
                customer_id=customer_id,
                kind="top_up",
                debit=Side.PSP,
                credit=Side.PREPAID,
                amount_micros=euros * 1_000_000,
                reference=reference,
            )
        )


def welcome_credit(customer_id: int, euros: int = 5) -> None:
    with unit_of_work():
        grant(
            customer_id,
            euros * 1_000_000,
            reason="Welcome",
            reference="welcome",
            expires_at=utc_now() + timedelta(days=39),
        )


def charges(api: FlaskClient, reference: str) -> dict[str, str]:
    """Two subscriptions, a third one cancelled, and a one-off charge with its file; their ids."""
    here = f"/v1/customers/{reference}"
    for code, price in (("basic", "30.00"), ("large", "62.00")):
        plan = {"name": {"en": code.title(), "nl": code.title()}, "price": price}
        assert api.put(f"/v1/plans/{code}", json=plan).status_code == 201
    made = [
        api.post(f"{here}/subscriptions", json={"plan": code}, headers={"Idempotency-Key": f"subscribe-{n}"})
        for n, code in enumerate(("basic", "large", "basic"))
    ]
    ids = [str(answer.get_json()["id"]) for answer in made]
    cancelled = api.post(
        f"{here}/subscriptions/{ids[2]}/cancel", json={}, headers={"Idempotency-Key": "cancel"}
    )
    assert cancelled.status_code == 200, cancelled.text
    charge = {
        "description": "Moving a site",
        "amount": {"value": "75.00", "currency": "EUR"},
        "billed": "at_once",
        "attachment": {"filename": "order.pdf", "content": b64encode(b"%PDF-1.7").decode()},
    }
    answer = api.post(f"{here}/charges", json=charge, headers={"Idempotency-Key": "charge"})
    assert answer.status_code == 201, answer.text
    return {"subscription_id": ids[0], "charge_id": str(answer.get_json()["id"])}

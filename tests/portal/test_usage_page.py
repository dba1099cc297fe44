"""The page of usage: by meter and dimension, beside as many days before, and the same as a file."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.clock import utc_now
from app.db import in_unit_of_work
from metering.usage import roll_up
from tests.fixtures.product import Clock
from tests.portal.people import customer_with_user, sign_in

METERS: dict[str, dict[str, Any]] = {
    "tokens": {"event_type": "llm", "aggregation": "sum", "value_property": "tokens", "unit": "token"},
    "calls": {"event_type": "call", "aggregation": "count", "value_property": None, "unit": "call"},
}


@pytest.fixture
def used(api: FlaskClient, client: FlaskClient, clock: Clock) -> FlaskClient:
    """Tokens of two models now and of one eight days ago, and a call; answers somebody who may look."""
    customer_with_user()
    for code, facts in METERS.items():
        meter = facts | {"dimensions": ["model"], "name": {"en": code.title(), "nl": f"{code.title()}-nl"}}
        assert api.put(f"/v1/meters/{code}", json=meter).status_code in (200, 201)
        price = {"currency": "EUR", "model": "per_unit", "unit_amount": "0.10"}
        assert api.post(f"/v1/meters/{code}/prices", json=price).status_code == 201
    clock.travel_to(utc_now().replace(day=20))
    now = utc_now()
    for number, (kind, days, tokens, model) in enumerate(
        (("llm", 8, 10, "large"), ("llm", 0, 30, "large"), ("llm", 0, 20, "small"), ("call", 0, 0, None))
    ):
        data = {"tokens": tokens} | ({"model": model} if model else {})
        event = {"specversion": "1.0", "id": f"e{number}", "source": "tests", "type": kind, "subject": "acme"}
        answer = api.post(
            "/v1/events", json=event | {"time": (now - timedelta(days=days)).isoformat(), "data": data}
        )
        assert answer.status_code == 200, answer.text
    in_unit_of_work(roll_up)
    sign_in(client, "acme@tegoed.example")
    return client


def rows(client: FlaskClient, address: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(address).text)))


def test_the_file_has_the_figures_of_the_page(used: FlaskClient) -> None:
    found = rows(used, "/usage.csv?period=7")
    amounts = {row["Meter"]: Decimal(row["Amount including VAT"]) for row in found}
    assert amounts == {"Tokens": Decimal("6.05"), "Calls": Decimal("0.121")}
    page = used.get("/usage?period=7").text.replace("\u00a0", " ")
    assert "€6.05" in page
    assert "€6.17" in page  # both together


def test_a_meter_can_be_split_by_its_dimension(used: FlaskClient) -> None:
    found = rows(used, "/usage.csv?period=7&meter=tokens&by=model")
    assert {row["model"]: row["Quantity"] for row in found} == {"large": "30.00", "small": "20.00"}
    page = used.get("/usage?period=7&meter=tokens&by=model").text
    assert "large" in page
    assert "small" in page
    assert "Calls" in page  # as a choice


def test_a_period_stands_beside_as_many_days_before(used: FlaskClient) -> None:
    page = used.get("/usage?period=7&meter=tokens").text.replace("\u00a0", " ")
    assert "€1.21" in page
    assert "+ €4.84" in page


def test_a_meter_that_does_not_exist_is_left_out(used: FlaskClient) -> None:
    for query in (
        "meter=nothing",
        "meter=tokens&by=nothing",
        "by=model",
        "period=never",
    ):
        assert used.get(f"/usage?{query}").status_code == 200
        assert used.get(f"/usage.csv?{query}").status_code == 200
    for query in ("meter=%00", "meter=tokens&by=%00"):
        assert used.get(f"/usage?{query}").status_code == 422
        assert used.get(f"/usage.csv?{query}").status_code == 422


def test_who_is_invoiced_by_the_half_month_may_look_at_halves(
    used: FlaskClient, api: FlaskClient, clock: Clock
) -> None:
    assert "half month" not in used.get("/usage").text
    assert api.patch("/v1/customers/acme", json={"billing_cycle": "half_monthly"}).status_code == 200
    # A new cycle holds from the next month on: on its 20th the second half runs.
    first = (utc_now().replace(day=1) + timedelta(days=32)).replace(day=1)
    clock.travel_to(first.replace(day=20))
    for day in (14, 18):
        event = {"specversion": "1.0", "id": f"h{day}", "source": "tests", "type": "llm", "subject": "acme"}
        body = event | {"time": first.replace(day=day).isoformat(), "data": {"tokens": day}}
        assert api.post("/v1/events", json=body).status_code == 200
    in_unit_of_work(roll_up)
    for period, first_day, last_day, tokens in (("period", 16, 20, "18.00"), ("last", 1, 15, "14.00")):
        page = used.get(f"/usage?period={period}").text
        assert f"start={first:%Y-%m}-{first_day:02d}" in page
        assert f"end={first:%Y-%m}-{last_day + 1:02d}" in page
        rows = list(csv.reader(io.StringIO(used.get(f"/usage.csv?period={period}").text.lstrip("\ufeff"))))
        assert [row[2] for row in rows[1:]] == [tokens]

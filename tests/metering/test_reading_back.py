"""Usage read back by day, hour, meter and dimension, and the events behind each figure."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import text

from app.clock import utc_now
from app.db import db, unit_of_work
from metering import event_log
from metering.event_log import Wanted
from metering.usage import roll_up
from tests.fixtures.product import Clock, LiveApp
from tests.metering.conftest import Provider, body

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def used(provider: Provider, clock: Clock) -> Provider:
    """Three hours of usage of two models, rolled up but for the last event."""
    clock.freeze(NOON)
    for hours, tokens, model in ((2, 100, "small"), (1, 200, "large"), (1, 50, "small"), (26, 10, "large")):
        at = (NOON - timedelta(hours=hours, minutes=30)).isoformat()
        provider.send(provider.event(tokens, time=at, data={"tokens": tokens, "model": model}))
    clock.freeze(NOON + timedelta(minutes=2))
    with unit_of_work():
        roll_up()
    provider.send(provider.event(7, id="fresh", time=NOON.isoformat()))
    return provider


def rows(provider: Provider, query: str = "") -> list[dict[str, Any]]:
    answer = body(provider.api.get(f"/v1/customers/acme/usage?{query}"))
    found: list[dict[str, Any]] = answer["data"]
    return found


def events(provider: Provider, query: str = "") -> list[dict[str, Any]]:
    answer = body(provider.api.get(f"/v1/customers/acme/events?{query}"))
    found: list[dict[str, Any]] = answer["data"]
    return found


def exported(provider: Provider, query: str = "") -> list[dict[str, str]]:
    answer = provider.api.get(f"/v1/customers/acme/events.csv?{query}")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def charged(found: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(row["charge"]["value"]) for row in found), Decimal(0))


@pytest.mark.parametrize("query", ["", "by=hour", "group_by=model", "by=hour&group_by=model", "meter=tokens"])
def test_however_usage_is_read_it_adds_up_to_what_was_debited(used: Provider, query: str) -> None:
    assert charged(rows(used, query)) == -used.available() == Decimal("0.44407")


def test_usage_by_the_hour_and_dimension(used: Provider) -> None:
    found = [
        (row["hour"], row["dimensions"]["model"], row["quantity"])
        for row in rows(used, "by=hour&group_by=model&start=2026-11-20&end=2026-11-21")
    ]
    assert found == [
        ("2026-11-20T09:00:00+00:00", "small", "100"),
        ("2026-11-20T10:00:00+00:00", "large", "200"),
        ("2026-11-20T10:00:00+00:00", "small", "50"),
        ("2026-11-20T12:00:00+00:00", None, "7"),
    ]


def test_each_row_of_usage_leads_to_its_events(used: Provider) -> None:
    with unit_of_work():
        roll_up()
    for query in ("", "by=hour", "group_by=model", "by=hour&group_by=model"):
        for row in rows(used, query):
            behind = body(used.api.get(row["events_url"]))["data"]
            assert len(behind) == row["events"]
            assert sum(Decimal(one["charges"][0]["charge"]["value"]) for one in behind) == charged([row])


def test_events_are_listed_by_time_in_pages_as_they_came(used: Provider) -> None:
    whole = events(used)
    assert [one["data"]["tokens"] for one in whole] == [10, 100, 200, 50, 7]
    seen: list[dict[str, Any]] = []
    path = "/v1/customers/acme/events?limit=2"
    answer = body(used.api.get(path))
    while answer["next_cursor"]:
        seen += answer["data"]
        answer = body(used.api.get(f"{path}&cursor={answer['next_cursor']}"))
    assert seen + answer["data"] == whole
    assert whole[-1]["charges"][0]["charge"] == {"value": "0.00847", "currency": "EUR"}


def test_the_export_has_every_event_with_its_charge_and_its_data(used: Provider) -> None:
    used.void({"subject": "acme", "source": "tests", "id": "fresh"})
    lines = exported(used)
    assert len(lines) == 5
    total = sum(Decimal(line["charge"]) + Decimal(line["returned"]) for line in lines)
    assert total == -used.available()
    (voided,) = (line for line in lines if line["voided_at"])
    assert (voided["id"], voided["returned"]) == ("fresh", "-0.00847")
    assert voided["data"] == '{"model":"small","tokens":7}'


def test_filters_by_period_meter_price_and_dimension(used: Provider) -> None:
    used.meter("calls", aggregation="count", unit="call", name={"en": "Calls", "nl": "Verzoeken"})
    used.price("calls", model="per_unit", unit_amount="0.5")
    used.send(used.event(1, id="both"))
    (tokens,) = body(used.api.get("/v1/meters/tokens/prices"))["data"]
    assert [line["id"] for line in exported(used, "meter=calls")] == ["both"]
    assert {line["meter"] for line in exported(used, f"price={tokens['id']}")} == {"tokens"}
    assert len(exported(used)) == 7
    assert len(events(used, "dimensions=%7B%22model%22%3A%22large%22%7D")) == 2
    assert len(events(used, "period=2026-11")) == 6
    assert events(used, "period=2026-10") == []
    assert used.api.get("/v1/customers/acme/events?meter=nothing").status_code == 404


def test_what_came_after_the_close_is_found_as_late(provider: Provider, clock: Clock) -> None:
    from metering import service

    clock.freeze(NOON)
    customer_id = provider.customer("late")
    provider.send(provider.event(10, subject="late"))
    clock.freeze(NOON + timedelta(days=12))
    with unit_of_work():
        service.begin_close(customer_id, date(2026, 11, 1))
        service.finish_close(customer_id, date(2026, 11, 1))
    clock.freeze(NOON + timedelta(days=12, hours=1))
    provider.send(provider.event(5, id="too late", subject="late", time=NOON.isoformat()))
    answer = body(provider.api.get("/v1/customers/late/events?period=2026-11&late=true"))
    assert [one["id"] for one in answer["data"]] == ["too late"]
    assert len(body(provider.api.get("/v1/customers/late/events?period=2026-11"))["data"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        "start=0001-01-01&end=0001-02-01",
        "start=9999-12-31T23:00:00-12:00",
        "start=yesterday",
        "period=2026-13",
        "period=0001-01",
        "price=all",
        "dimensions=large",
        "dimensions=%7B%22a%22%3A%22%00%22%7D",
        "late=perhaps",
        "cursor=AAAA",
        "cursor=é",
        "limit=0",
    ],
)
def test_filters_that_make_no_sense_are_named(provider: Provider, query: str) -> None:
    answer = provider.api.get(f"/v1/customers/acme/events?{query}")
    assert answer.status_code == 422
    assert body(answer)["field"] == query.partition("=")[0]


@pytest.mark.parametrize(
    "query", ["by=week", "group_by=a,a", "start=0001-01-01&end=0001-01-02", "end=2020-01-01"]
)
def test_usage_refuses_what_it_cannot_split(provider: Provider, query: str) -> None:
    assert provider.api.get(f"/v1/customers/acme/usage?{query}").status_code == 422


def test_a_large_export_is_streamed_in_chunks(
    provider: Provider, live_app: LiveApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.send(provider.event(1, id="first"))
    with unit_of_work():
        db.session.execute(text(COPIES), {"count": 5000})
    key = provider.api.environ_base["HTTP_AUTHORIZATION"]
    request = Request(f"{live_app.url}/v1/customers/acme/events.csv", headers={"Authorization": key})  # noqa: S310 -- our own server
    with urlopen(request, timeout=20) as answer:  # noqa: S310 -- likewise
        assert answer.headers["Content-Length"] is None
        assert sum(1 for _ in answer) == 5002
    wanted = Wanted(customer_id=provider_customer(), start=utc_now() - timedelta(days=1))
    chunks = event_log.csv_lines(wanted)
    sizes = [len(chunk.splitlines()) for chunk in chunks]
    assert max(sizes) <= event_log.CHUNK
    assert sum(sizes) == 5002


def provider_customer() -> int:
    from app.customers.service import find_customer

    return find_customer("acme").customer_id


COPIES = """
INSERT INTO usage_event
SELECT (e).* FROM (
    SELECT jsonb_populate_record(e, jsonb_build_object('event_id', 'copy-' || n)) AS e
    FROM usage_event e, generate_series(1, :count) AS n
) AS copies
"""

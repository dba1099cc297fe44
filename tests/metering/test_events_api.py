"""`POST /v1/events`: what is taken, what is refused and in which words, and that nothing is half done."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clock import utc_now
from tests.metering.conftest import Provider, body

TOKEN = Decimal("0.00121")


def test_an_event_debits_the_balance_with_vat_and_the_answer_says_what_is_left(provider: Provider) -> None:
    answer = body(provider.send_one(provider.event(1000)))
    assert answer == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [],
        "balances": {"acme": {"available": {"value": "-1.21", "currency": "EUR"}, "state": "exhausted"}},
    }
    assert provider.available() == Decimal("-1.21")


def test_a_batch_is_recorded_whole_and_again_is_a_batch_of_duplicates(provider: Provider) -> None:
    events = [provider.event(number) for number in range(50)]
    first, second = provider.send(*events), provider.send(*events)
    assert (first["accepted"], first["duplicates"]) == (50, 0)
    assert (second["accepted"], second["duplicates"]) == (0, 50)
    assert provider.available() == -TOKEN * sum(range(50))
    assert second["balances"] == first["balances"]


def test_twins_in_one_batch_count_once(provider: Provider) -> None:
    event = provider.event(10)
    answer = provider.send(event, dict(event), event | {"data": {"tokens": 11}})
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [(2, "conflict")]
    assert provider.available() == -10 * TOKEN


def test_the_same_content_written_otherwise_is_a_duplicate(provider: Provider) -> None:
    data = {"model": "small", "tokens": 10}
    at = utc_now().replace(microsecond=0)
    event = provider.event(id="two", time=at.isoformat(), data=data)
    elsewhere = at.astimezone(ZoneInfo("Asia/Tokyo")).isoformat()
    again = event | {"time": elsewhere, "data": dict(reversed(data.items()))}
    assert provider.send(event)["accepted"] == 1
    assert provider.send(again)["duplicates"] == 1


def test_the_same_id_with_another_body_is_a_conflict_and_is_not_debited(provider: Provider) -> None:
    event = provider.event(10)
    provider.send(event)
    refused = provider.send_one(event | {"data": {"tokens": 1_000_000}})
    assert (refused.status_code, body(refused)["code"]) == (409, "conflict")
    assert provider.available() == -10 * TOKEN


def test_another_source_may_use_the_same_id(provider: Provider) -> None:
    event = provider.event(10)
    assert provider.send(event, event | {"source": "elsewhere"})["accepted"] == 2


def test_one_event_may_feed_several_meters(provider: Provider) -> None:
    provider.meter(
        "requests", aggregation="count", unit="request", name={"en": "Requests", "nl": "Verzoeken"}
    )
    provider.price("requests", model="per_unit", unit_amount="0.5")
    provider.send(provider.event(100), provider.event(100))
    assert provider.available() == Decimal("-1.452")


def test_a_meter_without_a_price_is_not_in_use_while_another_counts_the_event(provider: Provider) -> None:
    provider.meter("requests", aggregation="count", unit="request")
    assert provider.send(provider.event(100))["accepted"] == 1


BAD_EVENTS: list[tuple[dict[str, Any], str, int]] = [
    ({"subject": "nobody"}, "unknown_customer", 404),
    ({"subject": "house"}, "unknown_customer", 404),
    ({"subject": "a\x00b"}, "unknown_customer", 404),
    ({"type": "unheard.of"}, "no_meter", 422),
    ({"type": "unpriced"}, "no_price", 422),
    ({"id": ""}, "missing_id", 422),
    ({"source": None}, "missing_source", 422),
    ({"type": None}, "missing_type", 422),
    ({"subject": None}, "missing_subject", 422),
    ({"time": None}, "missing_time", 422),
    ({"time": "yesterday"}, "invalid_time", 422),
    ({"time": "2026-11-01T10:00:00"}, "invalid_time", 422),
    ({"time": "2999-01-01T10:00:00Z"}, "time_ahead", 422),
    ({"time": "2019-01-01T10:00:00Z"}, "time_too_old", 422),
    ({"time": "0001-01-01T00:00:00+14:00"}, "time_too_old", 422),
    ({"data": {"tokens": -1}}, "invalid_quantity", 422),
    ({"data": {"tokens": "many"}}, "invalid_quantity", 422),
    ({"data": {"tokens": True}}, "invalid_quantity", 422),
    ({"data": {"tokens": None}}, "invalid_quantity", 422),
    ({"data": {"tokens": 10**15}}, "invalid_quantity", 422),
    ({"data": {"tokens": 1e-13}}, "invalid_quantity", 422),
    ({"data": {"tokens": [1]}}, "invalid_quantity", 422),
    ({"data": {}}, "invalid_quantity", 422),
    ({"data": 7}, "invalid_quantity", 422),
    ({"data": {"tokens": 1, "model": ["large"]}}, "invalid_dimension", 422),
    ({"data": {"tokens": 1, "model": "x" * 129}}, "invalid_dimension", 422),
    ({"data": {"tokens": 1, "note": "a\x00b"}}, "invalid_event", 422),
    ({"data": {"tokens": 1, "note": "x" * 20_000}}, "data_too_large", 422),
    ({"data": {"tokens": 10**14}}, "charge_too_large", 422),
    ({"id": "x" * 129}, "too_long", 422),
    ({"source": "x" * 257}, "too_long", 422),
    ({"id": "a\x00b"}, "too_long", 422),
    ({"id": 7}, "invalid_event", 422),
    ({"specversion": "0.3"}, "invalid_specversion", 422),
    ({"data_base64": "eyJ0b2tlbnMiOiAxfQ=="}, "invalid_event", 422),
    ({"data": None, "data_base64": "AAAA"}, "invalid_event", 422),
    ({"data": None, "data_base64": "not Base64"}, "invalid_event", 422),
]


@pytest.fixture
def strict_provider(provider: Provider) -> Provider:
    """The provider with a meter that has no price."""
    assert provider.meter("unpriced", event_type="unpriced").status_code == 201
    return provider


def test_each_bad_event_is_refused_by_its_own_code_and_changes_nothing(strict_provider: Provider) -> None:
    provider = strict_provider
    for wrong, code, status in BAD_EVENTS:
        refused = provider.send_one(provider.event() | wrong)
        assert (refused.status_code, body(refused)["code"]) == (status, code), wrong
        assert refused.mimetype == "application/problem+json"
        assert body(refused)["detail"]
    assert provider.available() == 0
    assert body(provider.api.get("/v1/customers/acme/transactions"))["data"] == []


def test_data_in_base64_is_the_same_event_as_its_json(provider: Provider) -> None:
    event = provider.event(120)
    packed = base64.b64encode(json.dumps(event["data"]).encode()).decode()
    plain = {name: value for name, value in event.items() if name != "data"}
    taken = provider.send_one(plain | {"data_base64": packed})
    assert (taken.status_code, body(taken)["accepted"]) == (200, 1)
    assert body(provider.send_one(event))["duplicates"] == 1


def test_bad_events_in_a_batch_never_refuse_the_good_ones(strict_provider: Provider) -> None:
    provider = strict_provider
    batch = []
    for wrong, _code, _status in BAD_EVENTS:
        batch += [provider.event(10), provider.event() | wrong]
    batch += [7, "text", None, []]  # type: ignore[list-item]  # these are no events at all
    answer = provider.send(*batch)
    assert answer["accepted"] == len(BAD_EVENTS)
    codes = [one["code"] for one in answer["rejected"]]
    assert codes == [code for _wrong, code, _status in BAD_EVENTS] + ["invalid_event"] * 4
    assert [one["index"] for one in answer["rejected"]][:2] == [1, 3]
    assert provider.available() == -10 * TOKEN * len(BAD_EVENTS)


BAD_BODIES = [
    (b"[]", "application/json", 422, "empty_batch"),
    (b"{", "application/json", 400, "invalid_json"),
    (b"", "application/json", 400, "invalid_json"),
    (b'[{"id": "\xff"}]', "application/json", 400, "invalid_json"),
    (b'[{"unlooked": "\xff"}]', "application/json", 400, "invalid_json"),
    (b'[{"id": "\\ud800"}]', "application/json", 400, "invalid_json"),
    (b"[" * 100_000, "application/json", 400, "invalid_json"),
    (b'{"data": ' + b"[" * 5000 + b"]" * 5000 + b"}", "application/json", 400, "invalid_json"),
    (b'{"data": ' + b"9" * 5000 + b"}", "application/json", 422, "invalid_event"),
    (b"{}", "application/cloudevents-batch+json", 400, "invalid_json"),
    (b"[]", "application/cloudevents+json", 400, "invalid_json"),
    (b"id=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    (b"{}", "text/plain", 415, "unsupported_media_type"),
    (b"[" + b"{}," * 10_000 + b"{}]", "application/json", 413, "too_many_events"),
    (b'["' + b"x" * 20_000_000 + b'"]', "application/json", 413, "too_large"),
]


def test_a_body_that_is_no_events_is_refused_whole(provider: Provider) -> None:
    for content, kind, status, code in BAD_BODIES:
        refused = provider.api.post("/v1/events", data=content, content_type=kind)
        assert (refused.status_code, body(refused)["code"]) == (status, code), content[:20]
    assert provider.available() == 0


def test_ten_thousand_events_are_taken_at_once(provider: Provider) -> None:
    answer = provider.send(*[provider.event(1) for _ in range(10_000)])
    assert answer["accepted"] == 10_000
    assert provider.available() == -10_000 * TOKEN


def test_without_a_valid_key_nothing_is_taken(client: FlaskClient) -> None:
    for header in (None, "Bearer wrong", "Basic abc", "Bearer tgd_aaaa_bbbb"):
        headers = {"Authorization": header} if header else {}
        refused = client.post("/v1/events", json=[{}], headers=headers)
        assert (refused.status_code, body(refused)["code"]) == (401, "unauthorized")


def test_an_event_close_to_a_months_end_is_found_in_the_neighbouring_month(
    provider: Provider, clock: Any
) -> None:
    clock.travel_to(utc_now().replace(year=2026, month=12, day=2, hour=12))
    november = provider.event(10, time="2026-11-30T20:00:00Z")
    assert provider.send(november)["accepted"] == 1
    moved = provider.send(november | {"time": "2026-12-01T03:00:00Z"})
    assert [one["code"] for one in moved["rejected"]] == ["conflict"]


@pytest.mark.parametrize(("recorded", "again"), [("10-28", "11-20"), ("11-20", "10-28"), ("10-17", "11-21")])
def test_an_id_is_known_in_every_month_that_events_are_taken_of(
    provider: Provider, clock: Any, recorded: str, again: str
) -> None:
    clock.travel_to(utc_now().replace(year=2026, month=11, day=21, hour=12))
    event = provider.event(10, time=f"2026-{recorded}T13:00:00Z")
    assert provider.send(event)["accepted"] == 1
    refused = provider.send_one(event | {"time": f"2026-{again}T11:00:00Z"})
    assert (refused.status_code, body(refused)["code"]) == (409, "conflict")
    assert provider.available() == -10 * TOKEN


def test_promotional_credit_pays_before_prepaid(provider: Provider) -> None:
    provider.grant("1.00", priority=2)
    provider.grant("0.50", priority=1)
    provider.send(provider.event(1000))
    assert (provider.balance()["promotional"], provider.balance()["prepaid"]) == ("0.29", "0.00")
    grants = body(provider.api.get("/v1/customers/acme/grants"))["data"]
    assert sorted(grant["remaining"]["value"] for grant in grants) == ["0.00", "0.29"]
    provider.send(provider.event(1000))
    assert (provider.balance()["promotional"], provider.balance()["prepaid"]) == ("0.00", "-0.92")


def test_an_expired_grant_pays_nothing(provider: Provider, clock: Any) -> None:
    provider.grant("5.00", expires_at=(utc_now() + timedelta(hours=1)).isoformat())
    clock.travel_to(utc_now() + timedelta(hours=2))
    provider.send(provider.event(1000))
    assert (provider.balance()["promotional"], provider.balance()["prepaid"]) == ("5.00", "-1.21")


def test_a_voided_event_gives_back_what_it_cost_once(provider: Provider) -> None:
    event = provider.event(1000)
    provider.send(event, provider.event(10))
    first, again = provider.void(event), provider.void(event)
    assert first.status_code == again.status_code == 200
    assert body(first)["returned"] == body(again)["returned"] == {"value": "1.21", "currency": "EUR"}
    assert provider.available() == -10 * TOKEN
    assert provider.send(event)["duplicates"] == 1


def test_what_was_never_recorded_cannot_be_voided(provider: Provider) -> None:
    refused = provider.void(provider.event())
    assert (refused.status_code, body(refused)["code"]) == (404, "unknown_event")


def test_a_void_returns_promotional_credit_to_its_grant_and_never_as_cash(provider: Provider) -> None:
    provider.grant("1.00")
    event = provider.event(1000)
    provider.send(event)
    provider.void(event)
    assert (provider.balance()["promotional"], provider.balance()["prepaid"]) == ("1.00", "0.00")


def test_usage_is_read_back_per_day_at_once_and_after_the_roll_up(
    app: Flask, provider: Provider, ago: Callable[..., str], clock: Any
) -> None:
    from metering.jobs import roll_up

    clock.travel_to(utc_now().replace(day=20, hour=12))
    provider.send(provider.event(100, time=ago(days=2)), provider.event(10), provider.event(5))

    def days() -> list[tuple[str, int, str]]:
        rows = body(provider.api.get("/v1/customers/acme/usage"))["data"]
        return [(row["quantity"], row["events"], row["charge"]["value"]) for row in rows]

    assert days() == [("115", 3, "0.13915")]
    roll_up()
    assert days() == [("100", 1, "0.121"), ("15", 2, "0.01815")]
    voided = provider.event(7)
    provider.send(voided)
    assert days() == [("100", 1, "0.121"), ("22", 3, "0.02662")]
    roll_up()
    provider.void(voided)
    roll_up()
    assert days() == [("100", 1, "0.121"), ("15", 2, "0.01815")]

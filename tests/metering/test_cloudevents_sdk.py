"""The CloudEvents SDK as a client, over real HTTP: structured, batched, and binary mode."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from app.clock import utc_now
from tests.fixtures.product import LiveApp
from tests.metering.conftest import Provider

TOKEN = Decimal("0.00121")


def event(number: int, **attributes: Any) -> CloudEvent:
    known = {
        "id": f"sdk-{number}",
        "source": "https://meters.example/amsterdam",
        "type": "llm.completion",
        "subject": "acme",
        "time": utc_now().replace(microsecond=0),
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes=known | attributes, data={"tokens": 100, "model": "größe"})


@pytest.fixture
def send(provider: Provider, live_app: LiveApp) -> Any:
    def post(headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
        known = {"Authorization": provider.api.environ_base["HTTP_AUTHORIZATION"]}
        request = Request(f"{live_app.url}/v1/events", content, {**headers, **known}, method="POST")  # noqa: S310 -- our own server
        with urlopen(request, timeout=10) as answer:  # noqa: S310 -- likewise
            found: dict[str, Any] = json.load(answer)
        return found

    return post


@pytest.mark.parametrize("mode", [to_structured_event, to_binary_event])
def test_one_event_in_either_mode_counts_and_again_is_a_duplicate(
    provider: Provider, send: Any, mode: Any
) -> None:
    message = mode(event(1))
    assert send(message.headers, message.body)["accepted"] == 1
    assert send(message.headers, message.body)["duplicates"] == 1
    assert provider.available() == -100 * TOKEN


def test_the_two_modes_say_the_same_event(provider: Provider, send: Any) -> None:
    at = utc_now()
    for mode, counted in ((to_structured_event, "accepted"), (to_binary_event, "duplicates")):
        message = mode(event(1, time=at))
        assert send(message.headers, message.body)[counted] == 1
    assert provider.available() == -100 * TOKEN


@pytest.mark.parametrize("mode", [to_structured_event, to_binary_event])
@pytest.mark.parametrize(
    "attributes",
    [
        {"source": "/meter/größe 1 %20"},
        {"id": 'with "quotes", commas and 日本'},
        {"time": datetime.fromisoformat("2026-11-20T13:00:00.123456+05:30")},
        {"datacontenttype": "application/vnd.acme.usage+json"},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "sequence": "17"},
    ],
)
def test_attributes_arrive_as_the_sdk_sends_them(
    provider: Provider, send: Any, mode: Any, attributes: dict[str, Any]
) -> None:
    message = mode(event(1, **attributes))
    assert send(message.headers, message.body)["accepted"] == 1
    answer = provider.api.get("/v1/customers/acme/events?start=2026-11-01").json
    assert answer is not None
    (stored,) = answer["data"]
    for name in ("source", "id"):
        assert stored[name] == event(1, **attributes).get_attributes()[name]
    assert datetime.fromisoformat(stored["time"]) == message_time(attributes, stored)


def message_time(attributes: dict[str, Any], stored: dict[str, Any]) -> datetime:
    moment: datetime = attributes.get("time") or datetime.fromisoformat(stored["time"])
    return moment


def test_a_batch_of_events_counts_each(provider: Provider, send: Any) -> None:
    # The SDK writes events one by one; a batch is their JSON in an array.
    bodies = [to_structured_event(event(number)).body for number in range(20)]
    headers = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    content = b"[" + b",".join(bodies) + b"]"
    assert send(headers, content)["accepted"] == 20
    assert send(headers, content)["duplicates"] == 20
    assert provider.available() == -20 * 100 * TOKEN

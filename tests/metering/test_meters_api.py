"""Meters and prices: how they are kept, what is refused, and that a period keeps what it began with."""

from decimal import Decimal
from typing import Any

import pytest

from app.clock import utc_now
from tests.metering.conftest import PER_TOKEN, Provider, body


def test_a_meter_is_made_changed_and_listed(bare_provider: Provider) -> None:
    made = bare_provider.meter()
    assert (made.status_code, body(made)["name"]) == (201, {"en": "Tokens", "nl": "Tokens"})
    changed = bare_provider.meter(name={"en": "Words", "nl": "Woorden"}, unit="word")
    assert changed.status_code == 200
    listed = body(bare_provider.api.get("/v1/meters"))
    assert listed == {"data": [body(changed)], "next_cursor": None}


BAD_METERS: list[tuple[dict[str, Any], str]] = [
    ({"aggregation": "median"}, "aggregation"),
    ({"value_property": None}, "value_property"),
    ({"event_type": "two words"}, "event_type"),
    ({"unit": ""}, "unit"),
    ({"dimensions": ["a", "a"]}, "dimensions"),
    ({"dimensions": "model"}, "dimensions"),
    ({"dimensions": list("abcdef")}, "dimensions"),
    ({"name": {"en": "Tokens"}}, "name"),
    ({"colour": "green"}, "colour"),
]


def test_a_wrong_meter_is_refused_by_the_name_of_its_field(bare_provider: Provider) -> None:
    for wrong, field in BAD_METERS:
        refused = bare_provider.meter(**wrong)
        assert (refused.status_code, body(refused)["field"]) == (422, field), wrong
    assert bare_provider.meter("no spaces please").status_code == 422


def test_after_its_first_event_a_meter_keeps_its_way_of_counting(provider: Provider) -> None:
    assert provider.meter(value_property="words").status_code == 200
    assert provider.meter(value_property="tokens").status_code == 200
    provider.send(provider.event())
    refused = provider.meter(value_property="words")
    assert (refused.status_code, body(refused)["code"]) == (409, "meter_in_use")
    assert provider.meter(name={"en": "Words", "nl": "Woorden"}).status_code == 200


def test_after_its_first_event_a_meter_keeps_its_dimensions(provider: Provider) -> None:
    assert provider.meter(dimensions=["model", "region"]).status_code == 200
    provider.send(provider.event(10, data={"tokens": 10, "model": "large", "region": "eu"}))
    refused = provider.meter(dimensions=["model"])
    assert (refused.status_code, body(refused)["code"]) == (409, "meter_in_use")
    assert body(refused)["field"] == "dimensions"
    assert provider.meter(dimensions=["model", "region"]).status_code == 200
    assert body(provider.api.get("/v1/meters"))["data"][0]["dimensions"] == ["model", "region"]


BAD_PRICES: list[tuple[dict[str, Any], str]] = [
    ({}, "model"),
    ({"model": "free"}, "model"),
    ({"unit_amount": "-0.001"}, "unit_amount"),
    ({"unit_amount": "ten"}, "unit_amount"),
    ({"currency": "USD"}, "currency"),
    ({"effective_from": "soon"}, "effective_from"),
    ({"when": {"region": "eu"}}, "when"),
    ({"when": {"model": 7}}, "when"),
    ({"colour": "green"}, "colour"),
]


def test_a_wrong_price_is_refused_by_the_name_of_its_field(provider: Provider) -> None:
    for wrong, field in BAD_PRICES:
        document = PER_TOKEN | wrong if wrong else {"currency": "EUR"}
        refused = provider.price(**document)
        assert (refused.status_code, body(refused)["field"]) == (422, field), wrong
    assert provider.price("nothing", **PER_TOKEN).status_code == 404


def test_prices_are_listed_as_they_were_published(provider: Provider) -> None:
    tiers = [{"up_to": "1000", "unit_amount": "0.0000000001"}, {"unit_amount": "0.01", "flat_amount": "5"}]
    made = provider.price(model="graduated", currency="EUR", tiers=tiers, when={"model": "large"})
    assert made.status_code == 201
    assert body(made) == {
        "id": 2,
        "currency": "EUR",
        "model": "graduated",
        "tiers": [
            {"up_to": "1000", "unit_amount": "0.0000000001", "flat_amount": "0"},
            {"up_to": None, "unit_amount": "0.01", "flat_amount": "5"},
        ],
        "effective_from": None,
        "when": {"model": "large"},
    }
    listed = body(provider.api.get("/v1/meters/tokens/prices"))["data"]
    assert [price["id"] for price in listed] == [2, 1]


def test_the_most_specific_price_is_charged_and_ambiguity_is_refused(bare_provider: Provider) -> None:
    provider = bare_provider
    provider.meter(dimensions=["model", "region"])
    provider.price()
    provider.price(model="per_unit", unit_amount="0.1", when={"model": "large"})
    refused = provider.price(model="per_unit", unit_amount="0.2", when={"region": "eu"})
    assert (refused.status_code, body(refused)["code"]) == (409, "ambiguous_price")
    provider.customer()
    provider.send(provider.event(10), provider.event(data={"tokens": 10, "model": "large"}))
    assert provider.available() == Decimal("-1.2221")


def test_a_new_price_or_tax_waits_for_the_next_period(
    provider: Provider, clock: Any, vat: dict[str, Decimal]
) -> None:
    november = utc_now().replace(month=11, day=10)
    clock.travel_to(november)
    provider.send(provider.event(1000))
    provider.price(model="per_unit", unit_amount="0.002")
    vat["NL"] = Decimal(0)
    provider.send(provider.event(1000))
    assert provider.available() == Decimal("-2.42")
    clock.travel_to(november.replace(month=12))
    provider.send(provider.event(1000))
    assert provider.available() == Decimal("-4.42")


def test_a_meters_first_price_joins_a_running_period_at_once(provider: Provider) -> None:
    provider.send(provider.event(1000))
    provider.meter("pages", event_type="print", value_property="pages")
    page = provider.event(type="print", data={"pages": 10})
    assert body(provider.send_one(page))["code"] == "no_price"
    provider.price("pages", model="per_unit", unit_amount="0.05")
    assert provider.send(page)["accepted"] == 1
    assert provider.available() == Decimal("-1.815")


@pytest.mark.parametrize("way", ["one by one", "together", "twice"])
def test_tiers_are_filled_in_whatever_way_events_arrive(bare_provider: Provider, way: str) -> None:
    provider = bare_provider
    provider.meter()
    provider.price(
        model="graduated",
        tiers=[{"up_to": "100", "unit_amount": "0.01"}, {"unit_amount": "0.005", "flat_amount": "1"}],
    )
    provider.customer()
    events = [provider.event(tokens) for tokens in (60, 40, 0.5, 30, 100)]
    if way == "one by one":
        for event in reversed(events):
            provider.send_one(event)
    else:
        provider.send(*events * (2 if way == "twice" else 1))
    # 100 at 0.01, 130.5 at 0.005, and the flat amount once; with 21% VAT.
    assert provider.available() == Decimal("-3.209525").quantize(Decimal("0.000001"))

"""Prices: what is refused when published, and which one applies to an event of a period."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from metering.prices import (
    Graduated,
    PerUnit,
    Price,
    PriceInvalid,
    Tier,
    decode_definition,
    encode_definition,
    is_ambiguous,
    price_for,
    prices_in_force,
)

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


def price(price_id: int, *, since: date | None = None, on: date = NOVEMBER, **when: str) -> Price:
    """Make a price that came with the catalogue's version of the same number, published on a day."""
    return Price(price_id, 1, price_id, since, tuple(sorted(when.items())), PerUnit(Decimal(price_id)), on)


def ids(prices: list[Price]) -> list[int]:
    return [found.price_id for found in prices]


def test_a_definition_survives_its_json() -> None:
    document = {
        "model": "graduated",
        "tiers": [
            {"up_to": "10000000", "unit_amount": "0.000002", "flat_amount": "0"},
            {"up_to": None, "unit_amount": "0.0000015", "flat_amount": "0"},
        ],
    }
    definition = decode_definition(document)
    assert definition == Graduated(
        (Tier(Decimal(10_000_000), Decimal("0.000002")), Tier(None, Decimal("0.0000015")))
    )
    assert encode_definition(definition) == document


@pytest.mark.parametrize(
    ("document", "field", "problem"),
    [
        ({"model": "per_unit", "unit_amount": "-1"}, "unit_amount", "negative"),
        ({"model": "per_unit", "unit_amount": "NaN"}, "unit_amount", "not_finite"),
        ({"model": "per_unit", "unit_amount": "1e10"}, "unit_amount", "too_large"),
        ({"model": "per_unit", "unit_amount": "0.0000000000001"}, "unit_amount", "too_many_places"),
        ({"model": "graduated", "tiers": []}, "tiers", "empty"),
        ({"model": "graduated", "tiers": [{}] * 101}, "tiers", "too_many"),
        (
            {"model": "volume", "tiers": [{"up_to": None}, {"up_to": None}]},
            "tiers[0].up_to",
            "only_last_is_open",
        ),
        ({"model": "volume", "tiers": [{"up_to": "5"}]}, "tiers[0].up_to", "last_must_be_open"),
        (
            {"model": "graduated", "tiers": [{"up_to": "5"}, {"up_to": "5"}, {}]},
            "tiers[1].up_to",
            "not_increasing",
        ),
        ({"model": "package", "package_size": "0", "package_amount": "1"}, "package_size", "not_positive"),
    ],
)
def test_a_price_that_cannot_be_charged_is_refused_by_the_name_of_its_field(
    document: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(PriceInvalid) as refused:
        decode_definition(document)
    assert (refused.value.field, refused.value.problem) == (field, problem)


@pytest.mark.parametrize("document", [{}, {"model": "free"}, {"model": "per_unit", "unit_amount": "ten"}])
def test_what_is_no_price_at_all_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_definition(document)


def test_the_most_specific_price_wins() -> None:
    in_force = prices_in_force(
        [price(1), price(2, model="large"), price(3, model="large", region="eu")], NOVEMBER, 3
    )
    dimensions = [{}, {"model": "small"}, {"model": "large"}, {"model": "large", "region": "eu"}]
    chosen = [price_for(in_force, one) for one in dimensions]
    assert [found and found.price_id for found in chosen] == [1, 1, 2, 3]


def test_without_a_price_for_its_dimensions_an_event_has_none() -> None:
    assert price_for(prices_in_force([price(1, model="large")], NOVEMBER, 1), {"model": "small"}) is None


def test_a_frozen_period_keeps_its_prices_and_the_next_takes_the_new_ones() -> None:
    prices = [price(1), price(2)]
    assert ids(prices_in_force(prices, NOVEMBER, 1)) == [1]
    assert ids(prices_in_force(prices, DECEMBER, 2)) == [2]


def test_a_price_counts_from_the_first_period_that_starts_on_or_after_its_day() -> None:
    prices = [price(1), price(2, since=DECEMBER), price(3)]
    assert ids(prices_in_force(prices, NOVEMBER, 3)) == [3]
    assert ids(prices_in_force(prices, DECEMBER, 3)) == [2]


def test_a_price_without_a_day_takes_the_place_of_all_that_had_started_when_it_was_published() -> None:
    tenth, january = date(2026, 11, 10), date(2027, 1, 1)
    prices = [price(1, since=NOVEMBER), price(2, since=january), price(3, on=tenth)]
    assert ids(prices_in_force(prices, DECEMBER, 2)) == [1]
    assert ids(prices_in_force(prices, DECEMBER, 3)) == [3]
    assert ids(prices_in_force(prices, january, 3)) == [2]
    # On one day the later one counts.
    assert ids(prices_in_force([price(1, since=tenth), price(2, on=tenth)], DECEMBER, 2)) == [2]
    assert ids(prices_in_force([price(1, on=tenth), price(2, since=tenth)], DECEMBER, 2)) == [2]


def test_a_price_with_a_day_in_the_past_takes_the_place_of_one_that_counted_at_once() -> None:
    tenth, twelfth = date(2026, 11, 10), date(2026, 11, 12)
    prices = [price(1, on=tenth), price(2, since=NOVEMBER, on=twelfth)]
    assert ids(prices_in_force(prices, DECEMBER, 1)) == [1]
    assert ids(prices_in_force(prices, DECEMBER, 2)) == [2]


def test_a_meters_first_price_joins_a_frozen_period_at_once_but_its_second_does_not() -> None:
    prices = [price(7), price(8), price(9, model="large")]
    assert ids(prices_in_force(prices, NOVEMBER, 5)) == [9, 7]


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        ({"model": "large"}, "new version"),
        ({"model": "small"}, "never meets"),
        ({"region": "eu"}, "ambiguous"),
        ({}, "new version"),
        ({"model": "large", "region": "eu"}, "more specific"),
    ],
)
def test_two_equally_specific_prices_that_can_meet_are_ambiguous(when: dict[str, str], verdict: str) -> None:
    assert is_ambiguous(when, [{}, {"model": "large"}]) is (verdict == "ambiguous")

"""Meters that do not add up: max, unique, latest and levels over time, debited as their events come."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.ledger.service import get_balance
from metering import accrual
from metering.jobs import accrue_levels, roll_up
from metering.service import begin_close, usage_of_period
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, body

NOON = datetime(2026, 11, 10, 11, tzinfo=UTC)
ONE_EURO = {"model": "per_unit", "currency": "EUR", "unit_amount": "1"}


@pytest.fixture
def meter(bare_provider: Provider, clock: Clock) -> Callable[..., Provider]:
    """A provider whose one meter aggregates in some way, at € 1.21 a unit with VAT, at noon."""
    clock.freeze(NOON)
    bare_provider.customer()

    def made(aggregation: str, **facts: Any) -> Provider:
        shape = {"value_property": "seats", "unit": "seat", "event_type": "seats", "dimensions": []}
        assert bare_provider.meter("seats", aggregation=aggregation, **(shape | facts)).status_code == 201
        assert bare_provider.price("seats", **ONE_EURO).status_code == 201
        return bare_provider

    return made


def seats(provider: Provider, value: object, minutes: float = 0, **data: Any) -> dict[str, Any]:
    """An event so many minutes before or after noon."""
    time = (NOON + timedelta(minutes=minutes)).isoformat()
    return provider.event(type="seats", time=time, data={"seats": value} | data)


def taken(provider: Provider) -> Decimal:
    return -provider.available()


def test_the_most_that_was_used_is_debited_once(meter: Callable[..., Provider]) -> None:
    provider = meter("max")
    for value, expected in ((3, "3.63"), (2, "3.63"), ("5.5", "6.655"), (5, "6.655")):
        provider.send(seats(provider, value))
        assert taken(provider) == Decimal(expected)


def test_when_the_most_is_taken_back_the_next_is_the_most(meter: Callable[..., Provider]) -> None:
    provider = meter("max")
    events = [seats(provider, value) for value in (3, 7, 5, 7)]
    provider.send(*events)
    for voided, expected in ((1, "8.47"), (3, "6.05"), (0, "6.05"), (2, "0")):
        assert provider.void(events[voided]).status_code == 200
        assert taken(provider) == Decimal(expected)


def test_a_value_is_counted_once_until_its_last_event_is_taken_back(meter: Callable[..., Provider]) -> None:
    provider = meter("unique", value_property="user")
    users = ["ann", "bob", "ann", 7, Decimal("7.0"), "7", True]
    events = [seats(provider, 0, user=str(user) if isinstance(user, Decimal) else user) for user in users]
    events[4]["data"]["user"] = 7.0
    provider.send(*events[:3])
    provider.send(*events[3:])
    assert taken(provider) == 4 * Decimal("1.21")
    for event, expected in zip(events, (4, 3, 2, 2, 2, 1, 0), strict=True):
        provider.void(event)
        assert taken(provider) == expected * Decimal("1.21")


def test_the_latest_value_counts_in_whatever_order_events_come(meter: Callable[..., Provider]) -> None:
    provider = meter("latest")
    events = [seats(provider, value, minutes) for value, minutes in ((9, -3), (4, -1), (6, -2))]
    for sent, expected in ((0, 9), (1, 4), (2, 4)):
        provider.send(events[sent])
        assert taken(provider) == expected * Decimal("1.21")
    for voided, expected in ((1, 6), (0, 6), (2, 0)):
        provider.void(events[voided])
        assert taken(provider) == expected * Decimal("1.21")


def test_a_wrong_value_is_refused(meter: Callable[..., Provider]) -> None:
    provider = meter("unique", value_property="user")
    refused = [seats(provider, 0, user=user) for user in (None, "", "x" * 257, [1], 1e30)]
    codes = [one["code"] for one in provider.send(*refused)["rejected"]]
    assert codes == ["invalid_value"] * 5
    reserved = provider.send_one(provider.event(type="seats", source="tegoed:accrual", data={"user": "a"}))
    assert (reserved.status_code, body(reserved)["code"]) == (422, "reserved_source")


@pytest.mark.parametrize("aggregation", ["max", "unique", "latest", "weighted_sum"])
def test_any_order_and_batching_debits_the_same(meter: Callable[..., Provider], aggregation: str) -> None:
    provider = meter(aggregation)
    found = set()
    for number, order in enumerate(permutations([(3, -90), (8, -30), (3, -60), (5, -10)], 4)):
        reference = f"c{number}"
        provider.customer(reference)
        events = [seats(provider, *one) | {"subject": reference} for one in order]
        cut = number % 4
        for batch in (events[:cut], events[cut:], events[:1]):
            if batch:
                provider.send(*batch)
        found.add(provider.available(reference))
    assert len(found) == 1


def test_a_level_costs_for_as_long_as_it_is_held(meter: Callable[..., Provider], clock: Clock) -> None:
    provider = meter("weighted_sum", unit="seat-hour")
    provider.send(seats(provider, 4, -60))
    assert taken(provider) == 0
    provider.send(seats(provider, 10, 0))
    assert taken(provider) == Decimal("4.84")
    clock.freeze(NOON + timedelta(minutes=90))
    accrue_levels()
    assert taken(provider) == Decimal("4.84") + Decimal("18.15")
    accrue_levels()
    assert taken(provider) == Decimal("22.99")


def test_a_late_change_of_level_rates_what_came_after_it_again(meter: Callable[..., Provider]) -> None:
    provider = meter("weighted_sum")
    late = seats(provider, 1, -30)
    provider.send(seats(provider, 4, -60), seats(provider, 0, 0))
    assert taken(provider) == Decimal("4.84")
    provider.send(late)
    assert taken(provider) == Decimal("3.025")
    provider.void(late)
    assert taken(provider) == Decimal("4.84")


def test_each_set_of_dimension_values_holds_its_own_level(meter: Callable[..., Provider]) -> None:
    provider = meter("weighted_sum", dimensions=["disk"])
    provider.price("seats", **(ONE_EURO | {"unit_amount": "10", "when": {"disk": "fast"}}))
    provider.send(seats(provider, 1, -60, disk="slow"), seats(provider, 1, -60, disk="fast"))
    provider.send(seats(provider, 0, 0, disk="fast"))
    assert taken(provider) == Decimal("12.1")
    provider.send(seats(provider, 0, 0, disk="slow"))
    assert taken(provider) == Decimal("13.31")
    refused = provider.meter("seats", aggregation="weighted_sum", value_property="seats", unit="seat",
                             event_type="seats", dimensions=["disk", "zone"])  # fmt: skip
    assert (refused.status_code, body(refused)["code"]) == (409, "meter_in_use")


def test_a_level_is_carried_over_the_end_of_a_period_and_closed_exactly(
    meter: Callable[..., Provider], clock: Clock
) -> None:
    provider = meter("weighted_sum")
    end = datetime(2026, 11, 30, 23, tzinfo=UTC)
    clock.freeze(end - timedelta(hours=1))
    event = provider.event(type="seats", data={"seats": 2})
    provider.send(event)
    clock.freeze(end + timedelta(hours=3))
    provider.send(provider.event(type="seats", data={"seats": 0}))
    customer_id = find_customer("acme").customer_id
    november, december = NOON.date().replace(day=1), datetime(2026, 12, 1, tzinfo=UTC).date()
    in_unit_of_work(begin_close, customer_id, november)
    used = [usage_of_period(customer_id, period) for period in (november, december)]
    assert [u.usages[0].quantity for u in used if u] == [2, 6]
    assert [u.gross_micros for u in used if u] == [2_420_000, 7_260_000]
    # What is taken back now corrects November on December's invoice.
    answers = [body(provider.void(event)) for _ in range(2)]
    assert provider.available() == 0
    # What both periods had taken for it, also when it is asked again.
    assert [answer["returned"]["value"] for answer in answers] == ["9.68", "9.68"]
    corrected = usage_of_period(customer_id, december)
    assert corrected is not None
    assert [c.gross_micros for c in corrected.corrections] == [-2_420_000]


def test_the_close_charges_a_level_to_the_end_though_nothing_ticked(
    meter: Callable[..., Provider], clock: Clock
) -> None:
    provider = meter("weighted_sum")
    end = datetime(2026, 11, 30, 23, tzinfo=UTC)
    clock.freeze(end - timedelta(hours=10))
    provider.send(provider.event(type="seats", data={"seats": "0.5"}))
    clock.freeze(end + timedelta(hours=2))
    customer_id = find_customer("acme").customer_id
    in_unit_of_work(begin_close, customer_id, NOON.date().replace(day=1))
    assert provider.available() == Decimal("-6.05")
    accrue_levels()
    assert provider.available() == Decimal("-7.26")


def test_usage_reads_back_what_levels_cost_beside_the_events_that_were_told(
    meter: Callable[..., Provider], clock: Clock
) -> None:
    provider = meter("weighted_sum")
    provider.send(seats(provider, 1, 0))
    clock.freeze(NOON + timedelta(hours=13))
    accrue_levels()
    roll_up()
    days = body(provider.api.get("/v1/customers/acme/usage?start=2026-11-01&end=2026-12-01"))["data"]
    assert [day["events"] for day in days] == [1, 0]
    assert sum(Decimal(day["charge"]["value"]) for day in days) == Decimal("15.73")


def test_the_accrual_of_a_level_that_falls_through_the_mark_asks_for_a_look(
    meter: Callable[..., Provider], clock: Clock
) -> None:
    provider = meter("weighted_sum")
    provider.grant("6")
    provider.send(seats(provider, 1, 0))
    clock.freeze(NOON + timedelta(hours=2))
    customer_id = find_customer("acme").customer_id
    assert in_unit_of_work(accrual.accrue, customer_id, NOON + timedelta(hours=1)) == [customer_id]
    assert get_balance(customer_id).available_micros == 4_790_000

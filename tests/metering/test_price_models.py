"""Every price model over the API: in any order, batching and repetition the same events debit the same."""

import random
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.ledger.service import get_balance
from metering.prices import Definition, decode_definition
from metering.rating import Usage, gross_micros
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, body

TIERS = [
    {"up_to": "10", "unit_amount": "0"},
    {"up_to": "100", "unit_amount": "0.05", "flat_amount": "1"},
    {"up_to": None, "unit_amount": "0.000000000007"},
]
MODELS: dict[str, dict[str, Any]] = {
    "per_unit": {"model": "per_unit", "unit_amount": "0.0123"},
    "below_a_micro": {"model": "per_unit", "unit_amount": "0.000000000001"},
    "graduated": {"model": "graduated", "tiers": TIERS},
    "volume": {"model": "volume", "tiers": TIERS},
    "package": {"model": "package", "package_size": "25", "package_amount": "0.10"},
    "percentage": {"model": "percentage", "rate": "1.4", "fixed_amount": "0.25"},
    "free": {"model": "per_unit", "unit_amount": "0"},
}
QUANTITIES = st.decimals(0, 300, places=3)
numbers = count()


def priced(provider: Provider, model: str) -> Definition:
    """A meter of its own at this price; its code and event type are the model's name."""
    provider.meter(model, event_type=model, value_property="amount", dimensions=[])
    shape = {"currency": "EUR"} | MODELS[model]
    assert provider.price(model, **shape).status_code == 201
    return decode_definition(MODELS[model])


@pytest.mark.parametrize("model", MODELS)
def test_the_same_events_debit_the_same_in_any_order_batching_and_repetition(
    bare_provider: Provider, model: str
) -> None:
    definition = priced(bare_provider, model)

    @given(st.lists(QUANTITIES, min_size=1, max_size=8), st.integers(1, 4), st.randoms(use_true_random=False))
    @hypothesis_settings(
        max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def debit(quantities: list[Decimal], size: int, shuffler: random.Random) -> None:
        reference = f"{model}-{next(numbers)}"
        customer_id = bare_provider.customer(reference)
        events = [
            bare_provider.event(type=model, subject=reference, data={"amount": str(quantity)})
            for quantity in quantities
        ]
        sent = [*events, *shuffler.sample(events, k=len(events) // 2)]
        shuffler.shuffle(sent)
        for start in range(0, len(sent), size):
            bare_provider.send(*sent[start : start + size])
        total = Usage(sum(quantities, Decimal(0)), len(quantities))
        assert -get_balance(customer_id).prepaid_micros == gross_micros(definition, total, Decimal(21))
        for event in shuffler.sample(events, k=len(events)):
            bare_provider.void(event)
        assert get_balance(customer_id).prepaid_micros == 0

    debit()


def test_prices_far_below_a_micro_lose_neither_net_nor_vat(bare_provider: Provider) -> None:
    priced(bare_provider, "below_a_micro")
    customer_id = bare_provider.customer()
    # Each event is worth a tenth of a micro; rounded one by one all of it would be lost.
    for _ in range(3):
        bare_provider.send(
            *(bare_provider.event(type="below_a_micro", data={"amount": 100_000}) for _ in range(1000))
        )
    exact = Decimal(3_000) * 100_000 * Decimal("0.000000000001") * Decimal("1.21") * 10**6
    assert -get_balance(customer_id).prepaid_micros == exact.to_integral_value(ROUND_HALF_UP) == 363


def test_a_cheaper_tier_that_takes_all_units_gives_back(bare_provider: Provider) -> None:
    tiers = [{"up_to": "100", "unit_amount": "0.10"}, {"up_to": None, "unit_amount": "0.04"}]
    bare_provider.meter()
    bare_provider.price(model="volume", currency="EUR", tiers=tiers)
    bare_provider.customer()
    bare_provider.grant("5")
    for tokens, available in ((100, "-7.10"), (1, "0.1116"), (99, "-4.68")):
        bare_provider.send(bare_provider.event(tokens))
        assert bare_provider.available() == Decimal(available)
    assert bare_provider.balance()["promotional"] == "0.00"


def test_packages_are_paid_when_begun_and_fixed_amounts_per_event(bare_provider: Provider) -> None:
    priced(bare_provider, "package")
    priced(bare_provider, "percentage")
    bare_provider.customer()
    sent = (("package", "0.001", "0.121"), ("package", "24.999", "0.121"), ("package", "0.001", "0.242"),
            ("percentage", "100", "2.2385"), ("percentage", "0", "2.541"))  # fmt: skip
    for model, amount, debited in sent:
        bare_provider.send(bare_provider.event(type=model, data={"amount": amount}))
        assert -bare_provider.available() == Decimal(debited)


def test_an_allowance_is_free_until_it_is_used_up(bare_provider: Provider) -> None:
    priced(bare_provider, "graduated")
    bare_provider.customer()
    bare_provider.send(bare_provider.event(type="graduated", data={"amount": 10}))
    assert bare_provider.available() == 0
    bare_provider.send(bare_provider.event(type="graduated", data={"amount": 1}))
    assert bare_provider.available() == Decimal("-1.2705")


def own(provider: Provider, unit_amount: str, reference: str = "acme", **facts: Any) -> dict[str, Any]:
    shape = {"meter": "tokens", "model": "per_unit", "currency": "EUR", "unit_amount": unit_amount}
    answer = provider.api.post(f"/v1/customers/{reference}/prices", json=shape | facts)
    return body(answer) | {"status_code": answer.status_code}


def test_a_customers_own_list_overrides_the_providers(provider: Provider) -> None:
    provider.customer("other")
    published = own(provider, "0.0005")
    assert (published["status_code"], published["meter"], published["unit_amount"]) == (
        201,
        "tokens",
        "0.0005",
    )
    provider.send(provider.event(1000), provider.event(1000, subject="other"))
    assert (provider.available(), provider.available("other")) == (Decimal("-0.605"), Decimal("-1.21"))
    listed = body(provider.api.get("/v1/customers/acme/prices"))["data"]
    assert [(price["meter"], price["id"]) for price in listed] == [("tokens", published["id"])]
    assert body(provider.api.get("/v1/customers/other/prices"))["data"] == []
    everybodys = body(provider.api.get("/v1/meters/tokens/prices"))["data"]
    assert published["id"] not in [price["id"] for price in everybodys]


def test_an_own_price_wins_from_a_more_specific_one_and_leaves_the_rest(provider: Provider) -> None:
    provider.price(model="per_unit", currency="EUR", unit_amount="0.01", when={"model": "large"})
    own(provider, "0.002", when={"model": "small"})
    for model, debited in (("small", "0.00242"), ("large", "0.01452"), ("medium", "0.01573")):
        provider.send(provider.event(1, data={"tokens": 1, "model": model}))
        assert -provider.available() == Decimal(debited)
    own(provider, "0.003")
    provider.customer("other")
    own(provider, "0.003", "other")
    provider.send(provider.event(1, subject="other", data={"tokens": 1, "model": "large"}))
    assert -provider.available("other") == Decimal("0.00363")


def test_a_period_that_has_begun_keeps_its_prices_and_the_next_takes_its_customers_own(
    provider: Provider, clock: Clock
) -> None:
    clock.freeze(datetime(2026, 11, 10, tzinfo=UTC))
    provider.send(provider.event(1000))
    own(provider, "0.0001")
    own(provider, "0.0002", effective_from="2026-12-20")
    provider.send(provider.event(1000))
    assert -provider.available() == Decimal("2.42")
    for month, unit_amount in ((12, "0.0001"), (13, "0.0002")):
        clock.freeze(datetime(2026 + month // 13, (month - 1) % 12 + 1, 22, tzinfo=UTC))
        before = provider.available()
        provider.send(provider.event(1000))
        assert before - provider.available() == 1000 * Decimal(unit_amount) * Decimal("1.21")


@pytest.mark.parametrize("is_own", [False, True])
def test_a_price_for_at_once_replaces_the_dated_one_in_force_from_the_next_period(
    provider: Provider, clock: Clock, *, is_own: bool
) -> None:
    def publish(unit_amount: str, effective_from: Any) -> None:
        if is_own:
            own(provider, unit_amount, effective_from=effective_from)
        else:
            facts: dict[str, Any] = {"unit_amount": unit_amount, "effective_from": effective_from}
            assert provider.price(model="per_unit", currency="EUR", **facts).status_code == 201

    clock.freeze(datetime(2026, 9, 10, tzinfo=UTC))
    publish("0.002", "2026-10-01")
    clock.freeze(datetime(2026, 10, 10, tzinfo=UTC))
    provider.send(provider.event(1000))
    publish("0.003", None)
    publish("0.004", "2026-12-01")
    debited = []
    for month in (10, 11, 12):
        clock.freeze(datetime(2026, month, 22, tzinfo=UTC))
        before = provider.available()
        provider.send(provider.event(1000))
        debited.append(before - provider.available())
    assert debited == [1210 * Decimal(price) for price in ("0.002", "0.003", "0.004")]


def test_a_meter_that_has_a_price_for_one_customer_only_counts_for_nobody_else(
    bare_provider: Provider,
) -> None:
    bare_provider.meter()
    bare_provider.customer()
    bare_provider.customer("other")
    own(bare_provider, "0.001")
    answer = bare_provider.send(bare_provider.event(1), bare_provider.event(1, subject="other"))
    assert [one["code"] for one in answer["rejected"]] == ["no_price"]
    assert bare_provider.meter(value_property="words").status_code == 409


def test_a_wrong_own_price_is_refused_by_the_name_of_its_field(provider: Provider) -> None:
    own(provider, "0.001", when={"model": "large"})
    refused = [
        own(provider, "-1"),
        own(provider, "1", meter=None),
        own(provider, "1", meter="nothing"),
        own(provider, "1", "nobody"),
    ]
    found = [(one["status_code"], one.get("field") or one["code"]) for one in refused]
    assert found == [(422, "unit_amount"), (422, "meter"), (404, "unknown_meter"), (404, "unknown_customer")]

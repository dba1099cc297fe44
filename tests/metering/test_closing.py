"""Closing a period: its totals stand still, and what comes later corrects the next invoice."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.ledger.service import get_balance
from metering import service
from tests.metering.conftest import Provider, body

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
IN_OCTOBER = "2026-10-20T10:00:00Z"


@pytest.fixture
def acme(app: Flask, provider: Provider, clock: Any) -> int:
    """The customer, on the morning of 1 November, with October's usage of 1000 tokens."""
    clock.travel_to(datetime(2026, 11, 1, 8, tzinfo=UTC))
    provider.send(provider.event(1000, time=IN_OCTOBER))
    return find_customer("acme").customer_id


def close(customer_id: int, period_start: date) -> None:
    assert in_unit_of_work(service.begin_close, customer_id, period_start) == "closing"
    assert in_unit_of_work(service.finish_close, customer_id, period_start) == "closed"


def usage(customer_id: int, period_start: date) -> service.PeriodUsage:
    found = service.usage_of_period(customer_id, period_start)
    assert found is not None
    charged = [part.gross_micros for part in found.usages] + [part.gross_micros for part in found.corrections]
    assert found.gross_micros == sum(charged)
    return found


def test_a_period_says_what_was_used_and_where_the_money_came_from(acme: int, provider: Provider) -> None:
    provider.grant("1.00")
    provider.send(provider.event(500, time=IN_OCTOBER))
    found = usage(acme, OCTOBER)
    assert found.treatment == service.TaxTreatment("S", Decimal(21))
    assert (found.promo_debited_micros, found.prepaid_debited_micros) == (605_000, 1_210_000)
    [tokens] = found.usages
    assert (tokens.meter, tokens.quantity, tokens.events, tokens.net) == (
        "tokens",
        Decimal(1500),
        2,
        Decimal("1.5"),
    )
    assert [(line.quantity, line.unit_amount, line.net) for line in tokens.lines] == [
        (Decimal(1500), Decimal("0.001"), Decimal("1.5"))
    ]


def test_only_periods_that_have_ended_are_to_be_closed_and_closing_twice_is_harmless(
    acme: int, provider: Provider
) -> None:
    provider.send(provider.event(1))
    assert service.periods_to_close(NOVEMBER) == [(acme, OCTOBER)]
    assert service.periods_to_close(date(2026, 10, 31)) == []
    in_unit_of_work(service.begin_close, acme, OCTOBER)
    assert service.periods_to_close(NOVEMBER) == [(acme, OCTOBER)]
    close(acme, OCTOBER)
    assert service.periods_to_close(NOVEMBER) == []
    assert in_unit_of_work(service.begin_close, acme, OCTOBER) == "closed"
    assert in_unit_of_work(service.finish_close, acme, OCTOBER) == "closed"


def test_a_period_cannot_be_closed_before_its_close_has_begun(acme: int) -> None:
    with pytest.raises(ValueError, match="begin its close first"):
        in_unit_of_work(service.finish_close, acme, OCTOBER)


def test_an_event_after_the_close_is_debited_now_and_corrects_the_next_invoice(
    acme: int, provider: Provider
) -> None:
    close(acme, OCTOBER)
    provider.send(provider.event(100, time=IN_OCTOBER), provider.event(10))
    assert get_balance(acme).prepaid_micros == -1_343_100
    assert usage(acme, OCTOBER).prepaid_debited_micros == 1_210_000
    november = usage(acme, NOVEMBER)
    [correction] = november.corrections
    assert correction.period == service.Period(OCTOBER, NOVEMBER)
    assert (correction.quantity, correction.net, correction.gross_micros) == (
        Decimal(100),
        Decimal("0.1"),
        121_000,
    )
    assert november.prepaid_debited_micros == 133_100
    assert service.debited_after([(acme, OCTOBER)]) == {(acme, OCTOBER): (133_100, 0)}


def test_a_late_event_is_rated_on_from_where_its_own_period_stood(
    app: Flask, bare_provider: Provider, clock: Any
) -> None:
    provider = bare_provider
    clock.travel_to(datetime(2026, 11, 1, 8, tzinfo=UTC))
    provider.meter()
    provider.price(model="graduated", tiers=[{"up_to": "100", "unit_amount": "1"}, {"unit_amount": "0.5"}])
    acme = provider.customer()
    provider.send(provider.event(90, time=IN_OCTOBER))
    close(acme, OCTOBER)
    provider.send(provider.event(20, time=IN_OCTOBER))
    close(acme, NOVEMBER)
    provider.send(provider.event(20, time=IN_OCTOBER))
    [november] = usage(acme, NOVEMBER).corrections
    [december] = usage(acme, date(2026, 12, 1)).corrections
    assert (november.net, december.net) == (Decimal(15), Decimal(10))


def test_voids_after_the_close_give_back_to_prepaid_what_the_period_took_from_it(
    acme: int, provider: Provider
) -> None:
    provider.grant("1.00")
    late = [provider.event(tokens, time=IN_OCTOBER) for tokens in (400, 700)]
    provider.send(*late)
    close(acme, OCTOBER)
    for event in late:
        assert provider.void(event).status_code == 200
    assert (provider.balance()["promotional"], provider.balance()["prepaid"]) == ("0.00", "-0.21")
    november = usage(acme, NOVEMBER)
    [correction] = november.corrections
    assert (correction.quantity, correction.events, correction.net) == (
        Decimal(-1100),
        -2,
        Decimal("-1.1"),
    )
    assert (november.promo_debited_micros, november.prepaid_debited_micros) == (0, -1_331_000)


def test_a_late_event_that_is_voided_again_leaves_no_correction(acme: int, provider: Provider) -> None:
    close(acme, OCTOBER)
    late = provider.event(100, time=IN_OCTOBER)
    provider.send(late)
    provider.void(late)
    assert usage(acme, NOVEMBER).corrections == ()
    assert get_balance(acme).prepaid_micros == -1_210_000


def test_usage_per_day_still_adds_up_after_corrections(acme: int, provider: Provider) -> None:
    close(acme, OCTOBER)
    provider.send(provider.event(100, time=IN_OCTOBER))
    days = service.usage_by_day(acme, OCTOBER, NOVEMBER)
    assert sum(day.charge_micros for day in days) == 1_331_000
    assert (
        body(provider.api.get("/v1/customers/acme/usage?start=2026-11-01&end=2026-10-01"))["field"] == "end"
    )


def test_recent_use_per_day_is_an_average_of_the_days_since_it_began(acme: int, provider: Provider) -> None:
    provider.send(provider.event(2000, time="2026-10-31T12:00:00Z"))
    from metering.jobs import roll_up

    roll_up()
    assert service.recent_burn_micros_per_day(acme) == 1_210_000


def test_a_customer_without_usage_can_be_closed_and_finds_later_events_late(
    acme: int, provider: Provider
) -> None:
    other = provider.customer("quiet")
    close(other, OCTOBER)
    provider.send(provider.event(100, subject="quiet", time=IN_OCTOBER))
    assert usage(other, OCTOBER).usages == ()
    assert len(usage(other, NOVEMBER).corrections) == 1

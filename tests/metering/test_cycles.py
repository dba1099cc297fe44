"""Periods of two weeks: 1 to 15 and 16 to the end of the month, beside customers with months."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select

from app.customers.cycles import changed, cycle_on, of_new_customer
from app.customers.service import find_customer
from app.db import db, in_unit_of_work
from app.ledger.service import get_balance
from metering import accrual, service
from metering.models import UsagePeriod
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, body

MARCH = date(2026, 3, 1)
SIXTEENTH = date(2026, 3, 16)
APRIL = date(2026, 4, 1)
AMSTERDAM_SIXTEENTH = datetime(2026, 3, 15, 23, tzinfo=UTC)


@pytest.fixture
def acme(provider: Provider, clock: Clock) -> int:
    """Acme is invoiced every two weeks, from the start."""
    clock.travel_to(datetime(2026, 3, 10, 12, tzinfo=UTC))
    return provider.customer("bravo", billing_cycle="half_monthly")


def at(day: int, hour: int = 12, month: int = 3) -> str:
    return datetime(2026, month, day, hour, tzinfo=UTC).isoformat()


def periods_of(customer_id: int) -> list[tuple[date, date]]:
    db.session.rollback()
    rows = db.session.execute(
        select(UsagePeriod.period_start, UsagePeriod.period_end)
        .where(UsagePeriod.customer_id == customer_id)
        .order_by(UsagePeriod.period_start)
    )
    return [(row.period_start, row.period_end) for row in rows]


def close(customer_id: int, start: date) -> None:
    assert in_unit_of_work(service.begin_close, customer_id, start) == "closing"

    def finish() -> str:
        service.begin_close(customer_id, start)
        return service.finish_close(customer_id, start)

    assert in_unit_of_work(finish) == "closed"


def usage(customer_id: int, start: date) -> service.PeriodUsage:
    db.session.rollback()
    found = service.usage_of_period(customer_id, start)
    assert found is not None
    return found


def test_an_event_belongs_to_the_half_of_its_time(acme: int, provider: Provider, clock: Clock) -> None:
    clock.travel_to(datetime(2026, 4, 2, 12, tzinfo=UTC))
    last = (AMSTERDAM_SIXTEENTH - timedelta(microseconds=1)).isoformat()
    for time in (at(1), last, AMSTERDAM_SIXTEENTH.isoformat(), at(31), at(1, month=4)):
        provider.send(provider.event(10, subject="bravo", time=time), provider.event(10, time=time))
    assert periods_of(acme) == [(MARCH, SIXTEENTH), (SIXTEENTH, APRIL), (APRIL, date(2026, 4, 16))]
    assert [usage(acme, start).usages[0].quantity for start in (MARCH, SIXTEENTH)] == [20, 20]
    monthly = find_customer("acme").customer_id
    assert periods_of(monthly) == [(MARCH, APRIL), (APRIL, date(2026, 5, 1))]


def test_each_half_begins_its_tiers_anew(bare_provider: Provider, clock: Clock) -> None:
    clock.travel_to(datetime(2026, 3, 20, 12, tzinfo=UTC))
    bare_provider.meter()
    tiers = [{"up_to": "100", "unit_amount": "1"}, {"up_to": None, "unit_amount": "0.5"}]
    bare_provider.price(currency="EUR", model="graduated", tiers=tiers)
    bravo = bare_provider.customer("bravo", billing_cycle="half_monthly")
    monthly = bare_provider.customer("acme")
    for subject in ("bravo", "acme"):
        for day in (10, 17):
            bare_provider.send(bare_provider.event(150, subject=subject, time=at(day)))
    # Two times 100 × €1 + 50 × €0.50, against 100 × €1 + 200 × €0.50; 21% VAT.
    assert get_balance(bravo).prepaid_micros == -302_500_000
    assert get_balance(monthly).prepaid_micros == -242_000_000


def test_a_change_holds_from_the_next_month_and_splits_no_period(provider: Provider, clock: Clock) -> None:
    acme = find_customer("acme").customer_id
    clock.travel_to(datetime(2026, 3, 10, 12, tzinfo=UTC))
    provider.send(provider.event(1))
    changed = provider.api.patch("/v1/customers/acme", json={"billing_cycle": "half_monthly"})
    assert body(changed)["billing_cycle"] == "half_monthly"
    clock.travel_to(datetime(2026, 4, 20, 12, tzinfo=UTC))
    provider.send(provider.event(1, time=at(20)), provider.event(1, time=at(2, month=4)), provider.event(1))
    assert periods_of(acme) == [
        (MARCH, APRIL),
        (APRIL, date(2026, 4, 16)),
        (date(2026, 4, 16), date(2026, 5, 1)),
    ]


def test_what_has_begun_in_a_month_decides_whatever_the_customer_says_later(
    acme: int, provider: Provider, clock: Clock
) -> None:
    provider.send(provider.event(1, subject="bravo"))
    customer = find_customer("bravo")
    customer.billing_cycles = []
    db.session.commit()
    clock.travel_to(datetime(2026, 3, 20, 12, tzinfo=UTC))
    provider.send(provider.event(1, subject="bravo"))
    assert periods_of(acme) == [(MARCH, SIXTEENTH), (SIXTEENTH, APRIL)]


def test_a_late_event_of_a_closed_half_is_a_correction_in_the_other(
    acme: int, provider: Provider, clock: Clock
) -> None:
    provider.send(provider.event(1_000, subject="bravo"))
    clock.travel_to(datetime(2026, 3, 16, 6, tzinfo=UTC))
    close(acme, MARCH)
    late = provider.event(100, subject="bravo", time=at(15))
    provider.send(late)
    [correction] = usage(acme, SIXTEENTH).corrections
    assert (correction.period, correction.quantity) == (service.Period(MARCH, SIXTEENTH), Decimal(100))
    assert usage(acme, SIXTEENTH).prepaid_debited_micros == 121_000
    assert provider.void(late).status_code == 200
    assert usage(acme, SIXTEENTH).corrections == ()
    assert get_balance(acme).prepaid_micros == -1_210_000


def test_a_late_event_of_a_month_whose_both_halves_are_closed_goes_to_the_next(
    acme: int, provider: Provider, clock: Clock
) -> None:
    clock.travel_to(datetime(2026, 4, 1, 6, tzinfo=UTC))
    close(acme, MARCH)
    close(acme, SIXTEENTH)
    provider.send(provider.event(100, subject="bravo", time=at(20)))
    [correction] = usage(acme, APRIL).corrections
    assert correction.period == service.Period(SIXTEENTH, APRIL)


def test_a_hold_is_priced_in_the_half_that_goes_on(bare_provider: Provider, clock: Clock) -> None:
    clock.travel_to(datetime(2026, 3, 10, 12, tzinfo=UTC))
    bare_provider.meter(dimensions=[])
    tiers = [{"up_to": "100", "unit_amount": "1"}, {"up_to": None, "unit_amount": "0"}]
    bare_provider.price(currency="EUR", model="graduated", tiers=tiers)
    bare_provider.customer("bravo", billing_cycle="half_monthly")
    bare_provider.grant("500", "bravo")
    bare_provider.send(bare_provider.event(100, subject="bravo"))
    asked = {"meter": "tokens", "quantity": "10", "expires_in": 600}

    def held(key: str) -> str:
        answer = bare_provider.api.post(
            "/v1/customers/bravo/holds", json=asked, headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 201, answer.text
        return str(body(answer)["amount"]["value"])

    assert Decimal(held("first")) == 0
    clock.travel_to(datetime(2026, 3, 17, 12, tzinfo=UTC))
    assert Decimal(held("second")) == Decimal("12.10")


def test_a_level_is_charged_in_the_half_in_which_it_was_held(bare_provider: Provider, clock: Clock) -> None:
    clock.travel_to(datetime(2026, 3, 14, 23, tzinfo=UTC))
    bare_provider.meter("disk", aggregation="weighted_sum", dimensions=[])
    bare_provider.price("disk", currency="EUR", model="per_unit", unit_amount="0.01")
    bravo = bare_provider.customer("bravo", billing_cycle="half_monthly")
    bare_provider.send(bare_provider.event(2, subject="bravo", time=at(14, 23)))
    # The clocks go forward on 29 March: the second half has an hour less.
    clock.travel_to(datetime(2026, 4, 1, 3, tzinfo=UTC))
    close(bravo, MARCH)
    close(bravo, SIXTEENTH)
    assert [usage(bravo, start).usages[0].quantity for start in (MARCH, SIXTEENTH)] == [48, 2 * (16 * 24 - 1)]
    in_unit_of_work(accrual.accrue, bravo, datetime(2026, 4, 1, 3, tzinfo=UTC))
    assert usage(bravo, APRIL).usages[0].quantity == 2 * 5


def test_usage_by_day_knows_the_last_day_of_a_half(acme: int, provider: Provider, clock: Clock) -> None:
    clock.travel_to(datetime(2026, 3, 20, 12, tzinfo=UTC))
    provider.send(
        provider.event(5, subject="bravo", time=at(9)), provider.event(7, subject="bravo", time=at(18))
    )
    days = service.usage_by_day(acme, MARCH, APRIL)
    # What is not rolled up yet counts for the last day of its period so far.
    assert [(one.day, int(one.quantity)) for one in days] == [(date(2026, 3, 15), 5), (date(2026, 3, 20), 7)]


def test_events_are_listed_by_half_or_by_month(acme: int, provider: Provider, clock: Clock) -> None:
    clock.travel_to(datetime(2026, 3, 20, 12, tzinfo=UTC))
    sent = [provider.event(5, subject="bravo", time=at(day)) for day in (9, 18)]
    provider.send(*sent)
    both = [event["id"] for event in sent]
    for period, expected in (("2026-03", both), ("2026-03-01", both[:1]), ("2026-03-16", both[1:])):
        listed = body(provider.api.get(f"/v1/customers/bravo/events?period={period}"))["data"]
        assert [event["id"] for event in listed] == expected
    assert provider.api.get("/v1/customers/bravo/events?period=2026-3").status_code == 422


def test_recording_asks_nothing_more_once_the_period_has_begun(
    acme: int, provider: Provider, clock: Clock
) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    for subject in ("acme", "bravo"):
        provider.send(provider.event(1, subject=subject))
    sqlalchemy_event.listen(db.engine, "before_cursor_execute", note)
    counts = []
    for subject in ("acme", "bravo"):
        asked.clear()
        provider.send(provider.event(1, subject=subject))
        counts.append(len([one for one in asked if "customer" in one and "billing_cycles" in one]))
    assert counts == [0, 0]


def test_the_history_of_cycles_has_one_cycle_a_month() -> None:
    history = of_new_customer("half_monthly")
    assert cycle_on(history, date(2026, 1, 1)) == "half_monthly"
    history = changed(history, "monthly", date(2026, 1, 5))
    assert [cycle_on(history, date(2026, month, 1)) for month in (1, 2)] == ["half_monthly", "monthly"]
    assert changed(history, "half_monthly", date(2026, 1, 31)) == of_new_customer("half_monthly")
    again = changed(history, "half_monthly", date(2026, 2, 3))
    assert [cycle_on(again, date(2026, month, 28)) for month in (1, 2, 3)] == [
        "half_monthly",
        "monthly",
        "half_monthly",
    ]
    assert changed([], "monthly", date(2026, 1, 5)) == []
    assert of_new_customer("monthly") == []


def test_an_unknown_cycle_is_refused(provider: Provider, ago: Callable[..., str]) -> None:
    refused = provider.api.patch("/v1/customers/acme", json={"billing_cycle": "weekly"})
    assert (refused.status_code, body(refused)["field"]) == (422, "billing_cycle")

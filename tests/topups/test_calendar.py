"""The calendar top-up on each first of the month, and what a rule would have done with last month's use."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from app.db import in_unit_of_work
from app.i18n import local_date
from app.money import cents_of_micros
from metering.usage import roll_up
from tests.fixtures.product import Clock
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.topups.conftest import EURO, Story
from topups import service
from topups.calendar_day import first_of_next_month
from topups.decisions import Limits, Rule
from topups.errors import ConsentMissing, MonthlyMaximumBelowAmount
from topups.preview import charges_of, preview

NOVEMBER = [date(2026, 11, 1) + timedelta(days=number) for number in range(30)]
BOUNDS = Limits(hourly=1, daily=3, minimum_micros=10 * EURO, maximum_micros=250 * EURO)


@pytest.fixture
def monthly(story: Story, clock: Clock) -> Story:
    """A card, €10 on the balance, and €40 to be added on each first; it is the 20th of November."""
    now = datetime.now(UTC)
    story.pass_time(seconds=(datetime(now.year + 1, 11, 20, 12, tzinfo=UTC) - now).total_seconds())
    story.save_method("creditcard")
    story.turn_on(calendar_micros=40 * EURO, threshold_micros=1 * EURO, monthly_maximum_micros=60 * EURO)
    story.run_jobs()
    return story


def test_each_first_of_the_month_adds_the_amount_once_whatever_the_balance_is(monthly: Story) -> None:
    assert local_date(monthly.rule().updated_at).month == 11
    assert (monthly.rule().calendar_on or date.min).replace(year=2000) == date(2000, 12, 1)
    monthly.sweep()
    assert monthly.charges() == []
    monthly.pass_time(days=11)
    for _ in range(3):
        monthly.sweep()
        monthly.evaluate()
    monthly.run_jobs()
    assert (len(monthly.charges()), monthly.prepaid) == (1, 50 * EURO)
    assert (monthly.rule().calendar_on or date.min).replace(year=2000) == date(2000, 1, 1)
    monthly.pass_time(days=31)
    monthly.sweep()
    assert monthly.prepaid == 90 * EURO


def test_it_counts_for_the_monthly_maximum(monthly: Story) -> None:
    monthly.pass_time(days=11)
    monthly.sweep()
    monthly.use(50)
    monthly.pass_time(hours=2)
    assert monthly.evaluate() == "monthly_maximum"


def test_one_that_could_not_be_charged_is_charged_once_there_is_a_method(monthly: Story) -> None:
    (card,) = service.payment_methods(monthly.customer_id)
    monthly.sandbox.control(f"mandates/{card.mollie_mandate_id}/state", {"status": "revoked"})
    service.sync_mandates(monthly.customer_id)
    monthly.pass_time(days=12)
    monthly.sweep()
    assert monthly.decisions()[-1].reason.value == "no_valid_method"
    monthly.save_method("creditcard", key="another")
    monthly.run_jobs()
    assert monthly.prepaid == 60 * EURO


def test_it_needs_a_consent_that_names_it_and_a_maximum_that_covers_it(monthly: Story) -> None:
    with pytest.raises(ConsentMissing):
        monthly.turn_on(
            calendar_micros=41 * EURO,
            threshold_micros=1 * EURO,
            monthly_maximum_micros=60 * EURO,
            consent_by=None,
        )
    with pytest.raises(MonthlyMaximumBelowAmount):
        monthly.turn_on(calendar_micros=100 * EURO, monthly_maximum_micros=60 * EURO)
    monthly.turn_on()
    assert (monthly.rule().calendar_on, monthly.rule().evaluate_at) == (None, None)


def test_the_api_sets_and_shows_it(story: Story, api: FlaskClient) -> None:
    story.save_method("creditcard")
    forty = {"value": "40.00", "currency": "EUR"}
    rule = {
        "enabled": True,
        "threshold": {"value": "10.00", "currency": "EUR"},
        "amount": {"value": "25.00", "currency": "EUR"},
        "monthly_maximum": {"value": "100.00", "currency": "EUR"},
        "calendar_amount": forty,
    }
    answer = api.put("/v1/customers/acme/auto-top-up", json=rule)
    assert answer.json is not None
    assert answer.json["calendar_amount"] == forty
    again = api.put("/v1/customers/acme/auto-top-up", json=rule | {"calendar_amount": None})
    assert again.json is not None
    assert again.json["calendar_amount"] is None


@pytest.mark.parametrize(
    ("day", "first"),
    [
        (date(2026, 11, 1), date(2026, 12, 1)),
        (date(2026, 12, 31), date(2027, 1, 1)),
        (date(2028, 2, 29), date(2028, 3, 1)),
    ],
)
def test_the_next_first_is_found_over_the_years_end(day: date, first: date) -> None:
    assert first_of_next_month(day) == first


def rule(**facts: int | None) -> Rule:
    plain = {"threshold_micros": 10 * EURO, "amount_micros": 25 * EURO, "target_micros": None}
    limits = {"monthly_maximum_micros": 250 * EURO}
    return Rule(enabled=True, paused=False, **(plain | limits | facts))  # type: ignore[arg-type]  # shorthand


def replayed(of: Rule, used: dict[int, int], calendar_euros: int | None = None) -> list[tuple[int, int]]:
    charges = charges_of(
        of,
        BOUNDS,
        begins_with_micros=20 * EURO,
        used_by_day={date(2026, 11, day): euros * EURO for day, euros in used.items()},
        days=NOVEMBER,
        calendar_micros=calendar_euros * EURO if calendar_euros else None,
    )
    return [(charge.day.day, charge.amount_micros // EURO) for charge in charges]


def test_a_month_is_replayed_day_by_day() -> None:
    used = {4: 11, 10: 20, 20: 60}
    assert replayed(rule(), used) == [(4, 25), (20, 25), (20, 25), (20, 25)]
    assert replayed(rule(amount_micros=None, target_micros=50 * EURO), used) == [(4, 41), (20, 80)]
    assert replayed(rule(monthly_maximum_micros=50 * EURO), used) == [(4, 25), (20, 25)]
    assert replayed(rule(), {3: 1}, calendar_euros=40) == [(1, 40)]
    assert replayed(rule(), {}) == []


def test_the_preview_counts_usage_in_the_month_of_its_invoice_whenever_it_was_debited(shop: Shop) -> None:
    acme = shop.customer("acme")
    assert preview(acme, rule(), None) is None
    shop.use_42_40("acme")
    shop.clock.travel_to(datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
    shop.use("acme", requests=3, generated=90_000, at=datetime(2026, 10, 31, 22, 30, tzinfo=UTC))
    shop.use("acme", requests=1, at=datetime(2026, 10, 31, 23, 10, tzinfo=UTC))
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    in_unit_of_work(roll_up)
    seen = in_unit_of_work(preview, acme, rule(), None)
    assert seen is not None
    assert (seen.month.day, seen.month.month) == (1, 10)
    assert cents_of_micros(seen.used_micros) == shop.invoice("acme").total_cents
    assert {charge.day.day for charge in seen.charges} == {12}

"""A chargeback before, between and after closes: usage is asked for, the chargeback never twice."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.ledger.sides import Side
from invoicing import notices
from tests.fixtures.outside import Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import AFTER_OCTOBER, EURO, IN_OCTOBER, Shop
from tests.topups.conftest import Story
from topups import receipts

IN_NOVEMBER = datetime(2026, 11, 20, 9, tzinfo=UTC)
AFTER_NOVEMBER = datetime(2026, 12, 1, 5, tzinfo=UTC)
# Five million tokens: € 10.00 net.
TEN = 5_000_000


@pytest.fixture
def acme(shop: Shop) -> Shop:
    """€ 60 topped up, € 42.40 used in October."""
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.use_42_40("acme")
    return shop


def charge_back(shop: Shop, euros: float, name: str = "chargeback-1") -> None:
    shop.post("acme", "chargeback", Side.PREPAID, Side.PSP, euros, name=name)


def close_november(shop: Shop) -> None:
    shop.clock.travel_to(IN_NOVEMBER)
    shop.use("acme", prompt=TEN, at=IN_NOVEMBER)
    shop.clock.travel_to(AFTER_NOVEMBER)
    shop.close("2026-11")


def standing(shop: Shop) -> tuple[int, int]:
    balance = shop.balance("acme")
    return balance.prepaid_micros, balance.receivable_micros


def test_before_the_close_what_it_took_is_due_as_far_as_it_was_used(acme: Shop) -> None:
    charge_back(acme, 60)
    acme.clock.travel_to(AFTER_OCTOBER)
    acme.close()
    assert acme.invoice("acme").due_cents == 4240
    assert standing(acme) == (0, 42_400_000)


def test_part_of_a_payment_taken_back_before_the_close_leaves_the_rest_to_pay_with(acme: Shop) -> None:
    charge_back(acme, 30)
    acme.clock.travel_to(AFTER_OCTOBER)
    acme.close()
    assert acme.invoice("acme").due_cents == 1240
    assert standing(acme) == (0, 12_400_000)


def test_between_two_closes_it_stays_on_the_balance_and_the_next_invoice_asks_for_its_own_usage(
    acme: Shop,
) -> None:
    acme.clock.travel_to(AFTER_OCTOBER)
    acme.close()
    assert acme.invoice("acme").due_cents == 0
    acme.clock.travel_to(IN_NOVEMBER)
    charge_back(acme, 60)
    close_november(acme)
    october, november = acme.invoices("acme")
    assert (october.due_cents, november.total_cents, november.due_cents) == (0, 1210, 1210)
    # October's usage was paid with money that is gone: that stays below zero, and on no invoice.
    assert standing(acme) == (-42_400_000, 12_100_000)
    assert november.balance == {
        "opening": 17_600_000,
        "usage": -12_100_000,
        "invoiced": 12_100_000,
        "other": -60 * EURO,
        "closing": -42_400_000,
    }


def test_after_the_close_of_a_month_in_which_something_was_due_it_asks_for_nothing_more(acme: Shop) -> None:
    charge_back(acme, 30)
    acme.clock.travel_to(AFTER_OCTOBER)
    acme.close()
    charge_back(acme, 30, "chargeback-2")
    assert acme.invoice("acme").due_cents == 1240
    assert standing(acme) == (-30 * EURO, 12_400_000)
    acme.top_up("acme", 50, "topup-2-paid")
    close_november(acme)
    november = acme.invoices("acme")[1]
    assert (november.total_cents, november.due_cents) == (1210, 0)
    assert standing(acme) == (50 * EURO - 30 * EURO - 12_100_000, 12_400_000)


def test_amid_the_close_it_counts_before_or_after_but_never_both(acme: Shop) -> None:
    acme.clock.travel_to(AFTER_OCTOBER)
    acme.use("acme", prompt=TEN, at=AFTER_OCTOBER)
    charge_back(acme, 60)
    acme.close()
    october = acme.invoice("acme")
    # What November has used already is no part of what October's invoice asks for.
    assert (october.total_cents, october.due_cents) == (4240, 4240)
    assert standing(acme) == (-12_101_210, 42_400_000)
    acme.clock.travel_to(AFTER_NOVEMBER)
    acme.close("2026-11")
    assert acme.invoices("acme")[1].due_cents == 1210
    assert standing(acme) == (0, 54_500_000)


def test_with_credits_and_promotional_credit_in_play_each_is_used_once(acme: Shop) -> None:
    acme.grant("acme", 5)
    acme.post("acme", "credit_note", Side.REVENUE, Side.CREDITS, 20, name="credit-1")
    charge_back(acme, 60)
    acme.use("acme", prompt=TEN)
    acme.clock.travel_to(AFTER_OCTOBER)
    acme.close()
    invoice = acme.invoice("acme")
    # The grant came after the first € 42.40, and paid € 5 of what followed it.
    assert invoice.discount_cents == 413
    assert invoice.credits_used_cents == 2000
    assert invoice.due_cents == invoice.total_cents - 2000
    balance = acme.balance("acme")
    assert (balance.prepaid_micros, balance.credits_micros, balance.promo_micros) == (0, 0, 0)
    assert balance.receivable_micros == invoice.due_cents * 10_000
    assert acme.side("acme", Side.UNBILLED_USAGE) == 0


MOMENTS = ("before", "amid", "between", "after")


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=st.sampled_from(MOMENTS), cents=st.integers(1, 6000))
@example(moment="before", cents=6000)
@example(moment="between", cents=2000)
def test_whenever_the_bank_takes_a_payment_back_usage_is_due_as_far_as_money_lacks(
    shop: Shop,
    live_app: LiveApp,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    cents: int,
) -> None:
    """€ 60 paid at the payment provider; € 42.40 used in October and € 12.10 in November."""
    # What is printed is told elsewhere.
    for module in (receipts, notices):
        monkeypatch.setattr(module, "render_pdf", lambda page: b"%PDF " + page.encode())
    shop.sent += 1
    reference = f"customer-{shop.sent}"
    shop.clock.travel_to(IN_OCTOBER)
    story = Story(shop.customer(reference), sandbox, shop.run_jobs)
    paid = story.pay(60)

    def at(now: str) -> None:
        if now == moment:
            amount = {"value": f"{cents / 100:.2f}", "currency": "EUR"}
            sandbox.control(f"payments/{paid.mollie_payment_id}/chargeback", {"amount": amount})
            shop.run_jobs()
            (taken,) = story.transfers("chargeback")
            assert taken.amount_micros == cents * 10_000

    shop.use_42_40(reference, at=IN_OCTOBER)
    at("before")
    shop.clock.travel_to(AFTER_OCTOBER)
    at("amid")
    shop.close()
    shop.clock.travel_to(IN_NOVEMBER)
    at("between")
    shop.use(reference, prompt=TEN, at=IN_NOVEMBER)
    shop.clock.travel_to(AFTER_NOVEMBER)
    shop.close("2026-11")
    at("after")

    taken_by_then = {"before": (cents, cents), "amid": (cents, cents), "between": (0, cents), "after": (0, 0)}
    in_october, in_november = taken_by_then[moment]
    october = asked(lacking=4240 + in_october - 6000, total=4240)
    november = asked(lacking=4240 + 1210 + in_november - 6000 - october, total=1210)
    assert [one.due_cents for one in shop.invoices(reference)] == [october, november]
    balance = shop.balance(reference)
    assert balance.receivable_micros == (october + november) * 10_000
    # Nothing is asked twice, and nothing is forgotten.
    assert balance.prepaid_micros - balance.receivable_micros == (6000 - cents - 4240 - 1210) * 10_000


def asked(*, lacking: int, total: int) -> int:
    """At most the invoice, and nothing below a euro."""
    due = min(total, max(0, lacking))
    return due if due >= 100 else 0

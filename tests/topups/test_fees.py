"""Fees of methods: accepted before paying or nothing happens, paid but not credited, never above the cost."""

import re
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from app.clock import utc_now
from app.config import MethodFee, Settings
from app.config import settings as current
from app.db import unit_of_work
from app.i18n import local_date
from app.ledger.accounts import open_account
from tests.topups.conftest import EURO, Story
from tests.topups.test_pages import Browser, signed_in
from topups import fees, payouts, service
from topups.errors import FeeNotAccepted

CENT = 10_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """PayPal and cards cost something here."""
    fee = MethodFee(fixed=Decimal("0.35"), percentage=Decimal("3.4"))
    object.__setattr__(settings, "fees", MappingProxyType({"paypal": fee, "creditcard": fee}))
    return settings


@pytest.fixture
def jan(app: Flask, story: Story) -> Browser:
    return signed_in(app, story.customer_id, "jan@acme.example")


def test_the_fee_is_shown_before_anything_is_paid_and_declining_it_does_nothing(
    story: Story, jan: Browser
) -> None:
    assert "PayPal (costs a fee)" in jan.get("/top-up")
    answer = jan.post("/top-up", amount="25", method="paypal", token=jan.hidden("token"))
    assert answer.status_code == 200
    # 0.35 + 3.4% of 25 = 1.20; 21% VAT of it is 0.25.
    assert "€1.45" in jan.page
    assert "including €0.25 VAT" in jan.page
    assert "€26.45" in jan.page
    assert story.top_ups() == []


def test_an_accepted_fee_is_paid_with_the_top_up_and_credited_to_nobody(story: Story, jan: Browser) -> None:
    jan.get("/top-up")
    jan.post("/top-up", amount="25", method="paypal", token=jan.hidden("token"))
    shown = {name: jan.hidden(name) for name in ("amount", "method", "token", "accepted_fee")}
    answer = jan.post("/top-up", **shown)
    again = jan.post("/top-up", **shown)
    (top_up,) = story.top_ups()
    assert answer.location == again.location == top_up.checkout_url
    assert (top_up.amount_micros, top_up.fee_micros, top_up.fee_vat_micros) == (
        25 * EURO,
        145 * CENT,
        25 * CENT,
    )
    story.settle(top_up)
    story.run_jobs()
    assert story.prepaid == 25 * EURO
    (fee,) = story.transfers("payment_fee")
    assert (fee.debit, fee.credit, fee.amount_micros) == ("psp", "fees", 145 * CENT)
    page = jan.get(f"/top-up/{top_up.top_up_id}")
    assert re.search(r"€26\.45", page)
    today = local_date(utc_now())
    (billed,) = fees.paid_fees(story.customer_id, today, today)
    assert (billed.method, billed.fee.net_micros, billed.fee.vat_micros) == ("paypal", 120 * CENT, 25 * CENT)
    report = payouts.report(today)
    assert report.agrees
    assert sum(day.ledger_micros for day in report.days) == 2645 * CENT


def test_a_changed_amount_asks_again(story: Story) -> None:
    with pytest.raises(FeeNotAccepted):
        story.request(50, method="paypal", accepted_fee_micros=145 * CENT)
    assert story.top_ups() == []


def test_a_method_without_a_fee_asks_nothing(story: Story, jan: Browser) -> None:
    jan.get("/top-up")
    answer = jan.post("/top-up", amount="25", method="ideal", token=jan.hidden("token"))
    assert answer.status_code == 302
    assert story.top_ups()[0].fee_micros == 0


def test_a_consumer_never_pays_a_fee_for_a_card(app: Flask) -> None:
    with unit_of_work():
        consumer = open_account(
            {
                "reference": "jan",
                "name": "Jan",
                "email": "jan@example.nl",
                "kind": "consumer",
                "country": "NL",
                "locale": "nl",
            }
        )
        assert not service.fee_of(consumer, "creditcard", 25 * EURO)
        assert service.fee_of(consumer, "paypal", 25 * EURO).gross_micros == 145 * CENT


def test_the_api_names_the_fee_that_must_be_accepted(story: Story, api: FlaskClient) -> None:
    body = {"amount": {"value": "25.00", "currency": "EUR"}, "method": "paypal"}
    path = "/v1/customers/acme/top-ups"
    refused = api.post(path, json=body, headers={"Idempotency-Key": "a"})
    problem = refused.get_json()
    assert (refused.status_code, problem["code"]) == (409, "fee_not_accepted")
    assert problem["fee"]["value"] == "1.45"
    made = api.post(path, json=body | {"accepted_fee": problem["fee"]}, headers={"Idempotency-Key": "b"})
    assert (made.status_code, made.get_json()["fee"]["value"]) == (201, "1.45")


def test_an_invoice_is_paid_without_a_fee(story: Story) -> None:
    paid = story.request(25, method="paypal", purpose="invoice", invoice_number="F2026-000001")
    assert paid.fee_micros == 0


@pytest.mark.parametrize(("locale", "button"), [("nl", "Nu opwaarderen"), ("en", "Top up now")])
def test_the_fee_page_reads_well_on_a_desk_and_a_phone(
    app: Flask,
    story: Story,
    page: Page,
    accessible: Callable[[Page], None],
    screens: Callable[[Page, str], None],
    locale: str,
    button: str,
) -> None:
    person = signed_in(app, story.customer_id, "piet@acme.example", locale=locale)
    person.get("/top-up")
    session = person.client.get_cookie("tegoed")
    assert session is not None
    page.context.add_cookies([{"name": "tegoed", "value": session.value, "url": current().public_url}])
    page.goto("/top-up")
    page.get_by_label("PayPal").check()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text("26")).to_contain_text("45")
    accessible(page)
    screens(page, f"fee-{locale}")

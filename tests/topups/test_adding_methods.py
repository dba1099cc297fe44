"""A payment method is added without paying anything, where the method allows it."""

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Page

from app.clock import utc_now
from app.config import settings
from app.db import in_unit_of_work
from app.i18n import local_date
from tests.fixtures.outside import Mailbox
from tests.topups.conftest import EURO, NOBODY, Story
from tests.topups.test_pages import Browser, signed_in
from topups import payouts, service
from topups.errors import UnknownMethod


@pytest.fixture
def jan(app: Flask, story: Story) -> Browser:
    return signed_in(app, story.customer_id, "jan@acme.example")


def add_card(jan: Browser) -> str:
    jan.get("/payment-methods/add")
    answer = jan.post("/payment-methods/add", method="creditcard", save_method="y", token=jan.hidden("token"))
    assert answer.status_code == 302, answer.text
    return answer.location or ""


def the_attempt(story: Story) -> service.TopUp:
    (request,) = [
        r
        for r in story.sandbox.control("requests?method=POST&path=/v2/payments", method="GET")
        if r["body"]["sequenceType"] == "first"
    ]
    assert request["body"]["amount"]["value"] == "0.00"
    return story.top_up(request["body"]["metadata"]["topup_id"])


def test_a_card_is_added_without_paying_and_can_be_charged_afterwards(
    story: Story, jan: Browser, smtp: Mailbox
) -> None:
    assert "/checkout/" in add_card(jan)
    attempt = the_attempt(story)
    assert "We are waiting for the confirmation." in jan.get(f"/top-up/{attempt.top_up_id}")
    smtp.messages.clear()
    story.settle(attempt)
    story.run_jobs()
    page = jan.get(f"/top-up/{attempt.top_up_id}")
    assert "Your payment method has been added. Nothing was charged." in page
    (card,) = service.payment_methods(story.customer_id)
    assert (card.method, card.status) == ("creditcard", "valid")
    assert story.prepaid == 0
    assert story.transfers() == []
    assert smtp.messages == []
    assert story.top_ups() == []
    assert payouts.report(local_date(utc_now())).agrees
    assert story.turn_on().enabled


def test_the_consent_is_kept_and_without_it_nothing_happens(story: Story, jan: Browser) -> None:
    jan.get("/payment-methods/add")
    answer = jan.post("/payment-methods/add", method="creditcard", token=jan.hidden("token"))
    assert answer.status_code == 422
    assert "Tick the box to give your consent." in jan.page
    assert story.sandbox.control("requests?method=POST&path=/v2/payments", method="GET") == []
    add_card(jan)
    assert the_attempt(story).consent_id is not None


def test_an_abandoned_attempt_adds_nothing_and_tells_nobody(
    story: Story, jan: Browser, smtp: Mailbox
) -> None:
    add_card(jan)
    attempt = the_attempt(story)
    smtp.messages.clear()
    story.settle(attempt, "canceled")
    story.run_jobs()
    assert "has not been added" in jan.get(f"/top-up/{attempt.top_up_id}")
    assert service.payment_methods(story.customer_id) == []
    assert smtp.messages == []


def test_an_account_behind_ideal_needs_a_first_payment(story: Story, jan: Browser) -> None:
    page = jan.get("/payment-methods/add")
    assert 'value="ideal"' not in page
    assert "top up once with iDEAL or Bancontact" in page
    with pytest.raises(UnknownMethod):
        service.request_top_up(
            story.customer,
            0,
            request_key="x",
            method="ideal",
            purpose="method",
            save_method=True,
            consent_by=NOBODY,
        )


def test_the_page_reads_well_on_a_desk_and_a_phone(
    app: Flask,
    story: Story,
    page: Page,
    accessible: Callable[[Page], None],
    screens: Callable[[Page, str], None],
) -> None:
    person = signed_in(app, story.customer_id, "piet@acme.example", locale="nl")
    cookie = person.client.get("/payment-methods/add")
    assert cookie.status_code == 200
    session = person.client.get_cookie("tegoed")
    assert session is not None
    page.context.add_cookies([{"name": "tegoed", "value": session.value, "url": settings().public_url}])
    in_unit_of_work(service.make_pay_link, story.customer_id, amount_micros=50 * EURO)
    for path, name in (
        ("/payment-methods/add", "add-method-nl"),
        ("/pay-links", "pay-links-nl"),
        ("/payment-methods", "payment-methods-nl"),
    ):
        page.goto(path)
        accessible(page)
        screens(page, name)

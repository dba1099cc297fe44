"""The pages of top-ups in a real browser, in both languages."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app.customers.service import get_customer
from app.customers.sign_in import add_member, create_user
from app.db import unit_of_work
from tests.portal.people import PASSWORD, operator
from tests.portal.test_browser_overview import arrive
from tests.topups.conftest import EURO, Story

Check = Callable[[Page], None]
Keep = Callable[[Page, str], None]


def paying_customer(story: Story, locale: str) -> str:
    """Two methods, a rule with a calendar top-up, use in the month before; answers the payment to look at."""
    with unit_of_work():
        get_customer(story.customer_id).locale = locale
        user = create_user("jan@acme.example", "Jan", locale=locale, password=PASSWORD)
        add_member(story.customer_id, user, "owner")
    story.save_method("creditcard", key="card")
    story.save_method("ideal", key="debit")
    story.turn_on(calendar_micros=40 * EURO)
    return story.pay(50, key="by hand").top_up_id


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", ("Your rule", "Make default", "Receipt (PDF)")),
        ("nl", ("Jouw regel", "Standaard maken", "PDF")),
    ],
)
def test_a_customers_pages_can_be_read_by_everybody(
    story: Story, page: Page, accessible: Check, screens: Keep, locale: str, words: tuple[str, str, str]
) -> None:
    top_up_id = paying_customer(story, locale)
    arrive(page, "jan@acme.example")
    for path, word in (
        ("/automatic-top-up", words[0]),
        ("/payment-methods", words[1]),
        (f"/top-up/{top_up_id}", words[2]),
    ):
        page.goto(path)
        expect(page.locator("main")).to_contain_text(word)
        accessible(page)
        screens(page, f"top-ups-{path.split('/')[1]}-{locale}")


def test_staff_refunds_a_payment(story: Story, page: Page, accessible: Check, screens: Keep) -> None:
    top_up = story.pay(50)
    operator()
    arrive(page, "staff@tegoed.example")
    page.goto("/desk/customers/acme/payments")
    accessible(page)
    page.get_by_role("link", name="Top-up").click()
    page.get_by_label("Amount").fill("12.50")
    page.get_by_role("button", name="Send back").click()
    expect(page.get_by_text("€12.50 is on its way back.")).to_be_visible()
    accessible(page)
    screens(page, "desk-payment")
    assert story.top_up(top_up.top_up_id).refunded_micros == 12_500_000

"""The pages of alerts and of outgoing webhooks in a real browser."""

from collections.abc import Callable

from flask import Flask
from playwright.sync_api import Page, expect

from app.config import Settings
from app.db import in_unit_of_work, unit_of_work
from app.webhooks import service
from tests.fixtures.receiver import Receiver
from tests.portal.people import PASSWORD, customer_with_user, operator

Check = Callable[[Page], None]
Keep = Callable[[Page, str], None]


def arrive(page: Page, email: str) -> None:
    page.goto("/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def test_a_customer_sets_alerts(app: Flask, page: Page, accessible: Check, screens: Keep) -> None:
    customer_with_user("acme")
    arrive(page, "acme@tegoed.example")
    page.get_by_role("link", name="Alerts").click()
    page.get_by_label("Tell me below").fill("50")
    page.get_by_label("When it lasts less than this many days").fill("7")
    page.get_by_label("Spending limit per month, incl. VAT").fill("100")
    page.get_by_label("Tell me and refuse new reservations").check()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("status")).to_contain_text("Your alerts are saved.")
    expect(page.get_by_label("Tell me below")).to_have_value("50.00")
    accessible(page)
    page.get_by_role("button", name="NL").click()
    expect(page.get_by_role("heading", name="Meldingen", level=1)).to_be_visible()
    screens(page, "alerts")


def test_an_operator_sends_a_webhook_again(
    demo_settings: Settings,
    page: Page,
    receiver: Receiver,
    run_jobs: Callable[..., int],
    accessible: Check,
    screens: Keep,
) -> None:
    operator()
    in_unit_of_work(service.register, receiver.url)
    receiver.status, receiver.answer = 500, b"out of order"
    with unit_of_work():
        service.tell("top_up.paid", dict, customer_id=1000, dedupe_key="tu_1")
    run_jobs()
    arrive(page, "staff@tegoed.example")
    page.goto("/desk/webhooks")
    accessible(page)
    screens(page, "webhooks")

    receiver.status = 200
    page.get_by_role("button", name="Send again: top_up.paid").click()

    expect(page.get_by_role("status")).to_contain_text("The message is being sent again.")
    run_jobs()
    page.reload()
    expect(page.get_by_text("Delivered")).to_be_visible()
    assert len(receiver.requests) == 2

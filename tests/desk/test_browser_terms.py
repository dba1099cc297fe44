"""The desk's pages of invoicing and of meters' taxes, in a real browser."""

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from tests.portal import stories
from tests.portal.people import customer_with_user, operator
from tests.portal.test_browser_overview import arrive

Check = Callable[[Page], None]
Keep = Callable[[Page, str], None]


def test_staff_sets_the_cycle_of_a_customer_and_the_rate_of_a_meter(
    app: Flask, api: FlaskClient, page: Page, accessible: Check, screens: Keep
) -> None:
    customer_with_user()
    operator()
    stories.meters(api)
    arrive(page, "staff@tegoed.example")
    page.goto("/desk/customers/acme")
    page.get_by_role("main").get_by_role("link", name="Invoicing", exact=True).click()
    page.get_by_label("Every two weeks").check()
    accessible(page)
    screens(page, "desk-invoicing")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main")).to_contain_text("Every two weeks")
    page.goto("/desk/meters")
    accessible(page)
    page.get_by_role("link", name="Standard rate").first.click()
    page.get_by_label("Reduced rate").check()
    accessible(page)
    screens(page, "desk-meter")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("table", name="Meters")).to_contain_text("Reduced rate")
    screens(page, "desk-meters")

"""The overview in a real browser: it follows the balance without a reload, in both languages."""

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from tests.portal import stories
from tests.portal.people import PASSWORD, customer_with_user, operator

Check = Callable[[Page], None]
Keep = Callable[[Page, str], None]


def arrive(page: Page, email: str) -> None:
    page.goto("/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def test_the_overview_follows_the_balance_without_a_reload(
    app: Flask, api: FlaskClient, page: Page, accessible: Check, screens: Keep
) -> None:
    customer_id, _ = customer_with_user()
    stories.meters(api)
    stories.money_in(customer_id, 120)
    stories.welcome_credit(customer_id)
    stories.use(api, "acme", days=28)
    arrive(page, "acme@tegoed.example")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    accessible(page)
    screens(page, "overview")

    amount = page.locator('[data-part="balance"] .amount')
    before = amount.inner_text()
    page.get_by_text("As a table").click()
    page.evaluate("window.stillTheSamePage = true")
    stories.money_in(customer_id, 25, "topup-while-looking")

    expect(amount).not_to_have_text(before)
    assert page.evaluate("window.stillTheSamePage")
    expect(page.get_by_role("table", name="Usage per day")).to_be_visible()
    expect(page.locator('[data-part="movements"]')).to_contain_text("+ €25.00")
    accessible(page)


def test_without_a_script_every_page_is_complete(
    app: Flask, api: FlaskClient, page: Page, accessible: Check, screens: Keep
) -> None:
    customer_id, _ = customer_with_user()
    stories.meters(api)
    stories.money_in(customer_id, 60)
    stories.use(api, "acme", days=28)
    page.route("**/*.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    arrive(page, "acme@tegoed.example")

    for name in ("Usage", "Transactions"):
        page.get_by_role("navigation", name="Main menu").get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        accessible(page)
        screens(page, name.lower())


def test_the_language_switch_stays_on_the_page_and_is_remembered(app: Flask, page: Page) -> None:
    customer_with_user()
    arrive(page, "acme@tegoed.example")
    page.goto("/usage?period=7")

    page.get_by_role("button", name="Nederlands").click()

    expect(page.locator("html")).to_have_attribute("lang", "nl")
    assert page.url.endswith("/usage?period=7")
    page.goto("/overview")
    expect(page.locator("html")).to_have_attribute("lang", "nl")


def test_the_desk_for_everybody_who_works_there(
    app: Flask, api: FlaskClient, page: Page, accessible: Check, screens: Keep
) -> None:
    customer_id, _ = customer_with_user()
    stories.money_in(customer_id, 60)
    stories.welcome_credit(customer_id)
    operator()
    arrive(page, "staff@tegoed.example")

    expect(page.get_by_role("heading", name="Customers", level=1)).to_be_visible()
    accessible(page)
    screens(page, "desk-customers")
    page.get_by_role("link", name="Acme").click()
    expect(page.get_by_role("heading", name="Acme", level=1)).to_be_visible()
    accessible(page)
    for name in ("Failed jobs", "E-mails", "API keys"):
        page.get_by_role("navigation", name="Main menu").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        accessible(page)
    page.get_by_label("What is the key for?").fill("Metering")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("status")).to_contain_text("tgd_")
    accessible(page)

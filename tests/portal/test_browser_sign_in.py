"""Signing in, in a real browser: by password, by code, with the keyboard alone, in both languages."""

import re
from collections.abc import Callable

from flask import Flask
from playwright.sync_api import Page, expect

from tests.fixtures.outside import Mailbox
from tests.portal.people import PASSWORD, customer_with_user

Check = Callable[[Page], None]
Keep = Callable[[Page, str], None]


def test_signing_in_with_a_password(app: Flask, page: Page, accessible: Check, screens: Keep) -> None:
    customer_with_user()
    page.goto("/transactions")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    accessible(page)
    screens(page, "sign-in")

    page.get_by_label("E-mail address").fill("acme@tegoed.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("The e-mail address or password is wrong.")).to_be_visible()
    expect(page.get_by_label("E-mail address")).to_have_value("acme@tegoed.example")
    accessible(page)

    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Transactions", level=1)).to_be_visible()
    accessible(page)


def test_signing_in_with_a_code(
    app: Flask, page: Page, accessible: Check, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    customer_with_user()
    page.goto("/sign-in")
    page.get_by_role("link", name="E-mail me a sign-in code").click()
    page.get_by_label("E-mail address").fill("acme@tegoed.example")
    accessible(page)
    page.get_by_role("button", name="E-mail me a sign-in code").click()
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    accessible(page)

    run_jobs()
    code = re.search(r"\b\d{6}\b", str(smtp.messages[0]["Subject"]))
    assert code
    page.get_by_label("Sign-in code").fill(code[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_contain_text("You are signed out.")


def test_the_language_switch_keeps_the_page(app: Flask, page: Page) -> None:
    page.goto("/sign-in/code?next=/transactions")
    expect(page.locator("html")).to_have_attribute("lang", "en")

    page.get_by_role("button", name="Nederlands").click()

    expect(page.locator("html")).to_have_attribute("lang", "nl")
    assert page.url.endswith("/sign-in/code?next=/transactions")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_keyboard_alone_reaches_the_content_first(app: Flask, page: Page) -> None:
    page.goto("/sign-in")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_attribute("name", "email")

"""What a customer's people do on their pages, in a real browser and in each language, but for paying."""

import csv
import io
import re
from collections.abc import Callable

import pyotp
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect

from app.clock import utc_now
from app.customers import auth
from app.customers.models import User
from app.customers.service import get_customer
from app.db import db
from tests.fixtures.outside import Mailbox
from tests.fixtures.reader import Reader
from tests.portal import stories
from tests.portal.people import PASSWORD, customer_with_user, plain


@pytest.fixture
def anna(reader: Reader) -> tuple[int, User]:
    """Owner of Acme; nobody has signed in yet."""
    return customer_with_user("acme", locale=reader.language)


def rows_of(file: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.decode("utf-8-sig"))))


def link_in(smtp: Mailbox, kind: str) -> str:
    """The path that the last mail leads to."""
    found = re.search(rf"https?://[^/\s]+(/{kind}/\S+)", plain(smtp.messages[-1]))
    assert found
    return found[1]


def test_usage_and_transactions_are_filtered_and_downloaded(
    anna: tuple[int, User], api: FlaskClient, reader: Reader
) -> None:
    acme, owner = anna
    stories.meters(api)
    stories.money_in(acme, 60)
    stories.use(api, "acme", days=10)
    reader.comes_in(owner)
    reader.opens("/usage")
    reader.follows("Last 7 days")
    meter = {"nl": "Verzoeken", "en": "Requests"}[reader.language]
    reader.main.get_by_role("link", name=meter, exact=True).click()
    expect(
        reader.page.get_by_role("table", name=reader.say("What was used")).get_by_role("row")
    ).to_have_count(2)
    file = rows_of(reader.downloads("Download these figures (CSV)"))
    assert {row[1] for row in file[1:]} == {meter}
    assert len(file) == 8

    reader.opens("/transactions")
    everything = reader.page.get_by_role("row").count()
    reader.follows("Payments")
    expect(reader.page.get_by_role("row")).to_have_count(2)
    expect(reader.main).to_contain_text(re.compile("60[.,]00"))
    assert len(rows_of(reader.downloads("Download all transactions (CSV)"))) >= everything


def test_the_account_its_vat_number_addressees_alerts_key_and_end(
    anna: tuple[int, User], reader: Reader
) -> None:
    acme, owner = anna
    reader.comes_in(owner)
    reader.opens("/account")
    reader.fills("Name", "Acme Holding B.V.")
    reader.fills("VAT number", "NL000099998B57")
    reader.fills("Your reference", "PO-7")
    reader.presses("Save")
    reader.is_told("Your details are saved.")
    db.session.rollback()
    kept = get_customer(acme)
    assert (kept.name, kept.vat_number, kept.purchase_order) == (
        "Acme Holding B.V.",
        "NL000099998B57",
        "PO-7",
    )

    reader.ticks("Payments, receipts and reminders")
    reader.page.get_by_role("button", name=reader.say("Save")).nth(1).click()
    reader.is_told("Your choice is saved.")

    reader.follows("Who gets the invoices")
    reader.fills("E-mail address", "books@acme.example")
    reader.presses("Save")
    expect(reader.page.get_by_role("row")).to_have_count(2)
    reader.presses("Remove %(address)s", address="books@acme.example")
    reader.sees("There are no addressees yet.")

    reader.opens("/alerts")
    reader.fills("Tell me below", "12,50")
    reader.fills("Spending limit per month, incl. VAT", "100")
    reader.presses("Save")
    reader.is_told("Your alerts are saved.")

    reader.opens("/account/api-keys")
    reader.fills("What is the key for?", "Shop")
    reader.presses("Create key")
    key = reader.page.locator("code.key").inner_text()
    assert auth.check_api_key(key).customer_id == acme
    reader.presses("Revoke %(name)s", name="Shop")
    reader.is_told("The key is revoked. Programs that use it are refused within seconds.")

    reader.opens("/account/closing")
    reader.presses("Ask to close the account")
    reader.is_told("We have your request. You hear from us within two working days.")
    reader.presses("Withdraw the request")
    reader.is_told("Your request is withdrawn. Nothing has changed.")


def test_a_colleague_is_invited_comes_in_and_changes_the_language(
    anna: tuple[int, User], reader: Reader, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    reader.comes_in(anna[1])
    reader.opens("/team")
    reader.fills("E-mail address", "bo@acme.example")
    reader.page.locator("select#role").select_option("billing")
    reader.presses("Send invitation")
    reader.is_told("An invitation is on its way to %(email)s.", email="bo@acme.example")
    run_jobs()
    reader.presses("Sign out")

    reader.opens(link_in(smtp, "invitation"))
    reader.fills("Your name", "Bo Bakker")
    reader.fills("New password", PASSWORD)
    reader.presses("Accept")
    reader.is_told("Welcome. You are now part of the team.")
    # Who pays begins where there is something to pay.
    expect(reader.page.get_by_role("heading", level=1)).to_have_text(reader.say("Invoices"))
    reader.opens("/automatic-top-up")
    expect(reader.page.get_by_role("button", name=reader.say("Turn on automatic top-up"))).to_be_disabled()

    other = {"nl": "English", "en": "Nederlands"}[reader.language]
    reader.page.get_by_role("button", name=other).click()
    expect(reader.page.locator("html")).to_have_attribute("lang", {"nl": "en", "en": "nl"}[reader.language])


def test_signing_in_by_password_code_app_and_with_a_forgotten_password(
    anna: tuple[int, User], reader: Reader, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    email = anna[1].email

    def by_password(password: str) -> None:
        reader.fills("E-mail address", email)
        reader.fills("Password", password)
        reader.presses("Sign in")

    reader.opens("/sign-in")
    by_password("wrong")
    reader.sees("The e-mail address or password is wrong.")
    reader.follows("E-mail me a sign-in code")
    reader.fills("E-mail address", email)
    reader.presses("E-mail me a sign-in code")
    run_jobs()
    code = re.search(r"\b\d{6}\b", str(smtp.messages[-1]["Subject"]))
    assert code
    reader.fills("Sign-in code", code[0])
    reader.presses("Sign in")

    reader.page.wait_for_url("**/overview")
    reader.opens("/account/security/authenticator")
    secret = reader.page.locator("code").inner_text().replace(" ", "")
    reader.fills("Code from your authenticator app", pyotp.TOTP(secret).at(utc_now()))
    reader.presses("Turn on")
    reader.is_told("Signing in with two steps is on.")
    spare = reader.page.locator("main code").first.inner_text()
    reader.presses("Sign out")

    reader.opens("/sign-in")
    reader.follows("Forgotten your password?")
    reader.fills("E-mail address", email)
    reader.presses("E-mail me a link")
    reader.sees("Look in your e-mail")
    run_jobs()
    reader.opens(link_in(smtp, "password"))
    reader.fills("New password", "another horse altogether")
    reader.presses("Change password")
    reader.is_told("Your password is changed. Sign in with the new one.")
    by_password("another horse altogether")
    reader.sees("One more step")
    reader.fills("Code from your authenticator app", spare)
    reader.presses("Sign in")
    reader.page.wait_for_url("**/overview")

"""The operator's main tasks in a real browser, by two colleagues: from a new customer to the audit log."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from app import translations
from app.customers.service import find_customer
from app.customers.sign_in import create_user, find_user
from app.db import db, unit_of_work
from app.ledger.service import get_balance
from invoicing import service as invoicing
from metering.jobs import roll_up
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.invoicing.statements import paid, statement
from tests.portal.people import PASSWORD, operator

WAIT = 30_000


@dataclass
class Colleague:
    """Somebody at the desk, who reads one language."""

    page: Page
    words: Callable[..., str]

    def sign_in(self, email: str) -> None:
        self.page.goto("/sign-in")
        self.page.locator("input[name=email]").fill(email)
        self.page.locator("input[name=password]").fill(PASSWORD)
        self.page.locator("input[name=password]").press("Enter")
        self.page.wait_for_url("**/desk/customers")

    def press(self, text: str, **more: Any) -> None:
        """The button with these words of the page's own part."""
        self.page.get_by_role("main").get_by_role("button", name=self.words(text), exact=True, **more).click()

    def follow(self, text: str) -> None:
        self.page.get_by_role("main").get_by_role("link", name=self.words(text), exact=True).first.click()

    def fill(self, label: str, value: str) -> None:
        self.page.get_by_role("main").get_by_label(self.words(label), exact=True).fill(value)

    def sees(self, text: str, **facts: Any) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(self.words(text, **facts), timeout=WAIT)

    def reads(self, text: str) -> None:
        """What is the same in every language."""
        expect(self.page.get_by_role("main")).to_contain_text(text, timeout=WAIT)


@pytest.fixture
def locale(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "nl"))


@pytest.fixture
def words(locale: str) -> Callable[..., str]:
    """A text of the sources in the language of the story."""
    catalogue = translations.read(locale)

    def of(text: str, **facts: Any) -> str:
        message = catalogue.get(text)
        assert message is not None, text
        return str(message.string or text) % facts if facts else str(message.string or text)

    return of


@pytest.fixture
def desk(
    shop: Shop, live_app: LiveApp, browser: Browser, locale: str, words: Callable[..., str]
) -> Iterator[tuple[Colleague, Colleague]]:
    """Sam and Mo, both signed in."""
    operator()
    with unit_of_work():
        create_user("mo@tegoed.example", "Mo", locale=locale, password=PASSWORD, is_operator=True)
        sam: Any = find_user("staff@tegoed.example")
        sam.locale = locale
    found = []
    for email in ("staff@tegoed.example", "mo@tegoed.example"):
        context = browser.new_context(base_url=live_app.url, locale=locale, reduced_motion="reduce")
        context.set_default_timeout(WAIT)
        one = Colleague(context.new_page(), words)
        one.sign_in(email)
        found.append(one)
    yield found[0], found[1]
    for one in found:
        one.page.context.close()


@pytest.mark.parametrize("locale", ["nl", "en"], indirect=True)
def test_a_customer_is_made_given_credit_adjusted_by_two_suspended_and_looked_at(
    desk: tuple[Colleague, Colleague],
) -> None:
    sam, mo = desk
    sam.follow("New customer")
    sam.fill("Customer number", "no number")
    sam.fill("Name", "Globex B.V.")
    sam.press("Create customer")
    sam.sees("Enter an e-mail address.")
    expect(sam.page.get_by_label(sam.words("Name"), exact=True)).to_have_value("Globex B.V.")
    sam.fill("Customer number", "globex")
    sam.fill("E-mail address", "books@globex.example")
    sam.press("Create customer")
    sam.sees("%(customer)s is a customer now.", customer="Globex B.V.")

    # Credit is given at once; what is above the limit waits for somebody else.
    sam.follow("Adjust the balance")
    sam.page.get_by_label(sam.words("Give promotional credit")).check()
    sam.fill("Amount", "25,00")
    sam.fill("Why?", "Welcome")
    sam.press("Adjust")
    sam.sees("The adjustment is done.")
    sam.fill("Amount", "2.500")
    sam.fill("Why?", "Outage")
    sam.press("Adjust")
    sam.sees("This is above your limit: somebody else must approve it.")
    mo.page.goto("/desk/approvals")
    mo.reads("Outage")
    mo.page.get_by_role("button", name=mo.words("Approve: %(reason)s", reason="Outage")).click()
    mo.sees("Approved: the adjustment is done.")
    db.session.rollback()
    balance = get_balance(find_customer("globex").customer_id)
    assert (balance.prepaid_micros, balance.promo_micros) == (2_500 * EURO, 25 * EURO)

    sam.page.goto("/desk/customers/globex")
    sam.follow("Limits")
    sam.fill("Overdraft", "100")
    sam.press("Save")
    sam.sees("Saved.")
    sam.press("Suspend")
    sam.sees("This customer is now suspended: new reservations are refused.")
    sam.press("Lift suspension")
    sam.sees("This customer is no longer suspended.")

    sam.press("See as the customer")
    sam.sees("You see what %(customer)s sees. Nothing can be changed.", customer="Globex B.V.")
    sam.press("Stop looking")
    sam.sees("You no longer look as a customer.")

    sam.follow("History of changes")
    for act in (
        "Customer made",
        "Adjustment asked for",
        "Limits of a customer set",
        "Looked as the customer",
    ):
        sam.sees(act)


def test_a_month_is_priced_run_paid_by_bank_and_told_in_the_log(
    shop: Shop, desk: tuple[Colleague, Colleague]
) -> None:
    sam, _ = desk
    shop.customer("acme")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    roll_up()

    _meter_and_price(sam)
    _webhook(sam)

    sam.page.goto("/desk/invoice-runs")
    sam.press("Start")
    sam.sees("The run of %(month)s has begun.", month="oktober 2026")
    sam.reads("0 van 1")
    shop.run_jobs(failures_expected=True)
    # The page follows the run by itself.
    sam.reads("1 van 1")
    db.session.rollback()
    (invoice,) = invoicing.page(invoicing.Filters(), limit=2)[0]

    _bank(sam, shop, invoice.invoice.number)
    sam.page.goto("/desk/mails")
    sam.page.get_by_role("main").get_by_role("button").first.click()
    sam.sees("The e-mail is being sent again.")
    sam.page.goto("/desk/webhooks")
    sam.page.get_by_role("button", name="invoice.issued").click()
    sam.sees("The message is being sent again.")

    sam.page.goto("/desk/settings")
    sam.fill("Telephone", "030 765 4321")
    sam.press("Save")
    expect(sam.page.locator("footer")).to_contain_text("030 765 4321")
    sam.page.goto("/desk/staff")
    sam.fill("Name", "Finn")
    sam.fill("E-mail address", "finn@tegoed.example")
    sam.press("Invite")
    sam.sees("%(email)s may sign in now. We have sent a mail.", email="finn@tegoed.example")

    sam.page.goto("/desk/audit")
    for act in (
        "Meter made",
        "Price published",
        "Invoice run started",
        "Bank transfer matched",
        "E-mail sent again",
        "Webhook sent again",
        "Settings saved",
        "Colleague invited",
    ):
        sam.sees(act)
    sam.reads("Sam Staff")


def _meter_and_price(sam: Colleague) -> None:
    """A new meter with its price, and another's price tried on last month."""
    sam.page.goto("/desk/meters")
    sam.follow("New meter")
    sam.fill("Code", "images")
    sam.fill("Name in Dutch", "Afbeeldingen")
    sam.fill("Name in English", "Images")
    sam.fill("Event type", "image.made")
    sam.fill("Unit", "image")
    sam.press("Save")
    sam.reads("Afbeeldingen")
    sam.page.goto("/desk/meters/images/prices")
    sam.fill("Amount per unit, excl. VAT", "0,05")
    sam.press("Publish")
    sam.reads("€\u00a00,05")
    sam.page.goto("/desk/meters/generated_tokens/prices")
    sam.fill("Amount per unit, excl. VAT", "0,000024")
    sam.press("Try this price")
    sam.sees("What customers would have paid")
    sam.reads("acme")


def _webhook(sam: Colleague) -> None:
    sam.page.goto("/desk/webhooks")
    sam.fill("Address", "https://hooks.invalid/tegoed")
    sam.press("Add address")
    sam.sees("The secret of this address")


def _bank(sam: Colleague, shop: Shop, number: str) -> None:
    """One transfer names its invoice; whose the other is, Sam says."""
    file = statement(paid("42.40", number), paid("7.00", "thanks", name="Unknown", iban="NL20INGB0001234567"))
    sam.page.goto("/desk/bank")
    upload: FilePayload = {"name": "today.xml", "mimeType": "text/xml", "buffer": file}
    sam.page.locator("input[type=file]").set_input_files(upload)
    sam.press("Read")
    shop.run_jobs(failures_expected=True)
    sam.page.goto("/desk/bank?show=queued")
    sam.page.get_by_role("link", name="Unknown").click()
    sam.fill("Customer number", "acme")
    sam.press("Give")
    sam.sees("Matched")
    db.session.rollback()
    assert shop.balance("acme").prepaid_micros == 7 * EURO

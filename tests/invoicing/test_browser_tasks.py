"""What a customer does with invoices and subscriptions, in a real browser and in each language."""

import io
import zipfile

import pytest
from playwright.sync_api import expect

from app.customers.service import get_customer
from app.customers.sign_in import add_member, create_user
from app.db import db, unit_of_work
from invoicing import notices
from tests.fixtures.outside import Sandbox, eventually
from tests.fixtures.product import LiveApp
from tests.fixtures.reader import Reader
from tests.fixtures.shop import Shop
from tests.fixtures.subscriptions import Hosting
from tests.invoicing.payers import Payer, payer


def comes_in(customer_id: int, reader: Reader) -> None:
    with unit_of_work():
        get_customer(customer_id).locale = reader.language
        user = create_user("anna@acme.example", "Anna", locale=reader.language)
        add_member(customer_id, user, "owner")
    reader.comes_in(user)


@pytest.fixture
def acme(shop: Shop, live_app: LiveApp, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Payer:
    """Owes €42.40 for October and as much for November. Printing has tests of its own."""
    monkeypatch.setattr(notices, "render_pdf", lambda html: b"%PDF " + html.encode())
    found = payer(shop, sandbox)
    found.uses_november_too()
    shop.run_jobs()
    return found


def pays(reader: Reader, acme: Payer, left_cents: list[int]) -> None:
    """From the form that pays to the bank and back, until this is what is still owed."""
    reader.main.get_by_label("iDEAL | Wero").check()
    reader.presses("Pay")
    reader.page.locator("#status-paid").click()
    reader.page.wait_for_url("**/top-up/tu_*")

    def arrived() -> bool:
        # The webhook comes a moment after the payer.
        acme.shop.run_jobs()
        db.session.rollback()
        return sorted(acme.outstanding) == left_cents

    eventually(arrived)


def test_invoices_are_paid_together_in_part_and_whole(acme: Payer, reader: Reader) -> None:
    comes_in(acme.customer_id, reader)
    october, november = sorted(acme.numbers)
    reader.opens("/invoices")
    for number in (october, november):
        reader.page.get_by_label(reader.say("Pay %(number)s", number=number)).check()
    reader.presses("Pay the selected invoices")
    reader.fills("Amount", "50")
    pays(reader, acme, [0, 3480])

    reader.opens("/invoices?show=open")
    expect(reader.main.get_by_role("link", name=october)).to_have_count(0)
    reader.main.get_by_role("link", name=november).first.click()
    reader.fills("Amount", "4,80")
    pays(reader, acme, [0, 3000])

    reader.opens(f"/invoices/{november}")
    pays(reader, acme, [0, 0])
    reader.opens("/invoices")
    reader.sees("All invoices are paid.")


def test_an_invoice_is_found_and_downloaded_in_every_form(acme: Payer, reader: Reader) -> None:
    comes_in(acme.customer_id, reader)
    october, november = sorted(acme.numbers)
    reader.opens("/invoices")
    search = reader.page.get_by_role("searchbox")
    for typed, found in ((november[-4:], [november]), ("42,40", [november, october]), ("nothing", [])):
        search.fill(typed)
        reader.presses("Search")
        expect(search).to_have_value(typed)
        links = reader.main.get_by_role("link", name="F20").filter(has_not_text="PDF")
        expect(links).to_have_text(found)
    reader.sees("Nothing found for “%(search)s”.", search="nothing")

    reader.opens("/invoices")
    archive = reader.downloads(reader.main.locator("a[href*='.zip']").first)
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert any(name.endswith(".pdf") for name in names)
    assert any(name.endswith(".xml") for name in names)
    reader.main.get_by_role("link", name=october).first.click()
    assert reader.downloads("PDF").startswith(b"%PDF")
    assert b"<cbc:ID>" + october.encode() in reader.downloads("Download the e-invoice (UBL)")
    assert reader.downloads("Download itemised usage (CSV)").count(b"\n") > 1


def test_a_subscription_is_changed_and_cancelled_and_kept_after_all(
    hosting: Hosting, shop: Shop, live_app: LiveApp, reader: Reader
) -> None:
    hosting.subscribe("basic")
    comes_in(shop.customers["acme"], reader)
    reader.opens("/subscriptions")
    reader.main.get_by_role("link", name="Basic hosting").click()
    reader.chooses("Plan", "large")
    reader.presses("See what it comes to")
    reader.presses("Confirm the change")
    reader.is_told("This has been agreed. What it comes to is being mailed.")
    expect(reader.page.get_by_role("heading", name="Large hosting")).to_be_visible()

    reader.follows("At the end of the period")
    reader.presses("Cancel the subscription")
    expect(reader.page.get_by_role("heading", level=1)).to_contain_text(reader.say("Cancelled"))
    reader.presses("Take the cancellation back")
    expect(reader.page.get_by_role("heading", level=1)).to_contain_text(reader.say("Active"))

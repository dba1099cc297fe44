"""The customer's pages of subscriptions: what it costs, what comes back, shown before it is confirmed."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from app.customers.sign_in import add_member, create_user
from app.db import unit_of_work
from tests.fixtures.shop import Shop
from tests.fixtures.subscriptions import Hosting
from tests.invoicing.test_charges import PDF
from tests.portal.people import PASSWORD, enter, member, operator, token_of

ONE_LINE = re.compile(r"\s+")


def words(page: str) -> str:
    """The page's text on one line, without its tags."""
    return ONE_LINE.sub(" ", re.sub(r"<[^>]+>", " ", page).replace("\xa0", " "))


@pytest.fixture
def anna(hosting: Hosting, shop: Shop, client: FlaskClient) -> FlaskClient:
    """The owner of acme, signed in, reading English."""
    with unit_of_work():
        user = create_user("anna@example.nl", "Anna de Vries", locale="en", password="correct horse battery")
        add_member(shop.customers["acme"], user)
    enter(client, user)
    return client


def confirm(client: FlaskClient, preview: str, subscription: str, **changed: str) -> str:
    page = client.get(preview)
    assert page.status_code == 200, page.location
    fields = dict(re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', page.text))
    action = f"/subscriptions/{subscription}/confirm"
    answer = client.post(
        action, data=fields | changed | {"csrf_token": token_of(page)}, follow_redirects=True
    )
    assert answer.status_code == 200
    return words(answer.text)


def test_the_list_tells_what_each_costs_and_when_it_is_billed_next(
    hosting: Hosting, anna: FlaskClient
) -> None:
    assert "You have no subscriptions." in anna.get("/subscriptions").text
    hosting.subscribe("basic", quantity=2)
    hosting.subscribe("domain")
    page = words(anna.get("/subscriptions").text)
    assert "2 × Basic hosting 1 November 2026, €72.60 incl. VAT Active €30.00 per month" in page
    assert "Domain name 1 October 2027, €14.52 incl. VAT Active €12.00 per year" in page
    hosting.terms(documents="together")
    assert "1 November 2026, €72.60" in words(anna.get("/subscriptions").text)


def test_the_credit_is_seen_before_the_cancellation_is_confirmed_once(
    hosting: Hosting, shop: Shop, anna: FlaskClient
) -> None:
    shop.top_up("acme", 100)
    subscription = hosting.subscribe("basic")
    hosting.on(date(2026, 10, 24))
    page = words(anna.get(f"/subscriptions/{subscription}").text)
    assert "Billed until 14 November 2026" in page
    assert "Started: Basic hosting, €30.00 per month" in page
    preview = f"/subscriptions/{subscription}/preview?cancel=now"
    shown = words(anna.get(preview).text)
    assert "Basic hosting runs through 24 October 2026 and is then cancelled." in shown
    assert "You get €24.59 back as credits" in shown
    assert "25 October 2026 – 14 November 2026, credited on invoice F2026-000001" in shown
    assert hosting.credit_notes == []
    told = confirm(anna, preview, subscription)
    assert "runs until 24 October 2026" in told
    assert "agreed by anna@example.nl · €24.59 credited" in told
    assert [note.total_cents for note in hosting.credit_notes] == [2459]
    assert "This is what was agreed already." in words(anna.get(preview, follow_redirects=True).text)


def test_who_confirms_what_was_not_shown_is_asked_again(hosting: Hosting, anna: FlaskClient) -> None:
    subscription = hosting.subscribe("basic")
    preview = f"/subscriptions/{subscription}/preview?cancel=now"
    told = confirm(anna, preview, subscription, credit_cents="1")
    assert "The amounts have changed since they were shown." in told
    assert "Reload this page" in confirm(anna, preview, subscription, token="")
    assert hosting.credit_notes == []


def test_an_upgrade_shows_what_is_due_and_a_cancellation_may_be_taken_back(
    hosting: Hosting, shop: Shop, anna: FlaskClient
) -> None:
    shop.top_up("acme", 40)
    subscription = hosting.subscribe("basic")
    preview = f"/subscriptions/{subscription}/preview?plan=large&quantity=1"
    shown = words(anna.get(preview).text)
    assert "From 15 October 2026: Large hosting, €62.00 per month excl. VAT." in shown
    assert (
        "Charge incl. VAT €75.02 Settled with credits − €36.30 Paid from balance − €3.70 Amount due €35.02"
        in shown
    )
    assert "Changed: Large hosting, €62.00 per month" in confirm(anna, preview, subscription)
    confirm(anna, f"/subscriptions/{subscription}/preview?cancel=end_of_period", subscription)
    page = anna.get(f"/subscriptions/{subscription}")
    assert "It runs until 14 November 2026." in page.text
    answer = anna.post(
        f"/subscriptions/{subscription}/resume",
        data={"csrf_token": token_of(page), "token": "again"},
        follow_redirects=True,
    )
    assert "The subscription goes on." in answer.text


def test_a_wish_for_nothing_leads_back(hosting: Hosting, anna: FlaskClient) -> None:
    subscription = hosting.subscribe("basic")
    for wish in (
        "",
        "plan=basic&quantity=1",
        "plan=huge&quantity=1",
        "plan=basic&quantity=-1",
        "cancel=soon",
    ):
        answer = anna.get(f"/subscriptions/{subscription}/preview?{wish}")
        assert answer.status_code == 302, wish
    assert anna.get("/subscriptions/su_1_none").status_code == 404


def test_who_may_only_look_sees_no_button_and_another_customer_nothing(
    hosting: Hosting, shop: Shop, client: FlaskClient
) -> None:
    subscription = hosting.subscribe("basic")
    enter(client, member(shop.customers["acme"], "viewer", "bo@example.nl"))
    page = client.get(f"/subscriptions/{subscription}")
    assert "See what it comes to" not in page.text
    assert client.get(f"/subscriptions/{subscription}/preview?cancel=now").status_code == 403
    enter(client, member(shop.customer("bravo"), "owner", "cas@example.nl"))
    assert client.get(f"/subscriptions/{subscription}").status_code == 404


def test_what_came_with_a_charge_hangs_beside_its_invoice(hosting: Hosting, anna: FlaskClient) -> None:
    from base64 import b64encode

    attached = {"filename": "order.pdf", "content": b64encode(PDF).decode()}
    _, made = hosting.post(
        "charges",
        {
            "description": "Moving a site",
            "date": "2026-10-12",
            "amount": {"value": "75.00", "currency": "EUR"},
            "billed": "at_once",
            "attachment": attached,
        },
    )
    page = anna.get(f"/invoices/{made['invoice']}")
    assert "15 October 2026 · 12 October 2026" in words(page.text)
    assert "Moving a site, 12 October 2026" in words(page.text)
    assert "order.pdf" in page.text
    assert anna.get(f"/charges/{made['id']}/attachment").data == PDF


def test_the_pages_in_a_real_browser(
    hosting: Hosting, shop: Shop, page: Page, accessible: Callable[[Page], None]
) -> None:
    subscription = hosting.subscribe("basic")
    with unit_of_work():
        user = create_user("anna@example.nl", "Anna de Vries", locale="en", password=PASSWORD)
        add_member(shop.customers["acme"], user)
    operator()
    sign_in_here(page, "anna@example.nl")
    page.goto("/subscriptions")
    accessible(page)
    page.get_by_role("link", name="Basic hosting").click()
    accessible(page)
    page.get_by_label("Plan").select_option("large")
    page.get_by_role("button", name="See what it comes to").click()
    accessible(page)
    page.get_by_role("button", name="Confirm the change").click()
    expect(page.get_by_role("status")).to_contain_text("This has been agreed.")
    expect(page.get_by_role("heading", name="Large hosting")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    sign_in_here(page, "staff@tegoed.example")
    for address in (
        "/desk/plans",
        "/desk/customers/acme/charges",
        f"/desk/customers/acme/subscriptions/{subscription}",
        f"/desk/customers/acme/subscriptions/{subscription}/preview?cancel=now",
    ):
        page.goto(address)
        accessible(page)


def sign_in_here(page: Page, email: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

"""The desk adds plans, subscriptions and one-off charges, and changes them with what it comes to in sight."""

import io
import re
from datetime import date

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from invoicing.billing_terms import terms_of
from tests.fixtures.shop import Shop
from tests.fixtures.subscriptions import Hosting
from tests.invoicing.test_charges import PDF
from tests.portal.people import enter, operator, token_of

HERE = "/desk/customers/acme/charges"


@pytest.fixture
def staff(hosting: Hosting, client: FlaskClient) -> FlaskClient:
    enter(client, operator())
    return client


def send(client: FlaskClient, page: str, action: str, **fields: object) -> TestResponse:
    shown = client.get(page)
    data = {"csrf_token": token_of(shown), "token": "once"} | fields
    return client.post(action, data=data, follow_redirects=True)


def test_a_plan_is_added_changed_and_withdrawn(staff: FlaskClient, hosting: Hosting) -> None:
    plan = {
        "code": "mail", "name_nl": "E-mail", "name_en": "Mail", "price": "2,50", "interval": "month",
        "tax_category": "standard", "offered": "y",
    }  # fmt: skip
    assert "The plan has been saved." in send(staff, "/desk/plans", "/desk/plans", **plan).text
    assert "€2.50 per month" in staff.get("/desk/plans").text
    assert 'value="2.50"' in staff.get("/desk/plans?code=mail").text
    gone = {name: value for name, value in plan.items() if name != "offered"}
    assert "No longer offered" in send(staff, "/desk/plans", "/desk/plans", **gone).text
    for wrong in ({"price": "free"}, {"interval": "year"}, {"code": "no code"}, {"name_nl": ""}):
        assert send(staff, "/desk/plans", "/desk/plans", **plan | wrong).status_code == 422, wrong


def test_a_subscription_is_added_once_and_changed_with_its_credit_in_sight(
    staff: FlaskClient, hosting: Hosting, shop: Shop
) -> None:
    wish = {"plan": "basic", "quantity": "1", "start": "2026-10-15", "own_price": "25,00"}
    for _ in range(2):
        assert "The subscription has been added." in send(staff, HERE, f"{HERE}/subscribe", **wish).text
    (invoice,) = hosting.invoices
    assert invoice.net_cents == 2500
    assert send(staff, HERE, f"{HERE}/subscribe", **wish | {"quantity": "0"}).status_code == 422
    assert (
        send(staff, HERE, f"{HERE}/subscribe", **wish | {"own_price": "x", "token": "2"}).status_code == 422
    )
    (subscription,) = hosting.api.get("/v1/customers/acme/subscriptions").get_json()["data"]
    address = f"/desk/customers/acme/subscriptions/{subscription['id']}"
    assert "own price" in staff.get(address).text
    hosting.on(date(2026, 10, 24))
    preview = staff.get(f"{address}/preview?cancel=now")
    assert "You get €20.50 back as credits" in preview.text.replace("\xa0", " ")
    fields = dict(re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', preview.text))
    answer = staff.post(f"{address}/confirm", data=fields, follow_redirects=True)
    assert "agreed by staff@tegoed.example" in answer.text
    assert [note.total_cents for note in hosting.credit_notes] == [2050]
    assert staff.get(f"{address}/preview").status_code == 302
    token = {"csrf_token": token_of(answer), "token": "again"}
    assert (
        "The subscription goes on." in staff.post(f"{address}/resume", data=token, follow_redirects=True).text
    )


def test_a_charge_is_added_with_its_file_and_withdrawn(staff: FlaskClient, hosting: Hosting) -> None:
    wish = {
        "description": "Moving a site", "charged_on": "2026-10-12", "amount": "75,00",
        "tax_category": "standard", "billed": "next_invoice",
    }  # fmt: skip
    file = (io.BytesIO(PDF), "order.pdf")
    answer = send(staff, HERE, f"{HERE}/add", **wish, attachment=file)
    assert "order.pdf" in answer.text
    (made,) = hosting.api.get("/v1/customers/acme/charges").get_json()["data"]
    assert (made["amount"]["value"], made["status"]) == ("75.00", "pending")
    assert staff.get(f"{HERE}/{made['id']}/attachment").data == PDF
    for wrong in (
        {"amount": "", "token": "2"},
        {"attachment": (io.BytesIO(b"<html>"), "page.pdf"), "token": "3"},
        {"charged_on": "2020-01-01", "token": "4"},
    ):
        assert send(staff, HERE, f"{HERE}/add", **wish | wrong).status_code in {415, 422}
    assert "The charge has been withdrawn." in send(staff, HERE, f"{HERE}/{made['id']}/withdraw").text
    send(staff, HERE, f"{HERE}/add", **wish | {"billed": "at_once", "token": "5"})
    assert hosting.invoices[0].number in staff.get(HERE).text


def test_terms_are_agreed_per_kind_of_charge(staff: FlaskClient, hosting: Hosting, shop: Shop) -> None:
    where = "/desk/customers/acme/terms"
    facts = {
        "subscription-documents": "together",
        "subscription-term_days": "30",
    }
    assert "The terms have been saved." in send(staff, HERE, f"{where}/subscription", **facts).text
    agreed = terms_of(shop.customers["acme"], "subscription")
    assert (agreed.is_separate, agreed.term_days, agreed.uses_balance) == (False, 30, False)
    assert "Enter 0 to 120 days." in send(staff, HERE, f"{where}/usage", **{"usage-term_days": "200"}).text
    assert send(staff, HERE, f"{where}/tips").status_code == 404

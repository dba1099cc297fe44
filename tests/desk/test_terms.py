"""The desk's pages of how often a customer is invoiced, and how meters are taxed."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clock import utc_now
from app.customers.service import find_customer
from app.db import db
from app.i18n import local_date
from metering import service as metering
from tests.portal.people import customer_with_user, operator, sign_in, token_of


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def test_a_customer_is_invoiced_every_two_weeks_from_the_next_month_on(staff: FlaskClient) -> None:
    customer_with_user("acme")
    address = "/desk/customers/acme/invoicing"
    page = staff.get(address)
    assert re.search(r'<input checked[^>]*value="monthly"', page.text)
    form = {
        "csrf_token": token_of(page),
        "billing_cycle": "half_monthly",
        "invoice_empty_periods": "y",
        "resells_telecom": "y",
    }
    assert staff.post(address, data=form).location == "/desk/customers/acme"
    db.session.rollback()
    customer = find_customer("acme")
    today = local_date(utc_now())
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    assert (customer.invoice_empty_periods, customer.resells_telecom) == (True, True)
    assert [customer.billing_cycle_on(day) for day in (today, next_month)] == ["monthly", "half_monthly"]
    assert "Every two weeks" in staff.get("/desk/customers/acme").text
    # What is left out of a form is a box that is not ticked.
    del form["resells_telecom"], form["invoice_empty_periods"]
    staff.post(address, data=form | {"billing_cycle": "monthly"})
    db.session.rollback()
    db.session.expire_all()
    customer = find_customer("acme")
    assert (customer.billing_cycle, customer.invoice_empty_periods) == ("monthly", False)


def test_a_meter_is_taxed_at_another_rate_and_counts_as_before(staff: FlaskClient, api: FlaskClient) -> None:
    facts = {
        "event_type": "book.sold",
        "aggregation": "count",
        "unit": "book",
        "dimensions": ["shelf"],
        "name": {"en": "Books", "nl": "Boeken"},
    }
    assert api.put("/v1/meters/books", json=facts).status_code == 201
    page = staff.get("/desk/meters").text
    assert "Books" in page
    assert "Standard rate" in page
    form = {"csrf_token": token_of(staff.get("/desk/meters/books")), "tax_category": "reduced"}
    assert staff.post("/desk/meters/books", data=form).location == "/desk/meters"
    db.session.rollback()
    assert metering.find_meter("books") == {
        "code": "books",
        "value_property": None,
        **facts,
        "tax_category": "reduced",
        "is_telecom": False,
    }
    assert "Reduced rate" in staff.get("/desk/meters").text


def test_a_rate_that_does_not_exist_changes_nothing(staff: FlaskClient, api: FlaskClient) -> None:
    facts = {"event_type": "x", "aggregation": "count", "unit": "x", "name": {"en": "X", "nl": "X"}}
    api.put("/v1/meters/x", json=facts)
    form = {"csrf_token": token_of(staff.get("/desk/meters/x")), "tax_category": "luxury"}
    assert staff.post("/desk/meters/x", data=form).status_code == 200
    assert metering.find_meter("x")["tax_category"] == "standard"
    assert staff.get("/desk/meters/none").status_code == 404

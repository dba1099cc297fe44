"""Closing a customer at the desk: what is paid back and what stays is seen first, then it happens."""

from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.customers import closing
from app.customers.service import change_customer, find_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.ledger.service import grant
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.portal.people import member, operator, sign_in, token_of
from tests.topups.conftest import EURO, Story
from tests.topups.test_leaving import debit_under_way
from topups import service as topups

PAGE = "/desk/customers/acme/close"


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def test_staff_sees_what_goes_back_and_what_stays_and_then_closes(story: Story, staff: FlaskClient) -> None:
    story.pay(50)
    with unit_of_work():
        grant(story.customer_id, 10 * EURO, reason="welcome", reference="welcome")
    page = staff.get(PAGE)
    shown = unescape(page.text)
    assert all(
        text in shown for text in ("Close and pay back", "€50.00", "€10.00", "0 pay links stop working")
    )
    assert story.prepaid == 50 * EURO
    for _ in range(2):
        answer = staff.post(PAGE, data={"csrf_token": token_of(page)})
        assert answer.location == "/desk/customers/acme"
    story.run_jobs()
    assert story.prepaid == 0
    assert "Going back: €50.00." in unescape(staff.get("/desk/customers/acme").text)
    assert "Close and pay back" not in staff.get(PAGE).text


def test_an_obstacle_is_named_and_there_is_no_button(story: Story, staff: FlaskClient) -> None:
    token = token_of(staff.get(PAGE))
    debit_under_way(story)
    shown = unescape(staff.get(PAGE).text)
    assert "A payment is still on its way" in shown
    assert "Close and pay back" not in shown
    assert staff.post(PAGE, data={"csrf_token": token}).location == PAGE
    db.session.rollback()
    assert find_customer("acme").status == "active"


def test_the_last_month_of_a_closed_customer_is_invoiced_all_the_same(shop: Shop) -> None:
    acme = shop.customer("acme")
    shop.top_up("acme", 100)
    shop.use_42_40("acme")
    in_unit_of_work(topups.close_customer, acme)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.total_cents, invoice.due_cents) == (4240, 0)


def test_who_asked_to_be_closed_stands_above_the_customers_until_it_is_done(
    story: Story, staff: FlaskClient
) -> None:
    assert "Asked to close" not in staff.get("/desk/customers").text
    acme = find_customer("acme")
    anna = member(acme.customer_id, "owner", "anna@acme.example")
    in_unit_of_work(closing.ask, acme, "We <b>stop</b>.", by=anna)

    shown = staff.get("/desk/customers").text
    assert "Asked to close" in shown
    assert "We &lt;b&gt;stop&lt;/b&gt;." in shown
    assert f'href="{PAGE}"' in shown

    staff.post(PAGE, data={"csrf_token": token_of(staff.get(PAGE))})
    assert "Asked to close" not in staff.get("/desk/customers").text


def test_an_address_that_is_not_known_leaves_no_empty_line(story: Story, staff: FlaskClient) -> None:
    def known(line1: str) -> str:
        change_customer(find_customer("acme"), {"address": {"line1": line1, "postal_code": "", "city": ""}})
        return line1

    in_unit_of_work(known, "")
    assert "<dt>Address</dt><dd>Netherlands</dd>" in staff.get("/desk/customers/acme").text
    in_unit_of_work(known, "Kade 1")
    assert "<dt>Address</dt><dd>Kade 1<br>Netherlands</dd>" in staff.get("/desk/customers/acme").text

"""The desk's payments: staff sends money back, once per page, and sees what came of it."""

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import db
from tests.portal.people import operator, sign_in, token_of
from tests.topups.conftest import EURO, Story
from topups import service


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def test_staff_refunds_a_part_and_a_page_sent_twice_is_one_refund(story: Story, staff: FlaskClient) -> None:
    top_up = story.pay(25)
    assert "€25.00" in unescape(staff.get("/desk/customers/acme/payments").text)
    path = f"/desk/payments/{top_up.top_up_id}"
    page = staff.get(path)
    token = re.search(r'name="token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    fields = {"csrf_token": token_of(page), "token": token[1], "amount": "10,00"}
    for _ in range(2):
        assert staff.post(f"{path}/refund", data=fields).status_code == 303
    assert story.prepaid == 15 * EURO
    shown = unescape(staff.get(path).text)
    assert "€10.00" in shown
    assert "is on its way back" in shown


def test_what_was_used_needs_the_box_ticked(story: Story, staff: FlaskClient) -> None:
    top_up = story.pay(25)
    story.use(20)
    path = f"/desk/payments/{top_up.top_up_id}"
    page = staff.get(path)
    token = re.search(r'name="token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    fields = {"csrf_token": token_of(page), "token": token[1], "amount": "25"}
    refused = staff.post(f"{path}/refund", data=fields)
    assert refused.status_code == 409
    assert "more than what is left of the balance" in unescape(refused.text)
    assert staff.post(f"{path}/refund", data=fields | {"forced": "y"}).status_code == 303
    assert story.prepaid == -20 * EURO


def test_customers_see_nothing_of_it(app: Flask, story: Story, client: FlaskClient) -> None:
    top_up = story.pay(25)
    for path in ("/desk/customers/acme/payments", f"/desk/payments/{top_up.top_up_id}"):
        assert client.get(path).status_code == 302
    assert service.refunds_of(story.top_up(top_up.top_up_id)) == []
    db.session.rollback()

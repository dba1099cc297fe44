"""The desk's payments: staff sends money back, once per page, and sees what came of it."""

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import db, unit_of_work
from tests.portal.people import enter, member, operator, sign_in, token_of
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


def test_all_customers_payments_are_found_by_what_is_the_matter(story: Story, staff: FlaskClient) -> None:
    paid = story.pay(25)
    waits = story.request(30, key="second")
    lost = story.request(35, key="third")
    story.settle(lost, "failed")
    story.run_jobs()
    page = unescape(staff.get("/desk/payments").text)
    assert "No payment is unclear." in page
    shown = {
        show: unescape(staff.get("/desk/payments", query_string={"show": show}).text)
        for show in ("unclear", "under_way", "received", "failed", "taken_back")
    }

    assert "There are no payments here." in shown["unclear"]
    assert waits.top_up_id in shown["under_way"]
    assert paid.top_up_id in shown["received"]
    assert lost.top_up_id in shown["failed"]
    assert sum(one.top_up_id in text for one in (paid, waits, lost) for text in shown.values()) == 3
    assert "There are no payments here." in shown["taken_back"]
    found = staff.get("/desk/payments", query_string={"search": f" {paid.mollie_payment_id} "})
    assert found.location == f"/desk/payments/{paid.top_up_id}"
    missed = staff.get("/desk/payments", query_string={"search": "<b>tr_x"})
    assert "There is no payment with the reference &lt;b&gt;tr_x." in missed.text


def test_what_does_not_fit_is_told_and_looked_up_again(story: Story, staff: FlaskClient) -> None:
    waits = story.request(30)
    with unit_of_work():
        story.top_up(waits.top_up_id).problem = "other_amount"
    assert "1 payment is unclear" in staff.get("/desk/payments").text
    address = f"/desk/payments/{waits.top_up_id}"
    page = staff.get(address)
    assert "The amount at Mollie differs from ours." in page.text

    form = {"csrf_token": token_of(page)}
    told = staff.post(f"{address}/look", data=form, follow_redirects=True).text

    assert "Nothing has changed." in told
    assert "differs from ours" not in told
    db.session.rollback()
    assert story.top_up(waits.top_up_id).problem is None
    story.settle(waits, "paid")
    assert staff.post(f"{address}/look", data=form).status_code == 303
    assert story.prepaid == 30 * EURO


def test_customers_see_nothing_of_it(app: Flask, story: Story, client: FlaskClient) -> None:
    top_up = story.pay(25)
    for path in ("/desk/payments", "/desk/customers/acme/payments", f"/desk/payments/{top_up.top_up_id}"):
        assert client.get(path).status_code == 302
    assert service.refunds_of(story.top_up(top_up.top_up_id)) == []
    db.session.rollback()


def test_payments_are_sorted_for_staff_and_for_the_customer_with_the_receipts(
    app: Flask, story: Story, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topups.receipts.render_pdf", lambda html: b"%PDF " + html.encode())
    paid = {euros: story.pay(euros, key=f"pay-{euros}") for euros in (25, 50, 10)}
    unpaid = story.request(30, key="open")
    reader = app.test_client()
    enter(reader, member(story.customer_id, "viewer", "bo@acme.example"))

    for client, address in ((staff, "/desk/customers/acme/payments"), (reader, "/payments")):
        shown = unescape(client.get(f"{address}?sort=-amount").text)
        amounts = re.findall(r'class="figure">€(\d+)\.00</td>', shown)
        assert amounts == ["50", "30", "25", "10"]
        newest = re.findall(r'class="figure">€(\d+)\.00</td>', unescape(client.get(address).text))
        assert newest == ["30", "10", "50", "25"]
        assert 'aria-sort="descending"' in shown
        begun = client.get(f"{address}?sort=-amount&before={paid[25].top_up_id}").text
        assert re.findall(r'class="figure">€(\d+)\.00</td>', unescape(begun)) == ["10"]
        assert client.get(f"{address}?before=tu_x_y").status_code == 404

    page = reader.get("/payments").text
    assert page.count("/receipt.pdf") == 3
    assert f"/top-up/{unpaid.top_up_id}/receipt.pdf" not in page
    assert reader.get(f"/top-up/{paid[50].top_up_id}/receipt.pdf").data.startswith(b"%PDF")

"""The desk's invoices: the operator credits one once per page, and sends what was held."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.db import db
from invoicing import notices
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, Shop, shop
from tests.portal.people import operator, sign_in, token_of

__all__ = ["shop"]


@pytest.fixture
def staff(shop: Shop) -> FlaskClient:
    """An operator's browser; October's invoice of €42.40 was issued."""
    shop.customer("acme", locale="en")
    shop.top_up("acme", 60)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    operator()
    client = shop.app.test_client()
    sign_in(client, "staff@tegoed.example")
    return client


def fields(page: TestResponse) -> dict[str, str]:
    token = page.text.split('name="token"')[1].split('value="')[1].split('"', maxsplit=1)[0]
    return {"csrf_token": token_of(page), "token": token}


def test_an_operator_credits_part_of_an_invoice_once_per_page(shop: Shop, staff: FlaskClient) -> None:
    number = shop.invoice("acme").number
    assert number in staff.get("/desk/invoices").text
    page = staff.get(f"/desk/invoices/{number}")
    form = fields(page) | {"reason": "Outage", "amount": "10,00"}
    first = staff.post(f"/desk/invoices/{number}/credit", data=form)
    again = staff.post(f"/desk/invoices/{number}/credit", data=form)
    assert (first.status_code, first.location) == (303, again.location)
    assert "Outage" in staff.get(first.location).text
    db.session.rollback()
    assert shop.balance("acme").credits_micros == 10_000_000


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"reason": ""}, 422), ({"amount": "ten"}, 422), ({"amount": "42.41"}, 409), ({"amount": "0"}, 422)],
)
def test_what_cannot_be_credited_is_said_beside_the_form(
    shop: Shop, staff: FlaskClient, wrong: dict[str, str], status: int
) -> None:
    number = shop.invoice("acme").number
    form = fields(staff.get(f"/desk/invoices/{number}")) | {"reason": "Outage", "amount": ""} | wrong
    answer = staff.post(f"/desk/invoices/{number}/credit", data=form)
    assert answer.status_code == status
    assert 'class="wrong"' in answer.text
    assert len(shop.invoices("acme")) == 1


def test_a_held_document_is_shown_with_its_problem_and_sent(
    shop: Shop, staff: FlaskClient, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = shop.invoice("acme").number
    with monkeypatch.context() as broken:
        broken.setattr(notices, "problems_of", lambda _xml, _profile: ["BR-X: no document is right"])
        shop.run_jobs()
    assert number in staff.get("/desk/invoices").text.split("<table")[0]
    page = staff.get(f"/desk/invoices/{number}")
    assert "BR-X: no document is right" in page.text
    staff.post(f"/desk/invoices/{number}/check-again", data={"csrf_token": token_of(page)})
    shop.run_jobs()
    assert [m["subject"] for m in smtp.messages if number in m["subject"]] == [f"Invoice {number} is ready"]
    page = staff.get(f"/desk/invoices/{number}")
    assert "BR-X" not in page.text
    staff.post(f"/desk/invoices/{number}/send-without-xml", data={"csrf_token": token_of(page)})
    shop.run_jobs()
    assert len([m for m in smtp.messages if number in m["subject"]]) == 1
    assert staff.get(f"/desk/invoices/{number}.pdf").data.startswith(b"%PDF")


def test_nobody_else_sees_them(shop: Shop, staff: FlaskClient) -> None:
    number = shop.invoice("acme").number
    for path in ("/desk/invoices", f"/desk/invoices/{number}", f"/desk/invoices/{number}.pdf"):
        assert shop.app.test_client().get(path).status_code == 302

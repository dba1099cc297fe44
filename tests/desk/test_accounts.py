"""A customer's account at the desk: made, changed, limited, and opened to its people."""

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import audit
from app.audit import Filters
from app.customers import team
from app.customers.service import find_customer, list_customers
from app.db import db
from app.ledger.service import get_balance
from app.mail import mail_log
from tests.portal.people import customer_with_user, operator, sign_in, token_of
from tests.portal.test_queries import counted

EURO = 1_000_000
FACTS = {"reference": "globex", "name": "Globex B.V.", "email": "books@globex.example", "country": "NL"}


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def make(staff: FlaskClient, **more: Any) -> TestResponse:
    form = FACTS | {
        "kind": "business",
        "locale": "nl",
        "csrf_token": token_of(staff.get("/desk/new-customer")),
    }
    return staff.post("/desk/new-customer", data=form | more)


def send(staff: FlaskClient, address: str, **form: Any) -> TestResponse:
    return staff.post(address, data={"csrf_token": token_of(staff.get("/desk/customers"))} | form)


def test_a_customer_is_made_with_an_empty_balance_and_its_owner_is_invited(staff: FlaskClient) -> None:
    answer = make(staff, invites="y", payment_term_days="30")

    assert answer.location == "/desk/customers/globex"
    customer = find_customer("globex")
    assert (customer.name, customer.payment_term_days, customer.kind) == ("Globex B.V.", 30, "business")
    assert get_balance(customer.customer_id).available_micros == 0
    (invited,) = team.invitations(customer.customer_id)
    assert (invited.email, invited.role) == ("books@globex.example", "owner")
    (mail,) = mail_log(customer_id=customer.customer_id)
    assert (mail.template, mail.locale) == ("invitation", "nl")
    assert "Globex B.V. is a customer now." in staff.get("/desk/customers/globex").text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"reference": ""}, "Enter a customer number."),
        ({"reference": "a b"}, "A reference has 1 to 64 letters"),
        ({"reference": "globex\n"}, ""),
        ({"reference": "house"}, "A reference has 1 to 64 letters"),
        ({"name": " "}, "Enter a name."),
        ({"name": "x" * 201}, "Use at most 200 characters."),
        ({"email": "nobody"}, "This is not an e-mail address."),
        ({"vat_number": "NL123"}, "This is not a valid VAT number."),
        ({"country": "XX"}, "Not a valid choice."),
        ({"payment_term_days": "-1"}, "Give a number of days from 0 to 120."),
        ({"line1": "<script>alert(1)</script>", "email": "x"}, "&lt;script&gt;"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_written_stays(
    staff: FlaskClient, wrong: dict[str, str], says: str
) -> None:
    answer = make(staff, city="Utrecht", **wrong)

    if not says:
        # A line's end behind the number is no part of it.
        assert answer.status_code == 303
        return
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="Utrecht"' in answer.text
    assert "<script>alert" not in answer.text
    assert list_customers() == []


def test_a_number_that_is_taken_is_refused_also_when_two_ask_at_once(app: Flask, staff: FlaskClient) -> None:
    token = token_of(staff.get("/desk/new-customer"))
    cookie = staff.get_cookie("tegoed")
    assert cookie is not None
    answers: list[int] = []
    ready = threading.Barrier(2)

    def ask() -> None:
        browser = app.test_client()
        browser.set_cookie("tegoed", cookie.value)
        ready.wait()
        form = FACTS | {"kind": "business", "locale": "nl", "csrf_token": token}
        answers.append(browser.post("/desk/new-customer", data=form).status_code)

    both = [threading.Thread(target=ask) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert sorted(answers) == [303, 409]
    again = make(staff)
    assert again.status_code == 409
    assert "There is a customer with this reference already." in again.text
    db.session.rollback()
    assert len(list_customers()) == 1


def test_details_are_changed_and_the_log_tells_before_and_after(staff: FlaskClient) -> None:
    make(staff)
    address = "/desk/customers/globex/details"
    assert 'value="Globex B.V."' in staff.get(address).text
    facts = {"name": "Globex N.V.", "email": "new@globex.example", "kind": "business", "locale": "en"}

    answer = send(staff, address, **facts, country="BE", city="Gent")

    assert answer.status_code == 303
    db.session.rollback()
    customer = find_customer("globex")
    assert (customer.name, customer.country, customer.city) == ("Globex N.V.", "BE", "Gent")
    entry = next(
        one for one in audit.entries(Filters(), limit=50) if one.subject_kind == "customer" and one.before
    )
    assert (entry.before or {})["name"] == "Globex B.V."
    assert (entry.after or {})["name"] == "Globex N.V."
    refused = send(staff, address, **facts | {"email": "x"}, country="BE")
    assert refused.status_code == 422
    assert 'value="Globex N.V."' in refused.text


@pytest.mark.parametrize("amount", ["-1", "ten", "0.001", "9999999999"])
def test_a_limit_that_is_no_amount_changes_nothing(staff: FlaskClient, amount: str) -> None:
    make(staff)

    answer = send(staff, "/desk/customers/globex/limits", overdraft=amount, provisional="5")

    assert answer.status_code == 422
    assert "Enter an amount" in answer.text
    assert f'value="{amount}"' in answer.text
    db.session.rollback()
    assert find_customer("globex").provisional_limit_micros == 0


def test_limits_are_set_and_emptied(staff: FlaskClient) -> None:
    make(staff)
    address = "/desk/customers/globex/limits"

    assert send(staff, address, overdraft="250,00", provisional="100").status_code == 303

    db.session.rollback()
    customer = find_customer("globex")
    assert get_balance(customer.customer_id).overdraft_micros == 250 * EURO
    assert customer.provisional_limit_micros == 100 * EURO
    assert 'value="250.00"' in staff.get(address).text
    assert send(staff, address, overdraft="", provisional="").status_code == 303
    db.session.rollback()
    assert get_balance(customer.customer_id).overdraft_micros == 0


def test_people_of_a_customer_are_invited_changed_and_removed(app: Flask, staff: FlaskClient) -> None:
    customer_id, owner = customer_with_user("acme")
    address = "/desk/customers/acme/people"
    assert "Anna de Vries" in staff.get(address).text
    assert send(staff, address, email="nobody", role="viewer").status_code == 422
    assert send(staff, address, email="bo@acme.example", role="king").status_code == 422
    taken = send(staff, address, email=owner.email, role="viewer")
    assert (taken.status_code, "may sign in for this customer already" in taken.text) == (409, True)

    assert send(staff, address, email="bo@acme.example", role="billing").status_code == 303

    (invited,) = team.invitations(customer_id)
    assert send(staff, f"{address}/invitations/{invited.invitation_id}/again").status_code == 409
    last = send(staff, f"{address}/{owner.user_id}/remove")
    assert (last.status_code, "There must be an owner." in last.text) == (409, True)
    assert send(staff, f"{address}/{owner.user_id}/role", role="viewer").status_code == 409
    assert send(staff, f"{address}/invitations/{invited.invitation_id}/withdraw").status_code == 303
    assert team.invitations(customer_id) == []
    with counted() as sent:
        staff.get(address)
    assert len(sent) <= 12

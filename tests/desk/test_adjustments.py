"""Adjusting a balance: with a reason, once, and above the limit only with a second person's approval."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import audit
from app.audit import Filters
from app.customers.sign_in import create_user
from app.db import db, unit_of_work
from app.ledger import adjustments
from app.ledger.service import get_balance
from tests.portal.people import PASSWORD, customer_with_user, operator, sign_in, token_of

PAGE = "/desk/customers/acme/adjust"
EURO = 1_000_000


class Desk:
    """Two operators at their browsers, and a customer, acme."""

    def __init__(self, app: Flask) -> None:
        self.customer_id, _ = customer_with_user("acme")
        operator()
        with unit_of_work():
            create_user("mo@tegoed.example", "Mo", locale="en", password=PASSWORD, is_operator=True)
        self.sam, self.mo = app.test_client(), app.test_client()
        sign_in(self.sam, "staff@tegoed.example")
        sign_in(self.mo, "mo@tegoed.example")

    def ask(self, way: str, amount: str, *, reason: str = "Outage", **more: Any) -> TestResponse:
        page = self.sam.get(PAGE)
        token = re.search(r'name="token"[^>]*value="([^"]+)"', page.text)
        assert token is not None
        form = {"csrf_token": token_of(page), "token": token[1], "way": way, "amount": amount}
        return self.sam.post(PAGE, data=form | {"reason": reason} | more)

    def decide(self, client: FlaskClient, what: str) -> str:
        (waiting,) = adjustments.pending()
        address = f"/desk/approvals/{waiting.adjustment_id}/{what}"
        form = {"csrf_token": token_of(client.get("/desk/approvals"))}
        return client.post(address, data=form, follow_redirects=True).text

    @property
    def prepaid(self) -> int:
        db.session.rollback()
        return get_balance(self.customer_id).prepaid_micros

    @property
    def promo(self) -> int:
        db.session.rollback()
        return get_balance(self.customer_id).promo_micros


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


def test_up_to_the_limit_it_is_done_at_once(desk: Desk) -> None:
    assert desk.ask("add", "100,00").status_code == 303
    assert desk.prepaid == 100 * EURO

    assert "Outage" in desk.sam.get(PAGE).text
    assert "Correction" in desk.sam.get("/desk/customers/acme").text


def test_above_the_limit_a_second_person_approves_and_it_moves_once(desk: Desk) -> None:
    assert desk.ask("add", "100.01").status_code == 303
    assert desk.prepaid == 0
    assert "1 adjustment to approve" in desk.mo.get("/desk/customers").text

    (waiting,) = adjustments.pending()
    address, form = (
        f"/desk/approvals/{waiting.adjustment_id}/approve",
        {"csrf_token": token_of(desk.mo.get("/desk/approvals"))},
    )
    desk.mo.post(address, data=form)
    again = desk.mo.post(address, data=form, follow_redirects=True).text

    assert "Somebody has decided on this already." in again
    assert desk.prepaid == 100 * EURO + 10_000


def test_nobody_approves_what_they_asked_for_themselves(desk: Desk) -> None:
    desk.ask("add", "500")

    assert "somebody else must approve it" in desk.decide(desk.sam, "approve")
    assert desk.prepaid == 0
    assert audit.entries(Filters(action="desk_adjustments.approve")) == []


def test_declined_nothing_moves(desk: Desk) -> None:
    desk.ask("add", "500")

    assert "nothing has changed" in desk.decide(desk.mo, "decline")
    assert desk.prepaid == 0
    assert adjustments.pending() == []


def test_the_limit_is_not_passed_in_parts(desk: Desk) -> None:
    desk.ask("add", "60")
    desk.ask("take", "50")

    assert desk.prepaid == 60 * EURO
    assert len(adjustments.pending()) == 1


def test_a_page_sent_twice_is_one_adjustment(desk: Desk) -> None:
    page = desk.sam.get(PAGE)
    form = {"csrf_token": token_of(page), "token": "a" * 20, "way": "add", "amount": "10", "reason": "Twice"}
    for _ in range(2):
        assert desk.sam.post(PAGE, data=form).status_code == 303

    assert desk.prepaid == 10 * EURO


def test_promotional_credit_above_the_limit_waits_too(desk: Desk) -> None:
    desk.ask("grant", "250", expires_on="2099-12-31")
    assert desk.promo == 0

    desk.decide(desk.mo, "approve")
    assert desk.promo == 250 * EURO


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"amount": "0"}, "Enter an amount such as 25.00."),
        ({"amount": "-5"}, "Enter an amount such as 25.00."),
        ({"reason": " "}, "Say why."),
        ({"way": "take", "amount": "5"}, "The balance holds no more than €0.00."),
        ({"way": "grant", "expires_on": "2020-01-01"}, "Give a day in the future."),
    ],
)
def test_what_cannot_be_is_said_at_its_field(desk: Desk, given: dict[str, str], said: str) -> None:
    wish: dict[str, str] = {"way": "add", "amount": "5"} | given

    answer = desk.ask(wish.pop("way"), wish.pop("amount"), **wish)

    assert answer.status_code == 422
    assert said in answer.text
    assert "is-invalid" in answer.text


def test_what_was_covered_when_asked_is_checked_again_when_approved(
    app: Flask, desk: Desk, run_jobs: Callable[..., int]
) -> None:
    desk.ask("add", "80")
    app.extensions["settings"] = replace(app.extensions["settings"], adjustment_limit_micros=1)
    desk.ask("take", "70")
    app.extensions["settings"] = replace(app.extensions["settings"], adjustment_limit_micros=200 * EURO)
    desk.ask("take", "60")

    assert "The balance holds no more than €20.00." in desk.decide(desk.mo, "approve")
    assert desk.prepaid == 20 * EURO


def test_request_and_approval_are_in_the_audit_log_with_both_persons(desk: Desk) -> None:
    desk.ask("add", "500")
    desk.decide(desk.mo, "approve")

    db.session.rollback()
    found = {entry.action: entry for entry in audit.entries(Filters(customer_id=desk.customer_id))}

    assert found["adjustment.created"].actor == "staff@tegoed.example"
    assert found["adjustment.changed"].actor == "mo@tegoed.example"
    changed = found["adjustment.changed"]
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before["status"], changed.after["status"]) == ("pending", "done")

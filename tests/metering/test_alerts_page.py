"""The customer's page of alerts, in both languages."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.db import in_unit_of_work
from metering import alerts
from tests.portal.people import customer_with_user, sign_in, token_of

EURO = 1_000_000


@pytest.fixture
def acme(app: Flask, client: FlaskClient) -> int:
    customer_id, _ = customer_with_user("acme")
    sign_in(client, "acme@tegoed.example")
    return customer_id


def test_what_is_typed_is_saved_and_shown_again(acme: int, client: FlaskClient) -> None:
    page = client.get("/alerts")
    form = {
        "csrf_token": token_of(page),
        "amount": "50",
        "second_amount": "12,50",
        "percentage": "20",
        "days_left": "",
        "spending_limit": "100.00",
        "action": "refuse_holds",
    }

    assert client.post("/alerts", data=form).status_code == 302

    assert alerts.rules_of(acme) == alerts.Rules(
        amounts_micros=(50 * EURO, 12_500_000),
        percentages=(20,),
        spending_limit_micros=100 * EURO,
        refuses_holds=True,
    )
    shown = client.get("/alerts").text
    assert 'value="12.50"' in shown
    assert "This month €0.00 of €100.00" in shown


def test_what_is_wrong_is_said_beside_its_field(acme: int, client: FlaskClient) -> None:
    token = token_of(client.get("/alerts"))
    wrong = {"csrf_token": token, "amount": "much", "percentage": "120", "action": "tell"}

    answer = client.post("/alerts", data=wrong)

    assert answer.status_code == 422
    assert "Enter an amount such as" in answer.text
    assert "Enter a whole number from 1 to 100." in answer.text
    assert alerts.rules_of(acme) == alerts.Rules()


def test_rules_of_a_program_that_the_page_has_no_room_for_stay(acme: int, client: FlaskClient) -> None:
    many = alerts.Rules(amounts_micros=(30 * EURO, 20 * EURO, 10 * EURO), percentages=(50, 25))
    in_unit_of_work(alerts.save, acme, many)
    form = {
        "csrf_token": token_of(client.get("/alerts")),
        "amount": "40",
        "percentage": "60",
        "action": "tell",
    }

    client.post("/alerts", data=form)

    kept = alerts.Rules(amounts_micros=(40 * EURO, 10 * EURO), percentages=(60, 25))
    assert alerts.rules_of(acme) == kept


def test_the_page_is_dutch_for_who_reads_dutch(acme: int, client: FlaskClient) -> None:
    client.post(
        "/language", data={"csrf_token": token_of(client.get("/alerts")), "locale": "nl", "next": "/alerts"}
    )

    page = client.get("/alerts").text

    assert "Meldingen" in page
    assert "Bestedingslimiet per maand, incl. btw" in page

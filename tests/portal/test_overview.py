"""The overview: the right figures in the reader's words, never another's, quiet while nothing changes."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.customers.cycles import of_new_customer
from app.customers.service import get_customer
from app.db import db
from app.i18n import money
from app.ledger.service import get_balance
from tests.fixtures.outside import Sandbox
from tests.fixtures.product import Clock, LiveApp
from tests.portal import stories
from tests.portal.people import customer_with_user, sign_in, token_of
from tests.topups.conftest import EURO, Story
from topups import methods


@pytest.fixture
def acme(app: Flask, client: FlaskClient) -> int:
    """A customer whose owner is signed in at `client`."""
    customer_id, _ = customer_with_user()
    sign_in(client, "acme@tegoed.example")
    return customer_id


def test_a_first_visit_shows_three_steps(acme: int, client: FlaskClient) -> None:
    page = client.get("/overview").text

    assert "Welcome. Three steps and your balance is at work." in page
    assert "Turn on automatic top-up" in page


def test_the_balance_and_its_parts_are_the_ledgers(acme: int, client: FlaskClient, api: FlaskClient) -> None:
    stories.money_in(acme, 100)
    stories.welcome_credit(acme)
    stories.meters(api)
    stories.use(api, "acme", days=10)

    page = client.get("/overview").text
    balance = get_balance(acme)

    shown = money(balance.available_micros, "en")
    assert f"{shown[:-3]}<small>{shown[-3:]}</small>" in page
    assert money(balance.prepaid_micros, "en") in page
    assert "All is well. Your balance lasts about" in page
    assert "Generated tokens" in page
    assert page.count('<rect class="hit"') == 30


def test_the_days_of_the_chart_add_up_to_what_was_debited(
    acme: int, client: FlaskClient, api: FlaskClient
) -> None:
    stories.money_in(acme, 500)
    stories.meters(api)
    stories.use(api, "acme", days=20)
    used = 500_000_000 - get_balance(acme).available_micros

    page = client.get("/overview").text

    assert f"{money(used, 'en')} in total." in page


@pytest.mark.parametrize(("day", "expected"), [(10, "Expected on 16 Oct"), (20, "Expected on 1 Nov")])
def test_who_is_invoiced_every_two_weeks_sees_what_the_half_comes_to(
    acme: int, client: FlaskClient, api: FlaskClient, clock: Clock, day: int, expected: str
) -> None:
    clock.travel_to(datetime(2026, 10, day, 12, tzinfo=UTC))
    get_customer(acme).billing_cycles = of_new_customer("half_monthly")
    db.session.commit()
    stories.meters(api)
    stories.use(api, "acme", days=9)

    page = client.get("/overview").text

    assert expected in page


def test_the_poll_is_quiet_until_the_balance_moves(acme: int, client: FlaskClient) -> None:
    stories.money_in(acme, 25)
    page = client.get("/overview")
    etag = re.search(r'data-live-etag="([^"]+)"', page.text)
    assert etag
    headers = {"If-None-Match": etag[1].replace("&#34;", '"')}

    quiet = client.get("/overview/live", headers=headers)
    assert (quiet.status_code, quiet.data) == (304, b"")

    stories.money_in(acme, 10, "topup-another")
    moved = client.get("/overview/live", headers=headers)
    assert moved.status_code == 200
    assert "€35<small>.00</small>" in moved.text
    assert "<form" not in moved.text


def test_a_low_balance_is_said_first_with_the_button_that_mends_it(acme: int, client: FlaskClient) -> None:
    stories.money_in(acme, 4)

    page = client.get("/overview").text

    assert "Your balance is low: €4.00 left." in page


def test_pages_are_light_whatever_the_history(acme: int, client: FlaskClient, api: FlaskClient) -> None:
    stories.meters(api)
    stories.money_in(acme, 250)
    for number in range(60):
        stories.money_in(acme, 1, f"topup-{number}")
    stories.use(api, "acme", days=30)

    for address in ("/overview", "/usage", "/usage?period=previous", "/transactions"):
        page = client.get(address)
        assert page.status_code == 200
        assert len(page.data) < 100_000


def test_nobody_sees_another_customers_figures(app: Flask, client: FlaskClient, acme: int) -> None:
    other, _ = customer_with_user("other")
    stories.money_in(other, 77)

    for address in ("/overview", "/overview/live", "/usage", "/transactions"):
        assert "77" not in re.sub(r'"[^"]*"', "", client.get(address).text)
        assert app.test_client().get(address).location.startswith("/sign-in")


def test_in_dutch_the_overview_speaks_dutch(acme: int, client: FlaskClient) -> None:
    stories.money_in(acme, 1234)
    page = client.get("/overview")
    client.post("/language", data={"csrf_token": token_of(page), "locale": "nl", "next": "/overview"})

    page = client.get("/overview")

    assert "€\u00a01.234<small>,00</small>" in page.text


def test_an_unknown_day_in_the_address_is_no_page(acme: int, client: FlaskClient) -> None:
    assert client.get("/transactions?before=yesterday").status_code == 404


def test_with_automatic_top_up_the_next_one_is_told_in_place_of_the_runway(
    acme: int,
    client: FlaskClient,
    api: FlaskClient,
    live_app: LiveApp,
    sandbox: Sandbox,
    run_jobs: Callable[..., int],
) -> None:
    methods.forget()
    story = Story(acme, sandbox, run_jobs)
    stories.meters(api)
    stories.money_in(acme, 200)
    stories.use(api, "acme", days=20)
    assert "Lasts about" in client.get("/overview").text
    story.save_method("ideal")
    story.turn_on()
    page = client.get("/overview").text
    assert "Next top-up around" in page
    assert "Lasts about" not in page
    story.use(story.prepaid / EURO - 10.5)
    assert "Next top-up expected today" in client.get("/overview").text

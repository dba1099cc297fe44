"""The desk's figures agree with what happened, and stay quick: no sum reads what usage moved."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.db import db
from app.ledger import figures
from app.ledger.sides import Side
from metering.jobs import roll_up
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.portal.people import operator, sign_in
from tests.portal.test_queries import counted

PAGE = "/desk/figures"


@pytest.fixture
def staff(shop: Shop, client: FlaskClient) -> FlaskClient:
    """An operator after October: acme topped up and used, other used more than it had."""
    shop.customer("acme")
    shop.top_up("acme", 100)
    shop.use_42_40("acme")
    shop.customer("other")
    shop.use_42_40("other")
    shop.clock.travel_to(AFTER_OCTOBER)
    roll_up()
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def plain(page: str) -> str:
    return page.replace("\u00a0", " ")


def test_the_figures_are_those_of_the_ledger(shop: Shop, staff: FlaskClient) -> None:
    shop.close()
    db.session.rollback()

    held = figures.held_now()
    assert held.customers == 2
    assert held.prepaid_micros == shop.balance("acme").prepaid_micros
    page = plain(staff.get(PAGE).text)
    assert "€100.00" in page
    booked = -sum(shop.side(name, Side.REVENUE) for name in ("acme", "other"))
    assert abs(booked) > 60 * EURO
    assert f"€{abs(booked) / EURO:.2f}" in page


def test_balances_are_counted_by_size_to_the_last_cent(shop: Shop, staff: FlaskClient) -> None:
    db.session.rollback()
    edges = [0, 50 * EURO, 100 * EURO]

    below, small, middle, large = figures.held_by_size(edges)

    assert (below.least_micros, below.customers) == (None, 1)
    assert below.prepaid_micros == shop.balance("other").prepaid_micros
    assert (middle.customers, middle.prepaid_micros) == (1, shop.balance("acme").prepaid_micros)
    assert (small.customers, large.customers) == (0, 0)
    page = plain(staff.get(PAGE).text)
    assert "€25 to €100" in page
    assert "€500 or more" in page


def test_whose_balance_runs_out_stands_first(staff: FlaskClient) -> None:
    page = plain(staff.get(PAGE).text)

    assert 'href="/desk/customers/other"' in page
    assert 'href="/desk/customers/acme"' not in page
    assert "Used up" in page


def test_with_nothing_yet_the_page_says_so(app: Flask, client: FlaskClient) -> None:
    operator()
    sign_in(client, "staff@tegoed.example")

    assert "None yet." in client.get(PAGE).text


def test_the_page_costs_few_statements_and_sums_from_an_index(
    shop: Shop, staff: FlaskClient, run_jobs: Callable[..., int]
) -> None:
    shop.close()
    staff.get(PAGE)
    with counted() as sent:
        staff.get(PAGE)
    assert len(sent) <= 12

    db.session.rollback()
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = db.session.execute(
        text(
            "EXPLAIN SELECT date_trunc('month', timezone('Europe/Amsterdam', created_at)), kind, debit, "
            "credit, sum(amount_micros) FROM transfer "
            "WHERE kind <> 'usage' AND created_at >= '2026-01-01' GROUP BY 1, 2, 3, 4"
        )
    ).scalars()
    assert "ix_transfer_booked" in "\n".join(plan)

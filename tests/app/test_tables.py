"""Tables in the reader's order: what a column's head links to, and pages that neither skip nor repeat."""

import pytest
from flask import Flask

from app.customers.models import Customer
from app.ledger.accounts import COLUMNS, accounts
from app.tables import Order, here
from tests.portal.people import customer_with_user
from tests.portal.stories import money_in


def test_a_column_is_sorted_by_what_is_largest_or_newest_first_and_then_the_other_way(app: Flask) -> None:
    with app.test_request_context("/desk/customers?search=b&sort=name&after=7"):
        order = Order.asked(COLUMNS, "name")
        assert order.link("available") == "/desk/customers?search=b&sort=-available"
        assert order.link("email") == "/desk/customers?search=b&sort=email"
        assert order.link("name") == "/desk/customers?search=b&sort=-name"
        assert (order.state("name"), order.state("email")) == ("ascending", None)
        assert Order.asked(COLUMNS, "-name").state("name") == "descending"


@pytest.mark.parametrize("text", [None, "", "-", "password", "--name"])
def test_an_order_that_is_none_is_the_usual_one(text: str | None) -> None:
    assert Order.asked(COLUMNS, text).is_usual


def test_an_address_keeps_what_it_says_and_only_says_it(app: Flask) -> None:
    asked = "/desk/customers?_external=1&_scheme=javascript&_anchor=x&search=a%26b&sort=-name&page=3&before=9"
    with app.test_request_context(asked):
        address = here(search=None, after=5)
        assert address.startswith("/desk/customers?")
        assert "search=" not in address
        assert address.endswith("&sort=-name&after=5")
        assert "search=a%26b" in here()
    with app.test_request_context("/desk/invoices/F2026-000001?x=1"):
        assert here() == "/desk/invoices/F2026-000001?x=1"


@pytest.mark.parametrize("asked", ["name", "-name", "email", "available", "-available", "held", "-owed"])
def test_pages_bring_every_row_once_in_their_order_also_where_rows_are_alike(app: Flask, asked: str) -> None:
    for number in range(7):
        customer_id, _ = customer_with_user(f"c{number}")
        if number % 3:
            # More than an integer of the database holds, and the same for several.
            money_in(customer_id, 5_000 * (number % 3), f"topup-{number}")
    order = Order.asked(COLUMNS, asked)
    seen: list[Customer] = []
    while len(page := accounts(order, after=seen[-1].customer_id if seen else None, limit=2)) == 2:
        seen += page
    seen += page
    assert len(seen) == len({one.customer_id for one in seen}) == 7
    assert seen == accounts(order)
    assert (
        seen
        == accounts(Order.asked(COLUMNS, asked.removeprefix("-") if asked[0] == "-" else f"-{asked}"))[::-1]
    )


def test_a_search_is_kept_within_an_order(app: Flask) -> None:
    for name in ("acme", "acorn", "other"):
        customer_with_user(name)
    found = accounts(Order.asked(COLUMNS, "-name"), search="ac")
    assert [one.reference for one in found] == ["acorn", "acme"]

"""The account as its customer reads it: usage per day, a balance that adds up, pages of whole days."""

import csv
import io
import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from flask import Flask
from flask.testing import FlaskClient

from app.db import unit_of_work
from app.ledger import statement
from app.ledger.accounts import open_account
from app.ledger.service import grant, lock_balance, post
from app.ledger.sides import Posting, Side
from app.ledger.wording import described
from app.tables import Order
from tests.fixtures.product import Clock
from tests.portal.people import customer_with_user, sign_in

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def account(reference: str = "acme") -> int:
    with unit_of_work():
        customer = open_account({"reference": reference, "name": "Acme", "email": "a@acme.example"})
        return customer.customer_id


def move(customer_id: int, kind: str, micros: int, reference: str) -> None:
    inward = micros > 0
    with unit_of_work():
        lock_balance(customer_id)
        post(
            Posting(
                customer_id=customer_id,
                kind=kind,
                debit=Side.PSP if inward else Side.PREPAID,
                credit=Side.PREPAID if inward else Side.UNBILLED_USAGE,
                amount_micros=abs(micros),
                reference=reference,
            )
        )


def adds_up(movements: tuple[statement.Movement, ...]) -> bool:
    return all(
        newer.balance_micros == older.balance_micros + newer.amount_micros
        for newer, older in itertools.pairwise(movements)
    )


def test_usage_is_joined_per_day_and_split_where_money_came_in_between(app: Flask, clock: Clock) -> None:
    customer_id = account()
    clock.freeze(NOON)
    move(customer_id, "top_up", 25_000_000, "topup-1-paid")
    for number in range(3):
        move(customer_id, "usage", -1_000_000, f"usage-{number}")
    clock.freeze(NOON + timedelta(days=1))
    move(customer_id, "usage", -2_000_000, "usage-3")
    move(customer_id, "top_up", 10_000_000, "topup-2-paid")
    move(customer_id, "usage", -500_000, "usage-4")
    move(customer_id, "usage", -250_000, "usage-5")

    rows = statement.recent(customer_id, limit=10)

    assert [(row.kind, row.amount_micros) for row in rows] == [
        ("usage", -750_000),
        ("top_up", 10_000_000),
        ("usage", -2_000_000),
        ("usage", -3_000_000),
        ("top_up", 25_000_000),
    ]
    assert rows[0].balance_micros == 29_250_000
    assert adds_up(rows)


def test_promotional_credit_counts_and_what_leaves_the_balance_alone_is_no_row(
    app: Flask, clock: Clock
) -> None:
    customer_id = account()
    clock.freeze(NOON)
    with unit_of_work():
        grant(customer_id, 5_000_000, reason="Welcome", reference="welcome")
        lock_balance(customer_id)
        post(
            Posting(
                customer_id=customer_id,
                kind="invoice",
                debit=Side.UNBILLED_USAGE,
                credit=Side.REVENUE,
                amount_micros=1_000_000,
                reference="invoice-1",
            )
        )

    (only,) = statement.recent(customer_id)

    assert (only.kind, only.amount_micros, only.balance_micros) == ("grant", 5_000_000, 5_000_000)


def test_a_day_is_the_providers_day_not_utcs(app: Flask, clock: Clock) -> None:
    customer_id = account()
    for hour in (22, 23):  # 23:00 and 00:00 in Amsterdam
        clock.freeze(NOON.replace(hour=hour))
        move(customer_id, "usage", -1_000_000, f"usage-{hour}")

    assert [row.day for row in statement.recent(customer_id)] == [date(2026, 11, 2), date(2026, 11, 1)]


def test_pages_are_whole_days_and_together_are_everything_once(app: Flask, clock: Clock) -> None:
    customer_id = account()
    for number in range(95):
        clock.freeze(NOON + timedelta(days=number // 4, minutes=number % 4))
        move(customer_id, "top_up", 1_000_000, f"topup-{number}-paid")

    seen: list[statement.Movement] = []
    page = statement.page(customer_id)
    while page.older is not None:
        seen += page.movements
        following = statement.page(customer_id, page.older)
        assert following.movements[0].day < page.movements[-1].day
        page = following
    seen += page.movements

    assert [row.number for row in seen] == list(range(95, 0, -1))
    assert adds_up(tuple(seen))


def test_a_day_with_more_rows_than_a_page_is_shown_whole(app: Flask, clock: Clock) -> None:
    customer_id = account()
    clock.freeze(NOON)
    move(customer_id, "top_up", 1_000_000, "topup-first-paid")
    clock.freeze(NOON + timedelta(days=1))
    for number in range(statement.PAGE_ROWS + 5):
        move(customer_id, "top_up", 1_000_000, f"topup-{number}-paid")

    page = statement.page(customer_id)

    assert len(page.movements) == statement.PAGE_ROWS + 5
    assert page.older is not None
    assert [row.number for row in statement.page(customer_id, page.older).movements] == [1]


def test_another_customers_movements_are_never_shown(app: Flask) -> None:
    mine, theirs = account("mine"), account("theirs")
    move(theirs, "top_up", 1_000_000, "topup-x-paid")

    assert statement.recent(mine) == ()


def test_a_rounding_that_reads_as_nothing_is_no_row_and_one_of_a_cent_is(app: Flask) -> None:
    customer_id = account()
    move(customer_id, "top_up", 25_000_000, "topup-1-paid")
    move(customer_id, "rounding", -4_999, "rounding-1")
    move(customer_id, "rounding", 5_000, "rounding-2")

    shown = described(statement.recent(customer_id))

    assert [(row.movement.kind, row.amount_micros) for row in shown] == [
        ("rounding", 5_000),
        ("top_up", 25_000_000),
    ]


def test_all_movements_are_a_file_whose_balances_add_up_however_many_pages(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    acme, _ = customer_with_user(locale="nl")
    for number in range(90):
        clock.freeze(NOON + timedelta(hours=8 * number))
        move(acme, "top_up" if number % 3 == 0 else "refund", (-1) ** number * 1_234_567, f"m-{number}")
    sign_in(client, "acme@tegoed.example")
    assert 'href="/transactions.csv"' in client.get("/transactions").text

    answer = client.get("/transactions.csv", buffered=True)
    head, *rows = csv.reader(io.StringIO(answer.text))

    assert answer.mimetype == "text/csv"
    assert head == ["Datum", "Omschrijving", "Bedrag", "Tegoed"]
    assert len(rows) == 90
    assert all(
        Decimal(newer[3]) == Decimal(older[3]) + Decimal(newer[2])
        for newer, older in itertools.pairwise(rows)
    )
    assert rows[-1] == ["2026-11-01 13:00:00+01:00", "Opgewaardeerd", "1.234567", "1.234567"]
    assert app.test_client().get("/transactions.csv").location.startswith("/sign-in")


def test_one_kind_alone_keeps_the_balances_of_the_whole(app: Flask, clock: Clock) -> None:
    customer_id = account()
    for number, kind in enumerate(("top_up", "usage", "usage", "refund", "adjustment")):
        clock.freeze(NOON + timedelta(hours=number))
        move(customer_id, kind, 1_000_000, f"{kind}-{number}")

    payments = statement.page(customer_id, show="payments")
    assert [(row.kind, row.balance_micros) for row in payments.movements] == [
        ("refund", 4_000_000),
        ("top_up", 1_000_000),
    ]
    (usage,) = statement.page(customer_id, show="usage").movements
    assert (usage.amount_micros, usage.balance_micros) == (2_000_000, 3_000_000)
    assert statement.page(customer_id, show="invoices").movements == ()


def test_the_page_shows_what_was_asked_for(app: Flask, client: FlaskClient) -> None:
    acme, _ = customer_with_user()
    move(acme, "top_up", 25_000_000, "topup-1-paid")
    sign_in(client, "acme@tegoed.example")
    assert "Topped up" in client.get("/transactions?show=payments").text
    assert "There is nothing of this kind." in client.get("/transactions?show=invoices").text
    assert "Topped up" in client.get("/transactions?show=whatever").text


def test_movements_sorted_by_amount_are_all_there_page_by_page(app: Flask, clock: Clock) -> None:
    customer_id = account()
    for number in range(60):
        clock.freeze(NOON + timedelta(days=number // 3, minutes=number % 3))
        move(customer_id, "top_up", 1_000_000 * (1 + number % 4), f"topup-{number}-paid")
        move(customer_id, "usage", -1_000 * number - 1, f"usage-{number}")
    usual = {row.number: row for row in statement.recent(customer_id, limit=500)}
    for asked in ("amount", "-amount", "date"):
        order = Order.asked(statement.COLUMNS, asked)
        first, after = statement.sorted_page(customer_id, order)
        assert after is not None
        # More usage of the same day moves no page.
        move(customer_id, "usage", -7, f"usage-late-{asked}")
        seen = [*first]
        while after is not None:
            rows, after = statement.sorted_page(customer_id, order, after)
            seen += rows
        assert len({row.first for row in seen}) == len(seen) == len(usual)
        values = [row.amount_micros if "amount" in asked else row.first for row in seen]
        assert values == sorted(values, reverse=asked.startswith("-"))
        assert all(row.balance_micros == usual[row.number].balance_micros for row in first)
        usual = {row.number: row for row in statement.recent(customer_id, limit=500)}


def test_movements_of_one_kind_are_sorted_among_themselves(app: Flask) -> None:
    customer_id = account()
    for number, micros in enumerate((3_000_000, 1_000_000, 2_000_000)):
        move(customer_id, "top_up", micros, f"topup-{number}-paid")
        move(customer_id, "usage", -500_000, f"usage-{number}")
    rows, more = statement.sorted_page(
        customer_id, Order.asked(statement.COLUMNS, "-amount"), show="payments"
    )
    assert ([row.amount_micros for row in rows], more) == ([3_000_000, 2_000_000, 1_000_000], None)

"""A customer with subscriptions leaves: the days paid ahead come back with the rest of the money."""

from datetime import date

from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.ledger.sides import Side
from invoicing import subscriptions
from tests.fixtures.shop import Shop
from tests.fixtures.subscriptions import Hosting, days
from topups import service as topups


def leave(hosting: Hosting) -> topups.Leaving:
    leaving = in_unit_of_work(topups.close_customer, hosting.shop.customers["acme"])
    db.session.expire_all()
    return leaving


def test_days_paid_ahead_are_part_of_what_goes_back(hosting: Hosting, shop: Shop) -> None:
    shop.top_up("acme", 200)
    hosting.subscribe("basic")
    hosting.subscribe("large", quantity=2)
    acme = shop.customers["acme"]
    hosting.on(date(2026, 10, 24))
    spare = shop.balance("acme").prepaid_micros
    seen = topups.leaving_prospect(acme)
    assert (seen.ahead.agreements, shop.balance("acme").prepaid_micros) == (2, spare)
    leaving = leave(hosting)
    # 21 of 31 days: 20.32 and 84.00 net.
    assert [days(note) for note in hosting.credit_notes] == [
        [(date(2026, 10, 25), date(2026, 11, 14), 2032)],
        [(date(2026, 10, 25), date(2026, 11, 14), 8400)],
    ]
    back_micros = sum(note.total_cents for note in hosting.credit_notes) * 10_000
    assert back_micros == seen.ahead.credit_micros == (2459 + 10164) * 10_000
    assert leaving.going_back_micros + leaving.left_micros == spare + back_micros
    assert seen.going_back_micros + seen.left_micros == spare + back_micros
    assert {one.status for one in subscriptions.of_customer(acme)} == {"cancelled"}
    assert get_customer(acme).status == "closed"
    # Again changes nothing more.
    leave(hosting)
    assert len(hosting.credit_notes) == 2
    assert shop.balance("acme").credits_micros == 0
    hosting.on(date(2026, 12, 1))
    assert len(shop.invoices("acme")) == 4


def test_days_paid_ahead_pay_what_is_open_first_so_that_who_owes_no_more_can_leave(
    hosting: Hosting, shop: Shop
) -> None:
    hosting.subscribe("basic")
    assert shop.balance("acme").receivable_micros == 36_300_000
    seen = topups.leaving_prospect(shop.customers["acme"])
    # One day of 31 was used: it is owed, so the customer stays.
    assert (seen.obstacle is not None, seen.balance.receivable_micros) == (True, 1_170_000)
    shop.post("acme", "credits_given", Side.REVENUE, Side.CREDITS, 3, name="goodwill")
    assert topups.leaving_prospect(shop.customers["acme"]).obstacle is None


def test_credits_leave_with_their_customer(hosting: Hosting, shop: Shop) -> None:
    shop.top_up("acme", 50)
    shop.post("acme", "credit_note", Side.REVENUE, Side.CREDITS, 12.5, name="goodwill")
    leaving = leave(hosting)
    assert leaving.going_back_micros + leaving.left_micros == 62_500_000
    assert shop.balance("acme").credits_micros == 0

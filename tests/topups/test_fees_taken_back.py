"""Fees in refunds and chargebacks: the balance gives back what it got, the rest comes out of the fee."""

from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest
from flask.testing import FlaskClient

from app.clock import utc_now
from app.config import MethodFee, Settings
from app.db import db
from app.i18n import local_date
from app.ledger.verify import verify_all
from tests.portal.people import operator, sign_in
from tests.topups.conftest import Story
from tests.topups.test_pages import Browser
from topups import payouts, service

CENT = 10_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """PayPal costs something here."""
    fee = MethodFee(fixed=Decimal("0.35"), percentage=Decimal("3.4"))
    object.__setattr__(settings, "fees", MappingProxyType({"paypal": fee}))
    return settings


def paid_with_fee(story: Story) -> service.TopUp:
    """€25.00 on the balance, €1.45 of it a fee on top, of which €0.25 is VAT."""
    return story.pay(25, method="paypal", accepted_fee_micros=145 * CENT)


def reverse(story: Story, top_up: service.TopUp, what: str, cents: int | None = None) -> str:
    """What a bank, or somebody in Mollie's dashboard, does to a payment; answers Mollie's id."""
    amount = {} if cents is None else {"amount": {"value": f"{cents / 100:.2f}", "currency": "EUR"}}
    made = story.sandbox.control(f"payments/{top_up.mollie_payment_id}/{what}", amount)
    story.run_jobs()
    return str(made["id"])


def standing(story: Story) -> tuple[int, int]:
    """Cents on the balance, and of fees."""
    moved = story.transfers()
    fees_micros = sum(t.amount_micros for t in moved if t.credit == "fees") - sum(
        t.amount_micros for t in moved if t.debit == "fees"
    )
    return story.prepaid // CENT, fees_micros // CENT


def billed(story: Story, first: date | None = None, last: date | None = None) -> list[tuple[int, int]]:
    """Net and VAT, in cents, of each fee of these days."""
    db.session.rollback()
    today = local_date(utc_now())
    found = service.paid_fees(story.customer_id, first or today, last or today)
    return [(one.fee.net_micros // CENT, one.fee.vat_micros // CENT) for one in found]


def books_agree(story: Story) -> bool:
    db.session.rollback()
    db.session.remove()
    return payouts.report(local_date(utc_now())).agrees and not verify_all().differences


@pytest.mark.parametrize("what", ["chargeback", "refund"])
def test_what_takes_back_a_whole_payment_takes_its_fee_from_the_fees(story: Story, what: str) -> None:
    top_up = paid_with_fee(story)
    mollie_id = reverse(story, top_up, what, 2645)
    assert standing(story) == (0, 0)
    (taken,) = story.transfers("payment_fee_taken_back")
    assert (taken.debit, taken.credit, taken.amount_micros) == ("fees", "psp", 145 * CENT)
    assert taken.reference == f"{what}-{mollie_id}-fee"
    assert billed(story) == []
    assert books_agree(story)


@pytest.mark.parametrize("what", ["chargeback", "refund"])
def test_a_reversal_that_is_undone_gives_both_shares_back_once(story: Story, what: str) -> None:
    mollie_id = reverse(story, paid_with_fee(story), what, 2645)
    undo = f"chargebacks/{mollie_id}/reverse" if what == "chargeback" else f"refunds/{mollie_id}/state"
    story.sandbox.control(undo, {} if what == "chargeback" else {"status": "failed"})
    story.run_jobs()
    assert standing(story) == (2500, 145)
    assert billed(story) == [(120, 25)]
    (top_up,) = story.top_ups()
    service.sync_payment(top_up.top_up_id)
    assert standing(story) == (2500, 145)
    assert books_agree(story)


def test_parts_come_off_the_balance_first_and_then_off_the_fee(story: Story) -> None:
    top_up = paid_with_fee(story)
    reverse(story, top_up, "refund", 2000)
    assert standing(story) == (500, 145)
    reverse(story, top_up, "refund", 600)
    assert standing(story) == (0, 45)
    assert billed(story) == [(37, 8)]
    reverse(story, top_up, "chargeback", 45)
    assert standing(story) == (0, 0)
    assert billed(story) == []
    assert books_agree(story)


def test_money_that_leaves_twice_is_owed_by_the_customer_and_not_by_the_fee(story: Story) -> None:
    top_up = paid_with_fee(story)
    reverse(story, top_up, "refund", 2500)
    reverse(story, top_up, "chargeback", 2645)
    assert standing(story) == (-2500, 0)
    assert books_agree(story)


def test_a_fee_that_was_billed_already_is_corrected_on_the_day_it_is_taken_back(story: Story) -> None:
    top_up = paid_with_fee(story)
    then = local_date(utc_now())
    story.pass_time(days=40)
    made = reverse(story, top_up, "chargeback")
    today = local_date(utc_now())
    assert billed(story, then, then) == [(120, 25)]
    assert billed(story, then + timedelta(days=1), today) == [(-120, -25)]
    story.pass_time(days=40)
    story.sandbox.control(f"chargebacks/{made}/reverse", {})
    story.run_jobs()
    assert billed(story, today + timedelta(days=1), local_date(utc_now())) == [(120, 25)]
    assert billed(story, then, local_date(utc_now())) == [(120, 25)]


def test_our_own_refund_is_of_the_credited_amount_unless_the_fee_is_included(
    story: Story, api: FlaskClient
) -> None:
    top_up = paid_with_fee(story)
    path = f"/v1/top-ups/{top_up.top_up_id}/refunds"
    above = {"amount": {"value": "26.45", "currency": "EUR"}}
    refused = api.post(path, json=above, headers={"Idempotency-Key": "a"})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "refund_above_payment")
    both = api.post(path, json=above | {"include_fee": True}, headers={"Idempotency-Key": "b"})
    assert both.status_code == 201
    assert both.get_json()["amount"]["value"] == "26.45"
    assert standing(story) == (0, 0)


def test_an_amount_below_the_whole_payment_does_not_go_with_its_fee(story: Story, api: FlaskClient) -> None:
    top_up = paid_with_fee(story)
    body = {"amount": {"value": "10.00", "currency": "EUR"}, "include_fee": True}
    answer = api.post(f"/v1/top-ups/{top_up.top_up_id}/refunds", json=body, headers={"Idempotency-Key": "a"})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "whole_refund_with_amount")


def test_what_is_left_after_our_refund_is_the_fee_alone(story: Story) -> None:
    top_up = paid_with_fee(story)
    service.request_refund(service.RefundWish(top_up_id=top_up.top_up_id, request_key="a"))
    story.run_jobs()
    assert standing(story) == (0, 145)
    story.use(10)
    service.request_refund(service.RefundWish(top_up_id=top_up.top_up_id, request_key="b", with_fee=True))
    assert standing(story) == (-1000, 0)


def test_staff_sends_the_fee_back_with_a_button_of_its_own(story: Story, client: FlaskClient) -> None:
    top_up = paid_with_fee(story)
    operator()
    sign_in(client, "staff@tegoed.example")
    staff = Browser(client)
    page = staff.get(f"/desk/payments/{top_up.top_up_id}")
    assert "Send back all with the fee: €26.45" in page
    answer = staff.post(
        f"/desk/payments/{top_up.top_up_id}/refund", amount="", token=staff.hidden("token"), with_fee="1"
    )
    assert answer.status_code == 303
    assert standing(story) == (0, 0)
    assert "Send back" not in staff.get(f"/desk/payments/{top_up.top_up_id}")

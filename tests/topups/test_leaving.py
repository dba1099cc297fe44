"""A customer leaves: the prepaid money that is left goes back the way it came."""

import pytest
from flask.testing import FlaskClient, FlaskCliRunner

from app.customers.auth import create_api_key, forget_api_keys
from app.db import db, in_unit_of_work, unit_of_work
from app.ledger.service import grant, lock_balance, post
from app.ledger.sides import Posting, Side
from tests.fixtures.outside import Mailbox
from tests.topups.conftest import EURO, NOBODY, Story
from topups import jobs, service
from topups.errors import CustomerClosed, InvoicesOpen, PaymentsUnderWay


def close(story: Story) -> service.Leaving:
    leaving = in_unit_of_work(service.close_customer, story.customer_id)
    story.run_jobs()
    return leaving


def debit_under_way(story: Story) -> service.TopUp:
    """€10.00 was paid with the mandate's first payment; €25.00 is with the bank."""
    mandate = story.save_method("ideal")
    made = service.pay_with_mandate(
        story.customer, 25 * EURO, mandate.payment_method_id, request_key="by-hand"
    )
    assert made.status is service.Status.PENDING
    return made


def test_what_is_left_goes_back_to_the_newest_payments_first(story: Story, smtp: Mailbox) -> None:
    first, second = story.pay(50, key="a"), story.pay(25, key="b")
    with unit_of_work():
        grant(story.customer_id, 10 * EURO, reason="welcome", reference="welcome")
    story.use(30.005)
    smtp.messages.clear()
    leaving = close(story)
    assert (leaving.going_back_micros, leaving.left_micros) == (44_990_000, 0)
    assert story.top_up(second.top_up_id).refunded_micros == 25 * EURO
    assert story.top_up(first.top_up_id).refunded_micros == 19_990_000
    assert story.prepaid == 5_000
    assert len(smtp.messages) == 2
    assert close(story).refunds == ()


def test_nothing_is_charged_or_topped_up_any_more(story: Story) -> None:
    story.save_method("creditcard")
    story.turn_on()
    story.run_jobs()
    close(story)
    assert not story.rule().enabled
    story.use(20)
    story.evaluate()
    story.run_jobs()
    assert story.charges() == []
    with pytest.raises(CustomerClosed):
        story.request(25, key="after")
    with pytest.raises(CustomerClosed):
        story.turn_on(consent_by=NOBODY)


def test_a_closed_customers_last_payment_goes_back_when_it_is_closed_again(story: Story) -> None:
    late = story.request(25)
    close(story)
    story.settle(late)
    story.run_jobs()
    assert story.prepaid == 25 * EURO
    close(story)
    assert story.prepaid == 0


def test_an_answer_that_was_lost_while_closing_is_asked_for_again(story: Story) -> None:
    story.pay(25)
    story.sandbox.control("faults", {"match": "POST /v2/payments/*/refunds", "action": "reset_after"})
    close(story)
    assert story.prepaid == 25 * EURO
    assert in_unit_of_work(service.close_customer, story.customer_id).refunds == ()
    story.pass_time(minutes=2)
    story.sweep()
    assert story.prepaid == 0


def test_nobody_leaves_while_a_payment_is_on_its_way(story: Story) -> None:
    under_way = debit_under_way(story)
    with pytest.raises(PaymentsUnderWay):
        close(story)
    assert story.customer.status == "active"
    story.settle(under_way)
    story.run_jobs()
    assert close(story).going_back_micros == 35 * EURO


def test_nobody_leaves_who_still_owes_an_invoice(story: Story, api: FlaskClient) -> None:
    story.pay(25)
    with unit_of_work():
        lock_balance(story.customer_id)
        due = {"debit": Side.RECEIVABLE, "credit": Side.PREPAID, "amount_micros": 5 * EURO}
        post(Posting(customer_id=story.customer_id, kind="invoice_due", reference="invoice-1", **due))  # type: ignore[arg-type]  # a test's shorthand
    with pytest.raises(InvoicesOpen):
        close(story)
    answer = api.post("/v1/customers/acme/close", json={}, headers={"Idempotency-Key": "bye"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "invoices_open")
    assert story.prepaid == 30 * EURO
    assert story.customer.status == "active"


def test_mandates_are_withdrawn_at_mollie_and_pay_links_end(story: Story) -> None:
    story.save_method("creditcard")
    link = in_unit_of_work(service.make_pay_link, story.customer_id, amount_micros=25 * EURO)
    link_id = link.pay_link_id
    close(story)
    db.session.rollback()
    (mandate,) = story.sandbox.control("mandates", method="GET")
    assert mandate["status"] != "valid"
    assert service.payment_methods(story.customer_id) == []
    with pytest.raises(service.DeadPayLink):
        service.find_pay_link(link_id)
    with pytest.raises(CustomerClosed):
        in_unit_of_work(service.make_pay_link, story.customer_id, amount_micros=25 * EURO)


def test_the_customers_own_api_keys_end_and_the_providers_do_not(
    story: Story, client: FlaskClient, api: FlaskClient
) -> None:
    with unit_of_work():
        _, own = create_api_key("own", customer_id=story.customer_id, scope="read")
    headers = {"Authorization": f"Bearer {own}"}
    assert client.get("/v1/customers/acme/balance", headers=headers).status_code == 200
    close(story)
    # What each process remembers of a key lasts seconds.
    forget_api_keys()
    assert client.get("/v1/customers/acme/balance", headers=headers).status_code == 401
    assert api.get("/v1/customers/acme/balance").status_code == 200


def test_a_mandate_that_could_not_be_withdrawn_is_withdrawn_the_next_day(story: Story) -> None:
    story.save_method("creditcard")
    in_unit_of_work(service.close_customer, story.customer_id)
    story.lose_jobs()
    assert len(service.payment_methods(story.customer_id)) == 1
    jobs.mandates_daily()
    story.run_jobs()
    db.session.rollback()
    assert service.payment_methods(story.customer_id) == []


def test_what_would_happen_is_told_beforehand_and_changes_nothing(story: Story) -> None:
    story.save_method("creditcard")
    story.pay(25)
    story.use(10)
    seen = service.leaving_prospect(story.customer_id)
    assert (seen.going_back_micros, seen.left_micros, seen.methods, seen.obstacle) == (25 * EURO, 0, 1, None)
    assert story.prepaid == 25 * EURO
    assert close(story).going_back_micros == seen.going_back_micros


def test_by_command_and_by_api(story: Story, api: FlaskClient, runner: FlaskCliRunner) -> None:
    story.pay(25)
    printed = runner.invoke(args=["topups", "close-customer", "acme"]).output
    assert "25.00 of tu_" in printed
    answer = api.post("/v1/customers/acme/close", json={}, headers={"Idempotency-Key": "bye"})
    assert answer.status_code == 200, answer.text
    assert answer.json == {
        "status": "closed",
        "going_back": {"value": "0.00", "currency": "EUR"},
        "left": {"value": "0.00", "currency": "EUR"},
        "refunds": [],
    }
    story.run_jobs()
    db.session.rollback()
    assert story.prepaid == 0

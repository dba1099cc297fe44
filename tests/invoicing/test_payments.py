"""Paying an invoice through Mollie: settled by what was paid for it, re-opened when the money leaves."""

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.customers.sign_in import add_member, create_user
from app.db import db, unit_of_work
from invoicing import documents, paid_copies, reading, service
from invoicing.models import Invoice, InvoiceDocument
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.invoicing.test_pdf import text_of
from topups import service as topups

PASSWORD = "correct horse battery staple"


@pytest.fixture
def till(shop: Shop, live_app: LiveApp, sandbox: Sandbox) -> Sandbox:
    """October is closed: acme owes €42.40 for it."""
    shop.customer("acme", locale="en")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.run_jobs()
    return sandbox


def pay(
    shop: Shop, till: Sandbox, euros: float, number: str | None, key: str = "one", method: str = "ideal"
) -> topups.TopUp:
    payment = topups.request_top_up(
        shop.account("acme"),
        round(euros * EURO),
        request_key=key,
        method=method,
        purpose="invoice" if number else "balance",
        invoice_number=number,
    )
    db.session.rollback()
    till.control(f"payments/{payment.mollie_payment_id}/state", {"status": "paid"})
    shop.run_jobs()
    return payment


def control(shop: Shop, till: Sandbox, payment: topups.TopUp, what: str, body: dict[str, Any]) -> None:
    till.control(f"payments/{payment.mollie_payment_id}/{what}", body)
    shop.run_jobs()


def state(shop: Shop, invoice: Invoice | None = None) -> tuple[int, int, int]:
    """Outstanding on the invoice, receivable and prepaid, in cents."""
    found = invoice or shop.invoice("acme")
    balance = shop.balance("acme")
    amounts = (found.outstanding_micros, balance.receivable_micros, balance.prepaid_micros)
    return amounts[0] // 10_000, amounts[1] // 10_000, amounts[2] // 10_000


def test_a_payment_settles_the_invoice_it_was_made_for(shop: Shop, till: Sandbox) -> None:
    assert state(shop) == (4240, 4240, 0)
    pay(shop, till, 42.40, shop.invoice("acme").number)
    assert state(shop) == (0, 0, 0)
    assert service.status_now(shop.invoice("acme")) == "paid"
    assert service.due(shop.customers["acme"]) == []


def test_a_top_up_of_the_balance_stays_on_the_balance_whatever_is_owed(shop: Shop, till: Sandbox) -> None:
    pay(shop, till, 50, None)
    assert state(shop) == (4240, 4240, 5000)


def test_what_is_paid_too_much_stays_on_the_balance(shop: Shop, till: Sandbox) -> None:
    pay(shop, till, 50, shop.invoice("acme").number)
    assert state(shop) == (0, 0, 760)


def test_paid_twice_settles_the_next_oldest_invoice_and_then_the_balance(shop: Shop, till: Sandbox) -> None:
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=20))
    shop.use_42_40("acme", at=AFTER_OCTOBER.replace(day=19))
    shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
    shop.close("2026-11")
    october, november = (invoice.number for invoice in shop.invoices("acme"))
    pay(shop, till, 42.40, october, "first")
    pay(shop, till, 42.40, october, "second")
    assert [invoice.outstanding_micros for invoice in shop.invoices("acme")] == [0, 0]
    pay(shop, till, 42.40, november, "third")
    assert state(shop, shop.invoices("acme")[1]) == (0, 0, 4240)


def test_part_of_an_invoice_can_be_paid(shop: Shop, till: Sandbox) -> None:
    pay(shop, till, 20, shop.invoice("acme").number)
    assert state(shop) == (2240, 2240, 0)
    assert service.status_now(shop.invoice("acme")) == "open"


def test_a_chargeback_opens_the_invoice_again_and_its_reversal_settles_it(shop: Shop, till: Sandbox) -> None:
    payment = pay(shop, till, 42.40, shop.invoice("acme").number)
    amount = {"value": "42.40", "currency": "EUR"}
    control(shop, till, payment, "chargeback", {"amount": amount, "code": "AM04"})
    assert state(shop) == (4240, 4240, 0)
    assert service.status_now(shop.invoice("acme")) == "open"


def test_a_refund_in_part_opens_as_much_and_the_rest_comes_off_the_balance(shop: Shop, till: Sandbox) -> None:
    payment = pay(shop, till, 50, shop.invoice("acme").number)
    control(shop, till, payment, "refund", {"amount": {"value": "10.00", "currency": "EUR"}})
    assert state(shop) == (1000, 1000, 760)
    control(shop, till, payment, "refund", {"amount": {"value": "40.00", "currency": "EUR"}})
    assert state(shop) == (4240, 4240, 0)


def test_a_refund_in_part_opens_first_what_the_payment_settled_last(shop: Shop, till: Sandbox) -> None:
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=20))
    shop.use_42_40("acme", at=AFTER_OCTOBER.replace(day=19))
    shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
    shop.close("2026-11")
    payment = pay(shop, till, 84.80, shop.invoices("acme")[0].number)
    control(shop, till, payment, "refund", {"amount": {"value": "42.40", "currency": "EUR"}})
    assert [invoice.outstanding_micros for invoice in shop.invoices("acme")] == [0, 42_400_000]


def test_while_the_bank_works_on_a_payment_nobody_is_asked_to_pay_again(shop: Shop, till: Sandbox) -> None:
    number = shop.invoice("acme").number
    payment = topups.request_top_up(
        shop.account("acme"), 42_400_000, request_key="slow", method="banktransfer", purpose="invoice",
        invoice_number=number,
    )  # fmt: skip
    db.session.rollback()
    control(shop, till, payment, "state", {"status": "pending"})
    topups.sync_payment(payment.top_up_id)
    db.session.rollback()
    assert [due.status for due in service.due(shop.customers["acme"])] == ["in_progress"]
    client = signed_in(shop)
    page = client.get(f"/invoices/{number}").text
    assert "Please don't pay again" in page
    assert 'action="/invoices/pay"' not in page
    assert number in client.get("/invoices?show=in_progress").text
    assert number not in client.get("/invoices?show=open").text
    form = {"csrf_token": hidden(page, "csrf_token"), "token": "a" * 32, "amount": "42.40", "method": "ideal"}
    refused = client.post("/invoices/pay", data=form | {"invoice": number})
    assert refused.status_code == 409
    assert "Please don&#39;t pay again" in refused.text


def test_a_top_up_that_is_charged_back_opens_no_invoice(shop: Shop, till: Sandbox) -> None:
    pay(shop, till, 42.40, shop.invoice("acme").number, "invoice")
    payment = pay(shop, till, 25, None, "balance")
    amount = {"value": "25.00", "currency": "EUR"}
    control(shop, till, payment, "chargeback", {"amount": amount, "code": "AM04"})
    assert state(shop) == (0, 0, 0)


def signed_in(shop: Shop, role: str = "owner") -> FlaskClient:
    with unit_of_work():
        user = create_user("anna@acme.example", "Anna", locale="en", password=PASSWORD)
        add_member(shop.customers["acme"], user, role)
    client = shop.app.test_client()
    page = client.get("/sign-in")
    client.post("/sign-in", data={"csrf_token": hidden(page.text, "csrf_token"), "email": "anna@acme.example",
                                  "password": PASSWORD, "next": ""})  # fmt: skip
    return client


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]+)"', page)
    assert found, f"the page has no {name}"
    return found[1]


def test_the_customer_sees_the_invoice_explained_pays_it_and_sees_it_paid(shop: Shop, till: Sandbox) -> None:
    client = signed_in(shop)
    number = shop.invoice("acme").number
    listed = client.get("/invoices?show=open").text
    assert number in listed
    page = client.get(f"/invoices/{number}").text.replace("\xa0", " ")
    for text in (
        "Prompt tokens",
        "€32.09",
        "18,059,974 tokens",
        "€2.00 per million",
        "Total",
        "€42.40",
        "Open",
    ):
        assert text in page
    form = {name: hidden(page, name) for name in ("csrf_token", "token", "amount", "invoice")}
    first = client.post("/invoices/pay", data=form | {"method": "ideal"})
    again = client.post("/invoices/pay", data=form | {"method": "ideal"})
    assert first.status_code == 302
    assert first.location == again.location
    assert first.location.startswith(till.url)
    (payment,) = topups.top_ups(shop.customers["acme"])
    till.control(f"payments/{payment.mollie_payment_id}/state", {"status": "paid"})
    shop.run_jobs()
    assert "Paid" in client.get(f"/invoices/{number}").text
    assert number in client.get("/invoices?show=paid").text
    assert number not in client.get("/invoices?show=open").text
    assert client.get(f"/invoices/{number}.pdf").data.startswith(b"%PDF")


def test_a_viewer_may_look_but_not_pay(shop: Shop, till: Sandbox) -> None:
    client = signed_in(shop, "viewer")
    number = shop.invoice("acme").number
    page = client.get(f"/invoices/{number}").text
    assert 'action="/invoices/pay"' not in page
    form = {"csrf_token": hidden(page, "csrf_token"), "invoice": number}
    assert client.post("/invoices/pay", data=form).status_code == 403


def test_another_customers_invoice_does_not_exist(shop: Shop, till: Sandbox) -> None:
    number = shop.invoice("acme").number
    shop.customers["acme"] = shop.customer("bravo")
    client = signed_in(shop)
    for path in (f"/invoices/{number}", f"/invoices/{number}.pdf", "/invoices/F2026-999999"):
        assert client.get(path).status_code == 404
    assert number not in client.get("/invoices").text


def test_nobody_sees_an_invoice_without_signing_in(shop: Shop, till: Sandbox) -> None:
    number = shop.invoice("acme").number
    for path in ("/invoices", f"/invoices/{number}", f"/invoices/{number}.pdf"):
        answer = shop.app.test_client().get(path)
        assert answer.status_code == 302
        assert "/sign-in" in answer.location


def test_each_time_it_is_paid_a_copy_says_when_and_how_and_is_mailed_once(
    shop: Shop, till: Sandbox, smtp: Mailbox, tmp_path: Path
) -> None:
    number = shop.invoice("acme").number
    original = shop.api.get(f"/v1/invoices/{number}.pdf").data
    missing = shop.api.get(f"/v1/invoices/{number}/paid.pdf")
    assert (missing.status_code, missing.get_json()["code"]) == (409, "rendering")
    payment = pay(shop, till, 42.40, number)
    copy = shop.api.get(f"/v1/invoices/{number}/paid.pdf")
    assert copy.headers["Content-Disposition"] == f'inline; filename="{number}-paid.pdf"'
    text = text_of(copy.data, tmp_path)
    assert "Paid on 1 November 2026 via iDEAL" in text
    assert "Pay online" not in text
    # Charged back and paid again in another way: the copy that was made stays, and a new one says so.
    amount = {"value": "42.40", "currency": "EUR"}
    control(shop, till, payment, "chargeback", {"amount": amount, "code": "AM04"})
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=3))
    pay(shop, till, 42.40, number, "again", method="creditcard")
    for _ in range(2):
        assert paid_copies.make(number) is False
    newer = shop.api.get(f"/v1/invoices/{number}/paid.pdf")
    assert "Paid on 3 November 2026 via credit card" in text_of(newer.data, tmp_path)
    assert kept(number) == [copy.data, newer.data]
    assert shop.api.get(f"/v1/invoices/{number}.pdf").data == original
    mails = [m for m in smtp.messages if m["subject"] == f"Invoice {number} has been paid"]
    attached = [[part.get_filename() for part in m.iter_attachments()] for m in mails]
    assert attached == [[f"{number}-paid.pdf"]] * 2
    client = signed_in(shop)
    assert client.get(f"/invoices/{number}/paid.pdf").data == newer.data
    page = client.get(f"/invoices/{number}").text
    assert "Paid copy" in page
    assert page.count("Payment confirmed to") == 2


def kept(number: str) -> list[bytes]:
    """The stored paid copies, the oldest first."""
    db.session.rollback()
    invoice = reading.find(number)
    place = (invoice.customer_id, invoice.invoice_id)
    kinds = documents.paid_copies_of(invoice)
    return [db.session.get_one(InvoiceDocument, (*place, kind)).content for kind in kinds]


@pytest.mark.parametrize(("paid", "how"), [(0, "via credits"), (20, "via iDEAL | Wero and credits")])
def test_what_credits_settled_has_a_paid_copy_too(
    shop: Shop, till: Sandbox, tmp_path: Path, paid: int, how: str
) -> None:
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=20))
    shop.use_42_40("acme", at=AFTER_OCTOBER.replace(day=19))
    shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
    shop.close("2026-11")
    october, november = (invoice.number for invoice in shop.invoices("acme"))
    pay(shop, till, 42.40, october)
    if paid:
        pay(shop, till, paid, november, "part")
    made = shop.api.post(
        f"/v1/invoices/{october}/credit", json={"reason": "Outage"}, headers={"Idempotency-Key": "credit"}
    )
    assert made.status_code == 201
    shop.run_jobs()
    copy = shop.api.get(f"/v1/invoices/{november}/paid.pdf")
    assert f"Paid on 1 December 2026 {how}" in text_of(copy.data, tmp_path)


def test_what_was_taken_back_has_no_paid_copy(shop: Shop, till: Sandbox) -> None:
    number = shop.invoice("acme").number
    made = shop.api.post(
        f"/v1/invoices/{number}/credit", json={"reason": "Outage"}, headers={"Idempotency-Key": "credit"}
    )
    assert made.status_code == 201
    shop.run_jobs()
    assert service.status_now(shop.invoices("acme")[0]) == "credited"
    assert kept(number) == []


def test_a_paid_copy_that_a_lost_queue_forgot_is_made_later(shop: Shop, till: Sandbox, smtp: Mailbox) -> None:
    number = shop.invoice("acme").number
    payment = topups.request_top_up(
        shop.account("acme"), 42_400_000, request_key="lost", method="ideal", purpose="invoice",
        invoice_number=number,
    )  # fmt: skip
    db.session.rollback()
    till.control(f"payments/{payment.mollie_payment_id}/state", {"status": "paid"})
    topups.sync_payment(payment.top_up_id)
    shop.app.extensions["redis"].flushall()
    shop.clock.travel_to(AFTER_OCTOBER.replace(hour=9))
    from invoicing import jobs

    jobs.render_missing()
    shop.run_jobs()
    assert shop.api.get(f"/v1/invoices/{number}/paid.pdf").status_code == 200

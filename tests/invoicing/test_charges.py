"""One-off charges: billed once, on the next usage invoice or by one of their own, with what is attached."""

import base64
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.ledger.sides import Side
from invoicing import charges, service
from invoicing.charges import ChargeBilled, NewCharge
from invoicing.models import Invoice
from invoicing.tax import Treatment
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.topups.conftest import Story
from topups import methods

KEYS = count()
PDF = b"%PDF-1.7 a work order"
IN_NOVEMBER = datetime(2026, 11, 10, 9, tzinfo=UTC)


def charge(api: FlaskClient, amount: str = "75.00", **facts: Any) -> dict[str, Any]:
    body = {
        "description": "Installing a certificate",
        "date": "2026-10-12",
        "amount": {"value": amount, "currency": "EUR"},
    }
    headers = {"Idempotency-Key": facts.pop("key", f"charge-{next(KEYS)}")}
    answer = api.post("/v1/customers/acme/charges", json=body | facts, headers=headers)
    assert answer.status_code == 201, answer.text
    db.session.rollback()
    return dict(answer.get_json())


def test_a_charge_goes_onto_the_next_usage_invoice_with_its_day(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.use_42_40("acme")
    made = charge(api)
    assert (made["status"], made["billed"], made["invoice"]) == ("pending", "next_invoice", None)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    line = invoice.lines[-1]
    assert (line.net_cents, line.supplied_from, line.supplied_until) == (
        7500,
        date(2026, 10, 12),
        date(2026, 10, 12),
    )
    assert (invoice.total_cents, invoice.prepaid_cents, invoice.due_cents) == (4240 + 9075, 6000, 7315)
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert shop.side("acme", Side.REVENUE) == invoice.net_cents * 10_000
    assert invoice.balance["charges"] == -90_750_000
    read = api.get(f"/v1/customers/acme/charges/{made['id']}").get_json()
    assert (read["status"], read["invoice"]) == ("billed", invoice.number)
    shop.close()
    shop.clock.travel_to(datetime(2026, 12, 1, 5, tzinfo=UTC))
    shop.close("2026-11")
    assert len(shop.invoices("acme")) == 1


def test_a_month_without_usage_is_billed_for_its_charge_alone(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    charge(api)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.net_cents, invoice.total_cents, invoice.due_cents) == (7500, 9075, 9075)


def test_a_charge_that_takes_the_balance_below_the_threshold_tops_it_up(
    shop: Shop,
    api: FlaskClient,
    sandbox: Sandbox,
    live_app: LiveApp,
    smtp: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("topups.receipts", "invoicing.notices"):
        monkeypatch.setattr(f"{module}.render_pdf", lambda html: b"%PDF " + html.encode(), raising=False)
    methods.forget()
    story = Story(shop.customer("acme"), sandbox, shop.run_jobs)
    shop.top_up("acme", 90)
    story.save_method("creditcard")
    story.turn_on(threshold_micros=50 * EURO, amount_micros=60 * EURO)
    shop.run_jobs()
    assert story.prepaid == 100 * EURO
    charge(api, "50.00")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    assert story.prepaid == 39_500_000
    story.sweep()
    assert [decision.reason for decision in story.decisions()][-1] == "charged"
    assert story.prepaid == 99_500_000


def test_a_charge_of_a_day_after_the_month_waits_for_the_next_close(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    shop.use_42_40("acme")
    charge(api, date="2026-11-01")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    assert shop.invoice("acme").total_cents == 4240
    shop.clock.travel_to(datetime(2026, 12, 1, 5, tzinfo=UTC))
    shop.close("2026-11")
    assert shop.invoices("acme")[1].total_cents == 9075


def test_the_coming_invoice_shows_what_is_charged_beside_usage(shop: Shop, api: FlaskClient) -> None:
    acme = shop.customer("acme")
    charge(api)
    draft = service.upcoming(get_customer(acme))
    assert draft is not None
    assert (draft.total_cents, draft.due_cents) == (9075, 9075)
    shop.top_up("acme", 100)
    shop.use_42_40("acme")
    draft = service.upcoming(get_customer(acme))
    assert draft is not None
    assert (draft.total_cents, draft.prepaid_cents, draft.due_cents) == (13315, 10000, 3315)


def test_a_charge_at_once_has_an_invoice_of_its_own_paid_from_the_balance_that_is_there(
    shop: Shop, api: FlaskClient
) -> None:
    shop.customer("acme", payment_term_days=30)
    shop.top_up("acme", 60)
    made = charge(api, billed="at_once")
    invoice = shop.invoice("acme")
    assert made["invoice"] == invoice.number
    assert (invoice.close_key, invoice.balance) == (None, {})
    assert (invoice.total_cents, invoice.prepaid_cents, invoice.due_cents) == (9075, 6000, 3075)
    assert (invoice.due_date - invoice.issue_date).days == 30
    balance = shop.balance("acme")
    assert (balance.prepaid_micros, balance.receivable_micros) == (0, 30_750_000)
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert (shop.side("acme", Side.REVENUE), shop.side("acme", Side.VAT)) == (75 * EURO, 15_750_000)
    shop.run_jobs()
    db.session.rollback()
    assert service.stored_kinds(shop.invoice("acme")) == ["pdf", "xml"]


def test_money_that_is_reserved_or_kept_for_usage_does_not_pay_a_charge(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    hold = {"amount": {"value": "50.00", "currency": "EUR"}, "expires_in": 3600}
    assert (
        api.post("/v1/customers/acme/holds", json=hold, headers={"Idempotency-Key": "h"}).status_code == 201
    )
    charge(api, "10.00", billed="at_once")
    assert (shop.invoice("acme").prepaid_cents, shop.invoice("acme").due_cents) == (1000, 210)
    change = {"one_off": {"uses_balance": False, "term_days": 7}}
    assert api.patch("/v1/customers/acme/billing-terms", json=change).status_code == 200
    charge(api, "0.50", billed="at_once")
    second = shop.invoices("acme")[1]
    assert (second.prepaid_cents, second.due_cents) == (0, 61)
    assert (second.due_date - second.issue_date).days == 7


def test_credits_settle_a_charge_first_and_in_part(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    shop.post("acme", "credit_note", Side.REVENUE, Side.CREDITS, 20, name="credit-1")
    charge(api, "10.00", billed="at_once")
    charge(api, "10.00", billed="at_once")
    first, second = shop.invoices("acme")
    assert (first.credits_used_cents, first.credits_left_cents, first.due_cents) == (1210, 790, 0)
    assert (second.credits_used_cents, second.credits_left_cents, second.due_cents) == (790, 0, 420)
    assert (shop.balance("acme").credits_micros, shop.balance("acme").prepaid_micros) == (0, 0)


def test_the_block_of_the_next_usage_invoice_tells_of_documents_beside_it(
    shop: Shop, api: FlaskClient
) -> None:
    shop.customer("acme")
    shop.top_up("acme", 100)
    shop.post("acme", "credit_note", Side.REVENUE, Side.CREDITS, 20, name="credit-1")
    charge(api, "40.00", billed="at_once")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoices("acme")[1]
    assert invoice.balance == {
        "opening": 0,
        "top_ups": 100 * EURO,
        "charges": -48_400_000,
        "credits": 20 * EURO,
        "usage": -42_400_000,
        "closing": 29_200_000,
    }
    assert shop.balance("acme").prepaid_micros == 29_200_000


def test_the_same_request_charges_once(shop: Shop, api: FlaskClient) -> None:
    acme = shop.customer("acme")
    first = charge(api, billed="at_once", key="once")
    assert charge(api, billed="at_once", key="once") == first
    wish = NewCharge(
        description="Twice",
        charged_on=date(2026, 10, 12),
        net_cents=100,
        product="standard",
        request_key="desk-1",
        created_by="ann@example.nl",
        billed="at_once",
    )
    made = [in_unit_of_work(lambda: charges.add(get_customer(acme), wish).charge_id) for _ in range(2)]
    assert len(set(made)) == 1
    assert len(shop.invoices("acme")) == 2


def test_a_reduced_rate_stands_beside_the_usual_one_on_one_invoice(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    shop.use_42_40("acme")
    charge(api, "100.00", tax_category="reduced")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert [(int(tax.percent), tax.vat_cents) for tax in invoice.taxes] == [(21, 736), (9, 900)]
    assert invoice.total_cents == 4240 + 10900
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert shop.side("acme", Side.VAT) == 16_360_000


def test_a_charge_may_be_withdrawn_until_it_is_billed(shop: Shop, api: FlaskClient) -> None:
    acme = shop.customer("acme")
    waits, billed = charge(api), charge(api, billed="at_once")
    for _ in range(2):
        answer = api.post(f"/v1/customers/acme/charges/{waits['id']}/withdraw")
        assert (answer.status_code, answer.get_json()["status"]) == (200, "withdrawn")
    refused = api.post(f"/v1/customers/acme/charges/{billed['id']}/withdraw")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "charge_billed")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    assert [invoice.number for invoice in shop.invoices("acme")] == [billed["invoice"]]
    taxed = {waits["id"]: Treatment("S", Decimal(21))}
    with pytest.raises(ChargeBilled):
        in_unit_of_work(charges.Waiting().bill, acme, date(2026, 10, 1), taxed)


def test_an_attachment_is_kept_as_it_was_and_only_the_customer_gets_it(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    shop.customer("bravo")
    attached = {"filename": "../orders/Werkbon 12.txt", "content": base64.b64encode(PDF).decode()}
    made = charge(api, attachment=attached, billed="at_once")
    assert made["attachment"] == "Werkbon 12.pdf"
    answer = api.get(f"/v1/customers/acme/charges/{made['id']}/attachment")
    assert (answer.data, answer.mimetype) == (PDF, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert api.get(f"/v1/customers/bravo/charges/{made['id']}/attachment").status_code == 404
    invoice: Invoice = shop.invoice("acme")
    assert [(one.charge_id, name) for one, name in charges.attached_to(invoice)] == [
        (made["id"], "Werkbon 12.pdf")
    ]
    plain = charge(api)
    assert api.get(f"/v1/customers/acme/charges/{plain['id']}/attachment").status_code == 404


def test_what_is_no_charge_is_refused_by_name(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    page = base64.b64encode(b"<html>").decode()
    large = base64.b64encode(b"%PDF-" + bytes(5 * 1024 * 1024)).decode()
    for wrong, status, field in (
        ({"description": " "}, 422, "description"),
        ({"description": "a" * 201}, 422, "description"),
        ({"description": 1}, 422, "description"),
        ({"date": "2024-01-01"}, 422, "date"),
        ({"date": "tomorrow"}, 422, "date"),
        ({"date": "2026-13-01"}, 422, "date"),
        ({"amount": {"value": "0.00", "currency": "EUR"}}, 422, "amount"),
        ({"amount": {"value": "-5.00", "currency": "EUR"}}, 422, "amount"),
        ({"amount": {"value": "1.005", "currency": "EUR"}}, 422, "amount"),
        ({"tax_category": "luxury"}, 422, "tax_category"),
        ({"billed": "never"}, 422, "billed"),
        ({"attachment": "a.pdf"}, 422, "attachment"),
        ({"attachment": {"filename": "a.pdf", "content": "%"}}, 422, "attachment"),
        ({"attachment": {"filename": "/", "content": base64.b64encode(PDF).decode()}}, 422, "attachment"),
        ({"attachment": {"filename": "a.pdf", "content": page}}, 415, "attachment"),
        ({"attachment": {"filename": "a.pdf", "content": large}}, 413, "attachment"),
    ):
        body = {
            "description": "Work",
            "date": "2026-10-12",
            "amount": {"value": "5.00", "currency": "EUR"},
        } | wrong
        headers = {"Idempotency-Key": f"wrong-{next(KEYS)}"}
        answer = api.post("/v1/customers/acme/charges", json=body, headers=headers)
        assert (answer.status_code, answer.get_json()["field"]) == (status, field), wrong
    assert api.get("/v1/customers/acme/charges").get_json()["data"] == []
    assert api.get("/v1/customers/acme/charges/ch_1_nothing").status_code == 404


def test_charges_are_listed_the_newest_first_page_by_page(shop: Shop, api: FlaskClient) -> None:
    shop.customer("acme")
    made = [charge(api)["id"] for _ in range(3)]
    first = api.get("/v1/customers/acme/charges?limit=2").get_json()
    assert [one["id"] for one in first["data"]] == made[:0:-1]
    second = api.get(f"/v1/customers/acme/charges?limit=2&cursor={first['next_cursor']}").get_json()
    assert ([one["id"] for one in second["data"]], second["next_cursor"]) == (made[:1], None)

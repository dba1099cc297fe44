"""Subscriptions: each period billed ahead, once, on time, whatever ran twice or not at all."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.config import settings
from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.i18n import in_locale
from app.ledger import service as ledger
from app.ledger.sides import Side
from invoicing import charge_documents, pages, service, subscriptions
from invoicing.spans import due_date
from invoicing.subscription_closing import Waiting
from invoicing.subscription_models import SubscriptionSpan
from invoicing.tax import Treatment
from tests.fixtures.shop import EURO, Shop
from tests.fixtures.subscriptions import Hosting, days

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 15), date(2026, 11, 15), date(2026, 12, 15)


def test_a_subscription_that_begins_today_is_billed_today_and_pays_within_the_usual_days(
    hosting: Hosting, shop: Shop
) -> None:
    subscription = hosting.subscribe("basic", quantity=2)
    (invoice,) = hosting.invoices
    assert days(invoice) == [(OCTOBER, date(2026, 11, 14), 6000)]
    assert (invoice.total_cents, invoice.due_cents) == (7260, 7260)
    assert (invoice.issue_date, invoice.due_date) == (OCTOBER, OCTOBER + timedelta(days=14))
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert (shop.side("acme", Side.REVENUE), shop.side("acme", Side.VAT)) == (60 * EURO, 12_600_000)
    assert (shop.balance("acme").prepaid_micros, shop.balance("acme").receivable_micros) == (0, 72_600_000)
    read = hosting.read(subscription)
    assert (read["status"], read["billed_through"], read["price"]) == ("active", "2026-11-15", "30.00")


def test_the_next_period_is_billed_fourteen_days_ahead_and_due_on_its_first_day(hosting: Hosting) -> None:
    hosting.subscribe("basic")
    hosting.on(date(2026, 10, 31))
    assert len(hosting.invoices) == 1
    hosting.on(date(2026, 11, 1))
    first, second = hosting.invoices
    assert days(second) == [(NOVEMBER, date(2026, 12, 14), 3000)]
    assert (second.issue_date, second.due_date) == (date(2026, 11, 1), NOVEMBER)
    assert (first.period_start, first.period_end) == (OCTOBER, NOVEMBER)


def test_running_again_bills_nothing_twice(hosting: Hosting, shop: Shop) -> None:
    hosting.subscribe("basic")
    hosting.on(date(2026, 11, 1))
    before = shop.balance("acme")
    for _ in range(3):
        hosting.bill()
    assert shop.balance("acme") == before
    assert len(hosting.invoices) == 2


def test_a_crash_before_the_commit_leaves_nothing_and_the_next_run_bills_it(
    hosting: Hosting, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosting.subscribe("basic")
    before = shop.balance("acme")
    shop.clock.travel_to(datetime(2026, 11, 1, 9, tzinfo=UTC))
    with monkeypatch.context() as broken:
        broken.setattr(charge_documents, "issue", _dies)
        hosting.bill()
    assert shop.balance("acme") == before
    assert len(hosting.invoices) == 1
    hosting.bill()
    assert [invoice.number for invoice in hosting.invoices] == ["F2026-000001", "F2026-000002"]


def _dies(*_: object) -> None:
    raise MemoryError


def test_what_the_scheduler_missed_is_caught_up_each_period_by_its_own_invoice(hosting: Hosting) -> None:
    hosting.subscribe("basic")
    hosting.on(date(2027, 1, 20))
    assert [invoice.period_start for invoice in hosting.invoices] == [
        OCTOBER, NOVEMBER, DECEMBER, date(2027, 1, 15),
    ]  # fmt: skip
    assert {invoice.due_date for invoice in hosting.invoices[1:]} == {date(2027, 2, 3)}


def test_one_customer_whose_billing_fails_stops_nobody(hosting: Hosting, shop: Shop) -> None:
    hosting.subscribe("basic")
    bravo = shop.customer("bravo", country="NL")
    body = {"plan": "basic"}
    headers = {"Idempotency-Key": "bravo"}
    assert (
        hosting.api.post("/v1/customers/bravo/subscriptions", json=body, headers=headers).status_code == 201
    )
    db.session.rollback()
    with pytest.MonkeyPatch.context() as broken:
        real = subscriptions.bill
        broken.setattr(subscriptions, "bill", lambda one: _dies() if one.customer_id != bravo else real(one))
        hosting.on(date(2026, 11, 1))
    assert (len(hosting.invoices), len(shop.invoices("bravo"))) == (1, 2)


def test_a_yearly_plan_names_its_year_and_is_billed_once_a_year(hosting: Hosting) -> None:
    hosting.subscribe("domain")
    (invoice,) = hosting.invoices
    assert days(invoice) == [(OCTOBER, date(2027, 10, 14), 1200)]
    hosting.on(date(2027, 9, 30))
    assert len(hosting.invoices) == 1
    hosting.on(date(2027, 10, 1))
    assert days(hosting.invoices[1]) == [(date(2027, 10, 15), date(2028, 10, 14), 1200)]


def test_a_year_paid_ahead_is_declared_when_it_is_invoiced_and_corrected_in_that_quarter(
    hosting: Hosting, shop: Shop
) -> None:
    shop.customer("suomi", country="FI", kind="consumer")
    headers = {"Idempotency-Key": "suomi"}
    here = "/v1/customers/suomi/subscriptions"
    made = hosting.api.post(here, json={"plan": "domain"}, headers=headers).get_json()
    shop.clock.travel_to(datetime(2027, 1, 10, 9, tzinfo=UTC))
    cancel = {"Idempotency-Key": "cancel"}
    assert (
        hosting.api.post(f"{here}/{made['id']}/cancel", json={"when": "now"}, headers=cancel).status_code
        == 200
    )
    sold, corrected = (
        shop.runner.invoke(args=["invoicing", "export", "declaration", "oss", "--quarter", quarter]).output
        for quarter in ("2026-Q4", "2027-Q1")
    )
    assert sold.splitlines()[1:] == ["2026-Q4,FI,25.50,12.00,3.06,"]
    assert corrected.splitlines()[1:] == ["2027-Q1,FI,25.50,-9.11,-2.32,2026-Q4"]


def test_the_balance_pays_unless_the_customer_chose_otherwise(hosting: Hosting, shop: Shop) -> None:
    shop.top_up("acme", 50)
    hosting.subscribe("basic")
    assert (hosting.invoices[0].prepaid_cents, hosting.invoices[0].due_cents) == (3630, 0)
    hosting.terms(uses_balance=False)
    hosting.on(date(2026, 11, 1))
    assert (hosting.invoices[1].prepaid_cents, hosting.invoices[1].due_cents) == (0, 3630)
    assert shop.balance("acme").prepaid_micros == 13_700_000


def test_credits_pay_before_the_balance_does(hosting: Hosting, shop: Shop) -> None:
    shop.top_up("acme", 10)
    shop.post("acme", "credit_note", Side.REVENUE, Side.CREDITS, 20, name="credit-1")
    hosting.subscribe("basic")
    (invoice,) = hosting.invoices
    assert (invoice.credits_used_cents, invoice.prepaid_cents, invoice.due_cents) == (2000, 1000, 630)
    assert (shop.balance("acme").credits_micros, shop.balance("acme").prepaid_micros) == (0, 0)


def test_a_term_of_their_own_holds_for_subscriptions_alone(hosting: Hosting) -> None:
    hosting.terms(term_days=30)
    hosting.subscribe("basic")
    hosting.on(date(2026, 11, 1))
    assert [(one.due_date - one.issue_date).days for one in hosting.invoices] == [30, 30]


def test_due_dates() -> None:
    begins = date(2026, 11, 15)
    for issued, term_days, due in (
        (date(2026, 11, 1), None, begins),
        (date(2026, 11, 10), None, date(2026, 11, 24)),
        (date(2026, 11, 1), 7, date(2026, 11, 8)),
        (date(2026, 11, 1), 0, date(2026, 11, 1)),
    ):
        assert due_date(begins=begins, issued=issued, lead_days=14, term_days=term_days) == due


def test_an_own_price_holds_whatever_the_plan_costs_now(hosting: Hosting) -> None:
    hosting.subscribe("basic", price="25.00")
    hosting.subscribe("basic")
    plan = {"name": {"en": "Basic hosting", "nl": "Basic hosting"}, "price": "33.00"}
    assert hosting.api.put("/v1/plans/basic", json=plan).status_code == 200
    hosting.on(date(2026, 11, 1))
    (november,) = hosting.invoices[2:]
    assert sorted(line.net_cents for line in november.lines) == [2500, 3300]


def test_subscriptions_that_begin_on_the_same_day_share_an_invoice(hosting: Hosting) -> None:
    hosting.subscribe("basic", start="2026-12-01")
    hosting.subscribe("domain", start="2026-12-01")
    assert hosting.invoices == []
    hosting.on(date(2026, 11, 17))
    (invoice,) = hosting.invoices
    assert sorted(days(invoice), key=str) == [
        (date(2026, 12, 1), date(2026, 12, 31), 3000),
        (date(2026, 12, 1), date(2027, 11, 30), 1200),
    ]
    assert invoice.due_date == date(2026, 12, 1)


def test_together_with_usage_each_period_stands_on_the_usage_invoice_before_it(
    hosting: Hosting, shop: Shop
) -> None:
    hosting.terms(documents="together")
    shop.top_up("acme", 100)
    subscription = hosting.subscribe("basic")
    shop.use_42_40("acme")
    hosting.on(date(2026, 10, 31))
    assert hosting.invoices == []
    draft = service.upcoming(get_customer(shop.customers["acme"]))
    assert draft is not None
    assert draft.total_cents == 4240 + 2 * 3630
    shop.clock.travel_to(datetime(2026, 11, 1, 5, tzinfo=UTC))
    hosting.bill()
    shop.close()
    (invoice,) = hosting.invoices
    assert days(invoice)[-2:] == [
        (OCTOBER, date(2026, 11, 14), 3000),
        (NOVEMBER, date(2026, 12, 14), 3000),
    ]
    assert (invoice.total_cents, invoice.due_cents) == (draft.total_cents, draft.due_cents)
    assert invoice.balance["charges"] == -72_600_000
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert hosting.read(subscription)["billed_through"] == "2026-12-15"
    shop.close()
    shop.clock.travel_to(datetime(2026, 12, 1, 5, tzinfo=UTC))
    shop.close("2026-11")
    (_, december) = hosting.invoices
    assert days(december) == [(DECEMBER, date(2027, 1, 14), 3000)]


def test_a_price_that_changes_while_a_close_runs_is_read_again(hosting: Hosting, shop: Shop) -> None:
    hosting.terms(documents="together")
    hosting.subscribe("basic")
    source = Waiting()
    acme = shop.customers["acme"]
    (first, *_) = source.pending(acme, date(2026, 11, 1))
    plan = {"name": {"en": "Basic hosting", "nl": "Basic hosting"}, "price": "33.00"}
    assert hosting.api.put("/v1/plans/basic", json=plan).status_code == 200
    db.session.rollback()

    with pytest.raises(Exception, match="subscription_changed"):
        in_unit_of_work(close_bills, first, acme)
    (again, *_) = source.pending(acme, date(2026, 11, 1))
    in_unit_of_work(close_bills, again, acme)
    with pytest.raises(Exception, match="subscription_changed"):
        in_unit_of_work(close_bills, again, acme)


def close_bills(charge: service.PendingCharge, customer_id: int) -> None:
    assert charge.treatment is not None
    ledger.lock_balance(customer_id)
    Waiting().bill(customer_id, date(2026, 10, 1), {charge.reference: charge.treatment})


def test_a_period_is_kept_as_its_line_is_taxed_though_the_customer_moves_while_a_close_runs(
    hosting: Hosting, shop: Shop
) -> None:
    hosting.terms(documents="together")
    hosting.subscribe("basic")
    acme = shop.customers["acme"]
    (read, *_) = Waiting().pending(acme, date(2026, 11, 1))
    assert hosting.api.patch("/v1/customers/acme", json={"country": "US"}).status_code == 200
    db.session.rollback()
    (moved, *_) = Waiting().pending(acme, date(2026, 11, 1))
    assert moved.treatment != read.treatment
    in_unit_of_work(close_bills, read, acme)
    (row,) = db.session.scalars(select(SubscriptionSpan))
    assert Treatment(str(row.tax_category), row.tax_percent or Decimal(0)) == read.treatment


def test_what_costs_nothing_stands_on_no_invoice(hosting: Hosting) -> None:
    subscription = hosting.subscribe("free")
    assert hosting.invoices == []
    assert hosting.read(subscription)["billed_through"] == "2026-11-15"


def test_the_files_of_such_documents_keep_the_rules_and_name_each_lines_days(
    hosting: Hosting, shop: Shop
) -> None:
    domain = hosting.subscribe("domain", quantity=2)
    hosting.terms(documents="together")
    hosting.subscribe("basic")
    shop.use_42_40("acme")
    shop.clock.travel_to(datetime(2026, 11, 1, 5, tzinfo=UTC))
    shop.close()
    hosting.cancel(domain, "now")
    shop.run_jobs()
    for document in shop.invoices("acme"):
        assert service.stored_kinds(document) == ["pdf", "xml"], document.number
    separate, together = hosting.invoices
    xml = service.document(together, "xml").content.decode()
    periods = re.findall(r"<cbc:StartDate>(.*?)</cbc:StartDate>\s*<cbc:EndDate>(.*?)</cbc:EndDate>", xml)
    assert periods == [
        ("2026-10-01", "2026-12-14"),
        ("2026-10-15", "2026-11-14"),
        ("2026-11-15", "2026-12-14"),
    ]
    page = hosting.api.get(f"/v1/invoices/{separate.number}").get_json()
    assert page["lines"][0]["period"] == {"start": "2026-10-15", "end": "2027-10-15"}
    assert (page["period"]["start"], page["period"]["end"]) == ("2026-10-15", "2027-10-15")
    with in_locale("nl"):
        (group,) = pages.groups_of(separate)
    assert group.name == "Domain name, 15 oktober 2026 – 14 oktober 2027"
    assert group.explanation == "2 à €\xa012,00"


def test_who_has_left_is_charged_nothing_any_more(hosting: Hosting, shop: Shop) -> None:
    hosting.subscribe("basic")

    def leave() -> None:
        get_customer(shop.customers["acme"]).status = "closed"

    in_unit_of_work(leave)
    hosting.on(date(2026, 11, 1))
    assert len(hosting.invoices) == 1
    hosting.terms(documents="together")
    source = Waiting()
    assert source.waiting(date(2026, 12, 1)) == set()
    assert source.pending(shop.customers["acme"], date(2026, 12, 1)) == []


def test_by_the_payment_term_where_the_provider_wants_it_so(hosting: Hosting, shop: Shop) -> None:
    shop.app.extensions["settings"] = replace(settings(), subscription_due_at_start=False)
    assert hosting.api.patch("/v1/customers/acme", json={"payment_term_days": 30}).status_code == 200
    hosting.subscribe("basic")
    hosting.on(date(2026, 11, 1))
    assert [(one.due_date - one.issue_date).days for one in hosting.invoices] == [30, 30]


def test_the_same_request_subscribes_once(hosting: Hosting) -> None:
    first = hosting.post("subscriptions", {"plan": "basic"}, key="once")
    assert hosting.post("subscriptions", {"plan": "basic"}, key="once") == first
    assert len(hosting.invoices) == 1
    listed = hosting.api.get("/v1/customers/acme/subscriptions").get_json()["data"]
    assert [one["id"] for one in listed] == [first[1]["id"]]


def test_what_is_no_subscription_is_refused_by_name(hosting: Hosting) -> None:
    for wrong, status, field in (
        ({"plan": "huge"}, 404, "plan"),
        ({}, 422, "plan"),
        ({"plan": "basic", "quantity": 0}, 422, "quantity"),
        ({"plan": "basic", "quantity": "2"}, 422, "quantity"),
        ({"plan": "basic", "start": "2020-01-01"}, 422, "start"),
        ({"plan": "basic", "start": "soon"}, 422, "start"),
        ({"plan": "basic", "price": "cheap"}, 422, "price"),
        ({"plan": "basic", "price": "-1.00"}, 422, "price"),
        ({"plan": "basic", "price": "999999999", "quantity": 100_000}, 422, "quantity"),
    ):
        answer = hosting.post("subscriptions", wrong)
        assert (answer[0], answer[1]["field"]) == (status, field), wrong
    withdrawn = {"name": {"en": "Free", "nl": "Gratis"}, "price": "0.00", "offered": False}
    assert hosting.api.put("/v1/plans/free", json=withdrawn).status_code == 200
    assert hosting.post("subscriptions", {"plan": "free"})[1]["code"] == "plan_not_offered"
    assert hosting.invoices == []
    assert hosting.api.get("/v1/customers/acme/subscriptions/su_1_x").status_code == 404


def test_plans_are_put_and_listed_and_keep_what_was_agreed(hosting: Hosting) -> None:
    listed = hosting.api.get("/v1/plans").get_json()["data"]
    assert [plan["code"] for plan in listed] == ["free", "basic", "large", "domain"]
    usual = {"name": {"en": "Basic", "nl": "Basis"}, "price": "30.00"}
    for wrong, field in (
        ({"interval": "year"}, "interval"),
        ({"tax_category": "reduced"}, "tax_category"),
        ({"interval": "week"}, "interval"),
        ({"price": "1.2345678"}, "price"),
        ({"price": 30}, "price"),
        ({"name": {"en": "Basic"}}, "name"),
        ({"name": {"en": "Basic", "nl": " "}}, "name"),
        ({"offered": 1}, "offered"),
        ({"colour": "blue"}, "colour"),
    ):
        answer = hosting.api.put("/v1/plans/basic", json=usual | wrong)
        assert (answer.status_code, answer.get_json()["field"]) == (422, field), wrong
    assert hosting.api.put("/v1/plans/no code", json=usual).get_json()["field"] == "code"
    assert settings().subscription_lead_days == 14

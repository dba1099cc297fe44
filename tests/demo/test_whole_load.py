"""The demo, whole: loaded through the real parts, then fed live until a balance crosses its threshold."""

import http.client
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app.clock import utc_now
from app.config import Settings
from app.customers.sign_in import authenticate
from app.db import unit_of_work
from app.demo.cast import CUSTOMERS, OPERATOR
from app.demo.client import Client, api_client
from app.demo.feed import Feeder
from app.demo.load import FED, NOTE, load
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp, verify_ledger

# What five requests a second can do in the first minute.
FIRST_MINUTE_ROWS = 300


def euro(money: Any) -> Decimal:
    return Decimal(money["value"])


def no_pause(_seconds: float) -> None:
    """Tests feed as fast as they can."""


def test_the_story_is_told_and_goes_on_live(
    request: pytest.FixtureRequest,
    app: Flask,
    demo_settings: Settings,
    smtp: Mailbox,
    run_jobs: Callable[..., int],
) -> None:
    sandbox: Sandbox = request.getfixturevalue("sandbox")
    accounts = load(app, demo_settings)
    assert not (demo_settings.home / NOTE).exists()
    assert abs((utc_now() - time_at_mollie(sandbox)).total_seconds()) < 5
    live: LiveApp = request.getfixturevalue("live_app")
    api = api_client(live.url, accounts["api_key"])

    the_accounts_are_what_demo_json_promises(accounts)
    for customer in CUSTOMERS:
        the_invoices_are_open_in_progress_and_overdue(api, customer.reference)
        last_month_was_topped_up_until_its_maximum(api, customer.reference)
        the_balance_waits_just_above_the_threshold(api, customer.reference)
        a_subscription_begins_the_month_after_next(api, customer.reference)
    the_invoice_of_the_replay_is_a_pdf(api)
    mails_are_in_the_customers_language(smtp)
    verify_ledger()

    smtp.messages.clear()
    feeder = Feeder(api, demo_settings.home / FED)
    assert feeder.run(most=FIRST_MINUTE_ROWS, pause=no_pause) == FIRST_MINUTE_ROWS
    run_jobs()
    the_card_is_charged_and_the_debit_credited_provisionally(api)
    assert subjects(smtp, "maya@okafor.example") == ["Topped up automatically: €25.00"]
    (announced,) = subjects(smtp, "boekhouding@grachtwerk.example")
    assert announced.startswith("Rond ")
    assert announced.endswith(" schrijven we € 25,00 af")


def time_at_mollie(sandbox: Sandbox) -> datetime:
    return datetime.fromisoformat(sandbox.control("clock", method="GET")["now"])


def the_accounts_are_what_demo_json_promises(accounts: dict[str, Any]) -> None:
    assert set(accounts) == {"api_key", "customers", "operator"}
    assert [set(customer) for customer in accounts["customers"]] == [{"reference", "email", "password"}] * 2
    assert [customer["reference"] for customer in accounts["customers"]] == ["grachtwerk", "maya-okafor"]
    for person in (*accounts["customers"], accounts["operator"]):
        with unit_of_work():
            user = authenticate(person["email"], person["password"])
            assert user is not None
            assert user.is_operator == (user.email == OPERATOR.email)


def the_invoices_are_open_in_progress_and_overdue(api: Client, reference: str) -> None:
    newest, older, oldest = api.get(f"/v1/customers/{reference}/invoices")["data"]
    assert [newest["status"], older["status"], oldest["status"]] == ["open", "in_progress", "overdue"]
    assert euro(newest["total"]) == Decimal("53.07")
    assert sorted(euro(line["amount"]) for line in newest["lines"]) == [
        Decimal("2.95"),
        Decimal("8.82"),
        Decimal("12.09"),
        Decimal("20.00"),
    ]
    assert [(euro(tax["taxable"]), euro(tax["amount"])) for tax in newest["taxes"]] == [
        (Decimal("43.86"), Decimal("9.21"))
    ]
    for invoice in (newest, older, oldest):
        assert euro(invoice["outstanding"]) >= 1


def last_month_was_topped_up_until_its_maximum(api: Client, reference: str) -> None:
    top_ups = api.get(f"/v1/customers/{reference}/top-ups")["data"]
    invoices = api.get(f"/v1/customers/{reference}/invoices")["data"]
    begin, end = (invoices[0]["period"][edge] for edge in ("start", "end"))
    assert [
        (top_up["origin"], top_up["amount"]["value"], top_up["status"])
        for top_up in reversed(top_ups)
        if begin <= top_up["created_at"] < end and top_up["purpose"] == "balance"
    ] == [("manual", "25.00", "paid"), ("automatic", "25.00", "paid")]
    # So the usage of the month was not fully prepaid.
    assert euro(invoices[0]["prepaid"]) == 50
    under_way = [top_up for top_up in top_ups if top_up["status"] == "pending"]
    assert [top_up["invoice"] for top_up in under_way] == [invoices[1]["number"]]


def the_balance_waits_just_above_the_threshold(api: Client, reference: str) -> None:
    balance = api.get(f"/v1/customers/{reference}/balance")
    rule = api.get(f"/v1/customers/{reference}/auto-top-up")
    above = euro(balance["available"]) - euro(rule["threshold"])
    assert Decimal("0.20") < above < Decimal("1.50")
    limits = [rule[name]["value"] for name in ("threshold", "amount", "monthly_maximum")]
    assert limits == ["10.00", "25.00", "250.00"]
    assert rule["state"] == "on"


def a_subscription_begins_the_month_after_next(api: Client, reference: str) -> None:
    (subscription,) = api.get(f"/v1/customers/{reference}/subscriptions")["data"]
    assert subscription["billed_through"] == subscription["start"]
    assert 27 < (date.fromisoformat(subscription["start"]) - utc_now().date()).days < 63


def the_invoice_of_the_replay_is_a_pdf(api: Client) -> None:
    number = api.get("/v1/customers/grachtwerk/invoices")["data"][0]["number"]
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=10)
    connection.request("GET", f"/v1/invoices/{number}.pdf", headers=dict(api.headers))
    assert connection.getresponse().read().startswith(b"%PDF")
    connection.close()


def mails_are_in_the_customers_language(smtp: Mailbox) -> None:
    dutch = subjects(smtp, "boekhouding@grachtwerk.example")
    english = subjects(smtp, "maya@okafor.example")
    assert sum(subject.startswith("Je factuur F20") for subject in dutch) == 3
    assert sum(subject.endswith(" is ready") for subject in english) == 3
    assert "We hebben je betaling van € 25,00 ontvangen" in dutch
    assert "Payment of €25.00 received" in english
    assert {str(mail["Content-Language"]) for mail in smtp.to("maya@okafor.example")} == {"en"}
    assert {str(mail["Content-Language"]) for mail in smtp.to("boekhouding@grachtwerk.example")} == {"nl"}


def the_card_is_charged_and_the_debit_credited_provisionally(api: Client) -> None:
    expected = {"grachtwerk": ("pending", "directdebit"), "maya-okafor": ("paid", "creditcard")}
    for reference, (status, method) in expected.items():
        newest = api.get(f"/v1/customers/{reference}/top-ups")["data"][0]
        assert (newest["origin"], newest["status"], newest["method"]) == ("automatic", status, method)
        assert euro(api.get(f"/v1/customers/{reference}/balance")["available"]) > 30
    kinds = [row["kind"] for row in api.get("/v1/customers/grachtwerk/transactions")["data"]]
    assert "provisional" in kinds


def subjects(smtp: Mailbox, address: str) -> list[str]:
    """With plain spaces, so that a test reads as a mail does."""
    return [str(mail["Subject"]).replace("\N{NO-BREAK SPACE}", " ") for mail in smtp.to(address)]

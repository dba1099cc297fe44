"""What invoices tell the provider's programs: issued, overdue, paid, each once, in the API's own shape."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import current_app
from flask.testing import FlaskClient

from app.config import Settings
from app.db import db, in_unit_of_work
from app.webhooks import service as webhooks
from invoicing import jobs
from tests.fixtures.outside import Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.receiver import Receiver
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from topups import service as topups


@pytest.fixture
def told(shop: Shop, receiver: Receiver) -> Receiver:
    """Programs are told of the close of October, for which acme owes €42.40."""
    configured: Settings = current_app.extensions["settings"]
    current_app.extensions["settings"] = replace(configured, demo=True)
    shop.customer("acme", locale="en")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    in_unit_of_work(webhooks.register, receiver.url, ["invoice.issued", "invoice.overdue", "invoice.paid"])
    shop.close()
    shop.run_jobs()
    return receiver


def events(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    return [(one["type"], one["data"]) for one in (json.loads(r.body) for r in receiver.requests)]


def test_an_issued_invoice_is_told_as_the_api_shows_it(shop: Shop, told: Receiver, api: FlaskClient) -> None:
    ((event, data),) = events(told)
    shown = api.get(f"/v1/invoices/{shop.invoice('acme').number}").json

    assert event == "invoice.issued"
    assert data == shown


def test_an_invoice_is_told_overdue_once_and_paid_when_it_is(
    shop: Shop, told: Receiver, live_app: LiveApp, sandbox: Sandbox
) -> None:
    number = shop.invoice("acme").number
    jobs.tell_overdue()
    shop.run_jobs()
    shop.clock.travel_to(AFTER_OCTOBER + timedelta(days=16))
    for _ in range(2):
        jobs.tell_overdue()
        shop.run_jobs()
    payment = topups.request_top_up(
        shop.account("acme"), 42_400_000, request_key="one", method="ideal", purpose="invoice",
        invoice_number=number,
    )  # fmt: skip
    db.session.rollback()
    sandbox.control(f"payments/{payment.mollie_payment_id}/state", {"status": "paid"})
    shop.run_jobs()

    assert [event for event, _ in events(told)] == ["invoice.issued", "invoice.overdue", "invoice.paid"]
    assert events(told)[1][1]["status"] == "overdue"
    paid = events(told)[2][1]
    assert (paid["status"], paid["outstanding"]["value"]) == ("paid", "0.00")

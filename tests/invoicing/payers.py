"""Customers who owe, and how they pay in the stories about paying and chasing."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.customers.sign_in import add_member, create_user
from app.db import db, unit_of_work
from invoicing.models import Invoice
from tests.fixtures.outside import Sandbox
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.topups.conftest import Story
from topups import service as topups

PASSWORD = "correct horse battery staple"
AFTER_NOVEMBER = datetime(2026, 12, 1, 5, tzinfo=UTC)


@dataclass
class Payer:
    """A customer who owes €42.40 for October, and perhaps as much for November."""

    shop: Shop
    sandbox: Sandbox
    reference: str
    client: FlaskClient | None = None

    @property
    def customer_id(self) -> int:
        return self.shop.customers[self.reference]

    @property
    def story(self) -> Story:
        return Story(self.customer_id, self.sandbox, self.shop.run_jobs)

    @property
    def invoices(self) -> list[Invoice]:
        return self.shop.invoices(self.reference)

    @property
    def outstanding(self) -> list[int]:
        """Cents per invoice, the oldest first."""
        return [invoice.outstanding_micros // 10_000 for invoice in self.invoices]

    @property
    def numbers(self) -> list[str]:
        return [invoice.number for invoice in self.invoices]

    @property
    def payments(self) -> list[topups.TopUp]:
        db.session.rollback()
        db.session.expire_all()
        found = topups.top_ups(self.customer_id)
        return [payment for payment in found if payment.purpose == "invoice"]

    def uses_november_too(self) -> None:
        self.shop.clock.travel_to(AFTER_OCTOBER.replace(day=20))
        self.shop.use_42_40(self.reference, at=AFTER_OCTOBER.replace(day=19))
        self.shop.clock.travel_to(AFTER_NOVEMBER)
        self.shop.close("2026-11")

    def signs_in(self, role: str = "owner", locale: str = "en") -> FlaskClient:
        address = f"anna@{self.reference}.example"
        with unit_of_work():
            user = create_user(address, "Anna", locale=locale, password=PASSWORD)
            add_member(self.customer_id, user, role)
        client = self.shop.app.test_client()
        page = client.get("/sign-in").text
        form = {"csrf_token": hidden(page, "csrf_token"), "email": address, "password": PASSWORD, "next": ""}
        client.post("/sign-in", data=form)
        self.client = client
        return client

    def get(self, path: str) -> str:
        assert self.client is not None
        return self.client.get(path).text.replace("\xa0", " ")

    def sends(self, page: str, **changes: Any) -> TestResponse:
        """The form of a page that pays, as it stands but for these changes."""
        assert self.client is not None
        form: dict[str, Any] = {name: hidden(page, name) for name in ("csrf_token", "token", "amount")} | {
            "invoice": re.findall(r'name="invoice" value="([^"]+)"', page),
            "method": "ideal",
        }
        return self.client.post("/invoices/pay", data=form | changes)

    def at_the_bank(self, payment: topups.TopUp, status: str, **facts: Any) -> None:
        self.sandbox.control(f"payments/{payment.mollie_payment_id}/state", {"status": status, **facts})
        self.shop.run_jobs()


def payer(shop: Shop, sandbox: Sandbox, reference: str = "acme", **facts: Any) -> Payer:
    """October is closed: this customer owes €42.40 for it."""
    shop.customer(reference, **({"locale": "en"} | facts))
    shop.use_42_40(reference)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    return Payer(shop, sandbox, reference)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found, f"the page has no {name}"
    return found[1]

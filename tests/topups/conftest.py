"""One customer and a Mollie that is real to the product: what the top-up stories are told with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import settings as hypothesis_settings
from sqlalchemy import select

from app import clock as app_clock
from app.clock import utc_now
from app.customers.models import Customer
from app.customers.service import get_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.jobs import redis_connection
from app.ledger import service as ledger
from app.ledger.accounts import open_account
from app.ledger.models import Transfer
from app.ledger.service import lock_balance, post
from app.ledger.sides import Posting, Side
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from topups import methods, receipts, service
from topups.models import AutoTopUp, PaymentMethod, TopUp, TopUpDecision

# Chosen with `--hypothesis-profile=long`: the randomised run then goes on for minutes, with new seeds.
hypothesis_settings.register_profile("long")

EURO = 1_000_000
NOBODY = service.GivenBy(ip_address="192.0.2.7", user_id=None)


@dataclass
class Story:
    """A customer, and what happens to it."""

    customer_id: int
    sandbox: Sandbox
    run_jobs: Callable[..., int]
    used: int = 0

    @property
    def customer(self) -> Customer:
        return get_customer(self.customer_id)

    @property
    def prepaid(self) -> int:
        db.session.rollback()
        return ledger.get_balance(self.customer_id).prepaid_micros

    def transfers(self, kind: str | None = None) -> list[Transfer]:
        db.session.rollback()
        query = select(Transfer).where(Transfer.customer_id == self.customer_id).order_by(Transfer.number)
        return [t for t in db.session.scalars(query) if kind is None or t.kind == kind]

    def top_ups(self) -> list[TopUp]:
        """The oldest first."""
        db.session.rollback()
        return service.top_ups(self.customer_id)[::-1]

    def top_up(self, top_up_id: str) -> TopUp:
        db.session.rollback()
        db.session.expire_all()
        return service.find_top_up(top_up_id)

    def request(self, euros: int = 25, *, key: str = "first", **wish: Any) -> TopUp:
        wish = {"method": "ideal"} | wish
        made = service.request_top_up(self.customer, euros * EURO, request_key=key, **wish)
        db.session.rollback()
        return self.top_up(made.top_up_id)

    def settle(self, top_up: TopUp, status: str = "paid", **facts: Any) -> None:
        """What the payer or the bank does at Mollie; its webhook is delivered at once."""
        self.sandbox.control(f"payments/{top_up.mollie_payment_id}/state", {"status": status, **facts})

    def pay(self, euros: int = 25, *, key: str = "first", **wish: Any) -> TopUp:
        """A payment by hand from the first click to the credit."""
        top_up = self.request(euros, key=key, **wish)
        self.settle(top_up)
        self.run_jobs()
        return self.top_up(top_up.top_up_id)

    def save_method(self, method: str = "ideal", *, key: str = "save") -> PaymentMethod:
        """A first payment that leaves a mandate."""
        before = {m.payment_method_id for m in service.payment_methods(self.customer_id)}
        self.pay(10, key=key, method=method, save_method=True, consent_by=NOBODY)
        db.session.rollback()
        (new,) = [m for m in service.payment_methods(self.customer_id) if m.payment_method_id not in before]
        return new

    def turn_on(self, **rule: Any) -> AutoTopUp:
        facts = {
            "enabled": True,
            "threshold_micros": 10 * EURO,
            "amount_micros": 25 * EURO,
            "target_micros": None,
            "monthly_maximum_micros": 250 * EURO,
            "consent_by": NOBODY,
        } | rule
        in_unit_of_work(service.save_rule, self.customer_id, service.RuleWish(**facts))
        return self.rule()

    def rule(self) -> AutoTopUp:
        db.session.rollback()
        db.session.expire_all()
        rule = service.find_rule(self.customer_id)
        assert rule is not None
        return rule

    def use(self, euros: float) -> None:
        """Usage debits the balance; that it crossed a mark is noted for the sweep, no job is sent."""
        self.used += 1
        with unit_of_work():
            lock_balance(self.customer_id)
            post(
                Posting(
                    customer_id=self.customer_id,
                    kind="usage",
                    debit=Side.PREPAID,
                    credit=Side.UNBILLED_USAGE,
                    amount_micros=round(euros * EURO),
                    reference=f"test-usage-{self.used}",
                )
            )

    def evaluate(self) -> str:
        """Decide now; answers the reason."""

        def decide() -> str:
            decision = service.evaluate(self.customer_id)
            assert decision is not None
            return decision.reason.value

        return in_unit_of_work(decide)

    def decisions(self) -> list[TopUpDecision]:
        db.session.rollback()
        query = select(TopUpDecision).where(TopUpDecision.customer_id == self.customer_id)
        return list(db.session.scalars(query.order_by(TopUpDecision.number)))

    def charges(self) -> list[dict[str, Any]]:
        """The requests for recurring payments that reached Mollie."""
        requests = self.sandbox.control("requests?method=POST&path=/v2/payments", method="GET")
        return [r for r in requests if r["body"] and r["body"].get("sequenceType") == "recurring"]

    def pass_time(self, **span: float) -> None:
        """Both clocks go on; Mollie does what falls due."""
        step = timedelta(**span)
        app_clock.travel_to(utc_now() + step)
        self.sandbox.control("clock/advance", {"seconds": step.total_seconds()})

    def lose_jobs(self) -> None:
        """Redis starts anew: whatever was queued is gone."""
        redis_connection().flushall()

    def sweep(self) -> None:
        """The schedule's minute, and what it found."""
        from topups import jobs

        jobs.sweep()
        self.run_jobs()


@pytest.fixture
def blank_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts are numbered, kept and mailed, but not printed: printing is slow and has tests of its own."""
    monkeypatch.setattr(receipts, "render_pdf", lambda html: b"%PDF " + html.encode())


@pytest.fixture
def story(
    app: Flask,
    live_app: LiveApp,
    sandbox: Sandbox,
    smtp: Mailbox,
    run_jobs: Callable[..., int],
    blank_paper: None,
) -> Story:
    """A business without money, mandate or rule."""

    methods.forget()
    with unit_of_work():
        customer = open_account(
            {
                "reference": "acme",
                "name": "Acme B.V.",
                "email": "boekhouding@acme.example",
                "kind": "business",
                "country": "NL",
                "locale": "nl",
            }
        )
        customer_id = customer.customer_id
    return Story(customer_id, sandbox, run_jobs)

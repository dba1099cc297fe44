"""Events, voids, holds, captures and grants in any order: the account is what a plain model says it is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from app.customers.service import find_customer
from app.db import db, unit_of_work
from app.ledger.jobs import expire_holds
from app.ledger.service import get_balance, lock_balance, post
from app.ledger.sides import Posting, Side
from app.ledger.verify import verify_all
from metering.jobs import accrue_levels
from metering.prices import Definition, decode_definition
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, body
from tests.metering.model import Account, HoldModel, Told

START: Final = datetime(2026, 11, 10, 12, tzinfo=UTC)
TIERS: Final = [
    {"up_to": "20", "unit_amount": "0.30", "flat_amount": "0.5"},
    {"up_to": None, "unit_amount": "0.07"},
]
METERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "calls": ("sum", {"model": "graduated", "tiers": TIERS}),
    "bytes": ("sum", {"model": "volume", "tiers": TIERS}),
    "payments": ("sum", {"model": "percentage", "rate": "1.9", "fixed_amount": "0.000000123"}),
    "peak": ("max", {"model": "per_unit", "unit_amount": "0.11"}),
    "users": ("unique", {"model": "per_unit", "unit_amount": "0.9"}),
    "seats": ("latest", {"model": "package", "package_size": "5", "package_amount": "1.25"}),
    "disk": ("weighted_sum", {"model": "per_unit", "unit_amount": "0.0123"}),
}
VALUES = st.decimals(0, 40, places=2)
TEXTS = st.sampled_from(["ann", "bob", "cat"])
AGES = st.integers(0, 600)
numbers = count()


@st.composite
def drafts(draw: st.DrawFn) -> tuple[str, Any, int]:
    """A meter, a value for it, and how many minutes ago."""
    meter = draw(st.sampled_from(sorted(METERS)))
    return meter, draw(TEXTS if METERS[meter][0] == "unique" else VALUES), draw(AGES)


@pytest.fixture
def metered(bare_provider: Provider) -> Provider:
    for code, (aggregation, price) in METERS.items():
        shape = {"event_type": code, "value_property": "value", "dimensions": [], "aggregation": aggregation}
        assert bare_provider.meter(code, **shape).status_code == 201
        assert bare_provider.price(code, **({"currency": "EUR"} | price)).status_code == 201
    return bare_provider


class AnAccount(RuleBasedStateMachine):
    """One customer of its own in each run; the provider and the clock are given by the test."""

    provider: Provider
    clock: Clock
    definitions: dict[str, tuple[str, Definition]]

    @initialize()
    def open(self) -> None:
        self.now = START
        self.clock.freeze(self.now)
        self.reference = f"machine-{next(numbers)}"
        self.provider.customer(self.reference)
        self.customer_id = find_customer(self.reference).customer_id
        self.account = Account(self.definitions)

    def _told(self, draft: tuple[str, Any, int]) -> Told:
        meter, value, age = draft
        at = self.now - timedelta(minutes=age)
        shown = value if isinstance(value, str) else str(value)
        document = self.provider.event(
            id=f"e{next(numbers):09}", type=meter, subject=self.reference, time=at.isoformat(),
            data={"value": shown},
        )  # fmt: skip
        return Told(meter, at, document["id"], value, document)

    @rule(found=st.lists(drafts(), min_size=1, max_size=4), twice=st.booleans())
    def send(self, found: list[tuple[str, Any, int]], *, twice: bool) -> None:
        told = [self._told(draft) for draft in found]
        documents = [one.document for one in told]
        answer = self.provider.send(*documents, *(documents[:1] if twice else []))
        assert (answer["accepted"], answer["duplicates"]) == (len(told), int(twice))
        for one in told:
            self.account.tell(one)
        self.account.settle()

    @precondition(lambda self: self.account.events)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.account.events))
        assert self.provider.send(one.document)["duplicates"] == 1

    @precondition(lambda self: self.account.events)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.account.events))
        assert self.provider.void(one.document).status_code == 200
        one.is_voided = True
        self.account.settle()

    @rule(cents=st.integers(1, 2000))
    def grant(self, cents: int) -> None:
        self.provider.grant(f"{Decimal(cents) / 100:.2f}", self.reference)
        self.account.purse.give(cents * 10_000)

    @rule(cents=st.integers(1, 5000))
    def top_up(self, cents: int) -> None:
        with unit_of_work():
            lock_balance(self.customer_id)
            post(
                Posting(
                    customer_id=self.customer_id, kind="top_up", debit=Side.PSP, credit=Side.PREPAID,
                    amount_micros=cents * 10_000, reference=f"topup-{next(numbers)}-paid",
                )
            )  # fmt: skip
        self.account.purse.prepaid += cents * 10_000

    @rule(cents=st.integers(0, 1000))
    def allow_overdraft(self, cents: int) -> None:
        amount = {"value": f"{Decimal(cents) / 100:.2f}", "currency": "EUR"}
        answer = self.provider.api.put(f"/v1/customers/{self.reference}/overdraft", json={"amount": amount})
        assert answer.status_code == 200
        self.account.overdraft = cents * 10_000

    @rule(cents=st.integers(1, 1500), minutes=st.integers(1, 200))
    def hold(self, cents: int, minutes: int) -> None:
        self.account.expire(self.now)
        answer = self.provider.api.post(
            f"/v1/customers/{self.reference}/holds",
            json={
                "amount": {"value": f"{Decimal(cents) / 100:.2f}", "currency": "EUR"},
                "expires_in": minutes * 60,
            },
            headers={"Idempotency-Key": f"hold-{next(numbers)}"},
        )
        if self.account.spendable < cents * 10_000:
            assert answer.status_code == 402
            # A refusal leaves all as it was, what had expired included.
            expire_holds()
            return
        assert answer.status_code == 201, answer.text
        expires_at = self.now + timedelta(minutes=minutes)
        self.account.holds.append(HoldModel(body(answer)["id"], cents * 10_000, expires_at))

    @precondition(lambda self: self.account.holds)
    @rule(data=st.data(), found=st.lists(drafts(), min_size=1, max_size=2))
    def capture(self, data: st.DataObject, found: list[tuple[str, Any, int]]) -> None:
        hold = data.draw(st.sampled_from(self.account.holds))
        told = [self._told(draft) for draft in found]
        path = f"/v1/holds/{hold.public_id}/capture"
        answer = self.provider.api.post(path, json=[one.document for one in told])
        assert answer.status_code == 200, answer.text
        hold.is_open = False
        self.account.holds.remove(hold)
        for one in told:
            self.account.tell(one)
        self.account.settle()
        again = self.provider.api.post(path, json=[one.document for one in told])
        assert body(again)["duplicates"] == len(told)

    @precondition(lambda self: self.account.holds)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(self.account.holds))
        assert self.provider.api.post(f"/v1/holds/{hold.public_id}/release").status_code == 200
        hold.is_open = False
        self.account.holds.remove(hold)

    @rule(minutes=st.integers(1, 300))
    def pass_time(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.clock.freeze(self.now)
        accrue_levels()
        expire_holds()
        self.account.tick(self.now)
        self.account.expire(self.now)

    @invariant()
    def the_balance_is_what_the_model_says(self) -> None:
        db.session.rollback()
        balance = get_balance(self.customer_id)
        found = (balance.prepaid_micros, balance.promo_micros, balance.held_micros)
        assert found == (self.account.purse.prepaid, self.account.promo, self.account.held)

    def teardown(self) -> None:
        """Once all is voided and released, everything is back."""
        for one in self.account.events:
            self.provider.void(one.document)
        db.session.rollback()
        balance = get_balance(self.customer_id)
        purse = self.account.purse
        given = purse.prepaid + purse.prepaid_taken + sum(purse.grants) + sum(purse.drawn)
        assert balance.prepaid_micros + balance.promo_micros == given
        assert verify_all().differences == ()


def test_whatever_happens_in_whatever_order_the_account_is_what_a_plain_model_says(
    metered: Provider, clock: Clock
) -> None:
    class Machine(AnAccount):
        provider = metered

    Machine.clock = clock
    Machine.definitions = {code: (how, decode_definition(price)) for code, (how, price) in METERS.items()}
    run_machine(
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

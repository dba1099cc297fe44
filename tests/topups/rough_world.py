"""A rough world: Mollie's faults on, workers killed between any two steps, jobs lost, several at once.

What happens is decided outside; here stands how each thing happens, and what must be true in the end.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest
import requests
from flask import Flask
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy import event, select

from app import clock as app_clock
from app.clock import utc_now
from app.customers.service import get_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.errors import AppError
from app.i18n import local_date
from app.jobs import QUEUES
from app.ledger.accounts import open_account
from app.ledger.models import Transfer
from app.ledger.service import get_balance, lock_balance, post
from app.ledger.sides import Posting, Side
from tests.fixtures.outside import Sandbox
from tests.topups.at_once import at_once
from tests.topups.conftest import EURO, NOBODY
from topups import gateway, jobs, methods, payments, reconciliation, service, situation
from topups.models import PspCustomer, TopUp
from topups.states import LOST

MONTHLY_MAXIMUM: Final = 150 * EURO
ENDS: Final = ("paid",) * 6 + ("failed", "canceled", "expired", "pending")
_FAULTS: Final[tuple[tuple[Any, float], ...]] = (
    ({"type": "latency", "seconds": 0.01}, 0.03),
    ({"type": "status", "status": 429}, 0.02),
    ({"type": "status", "status": 500}, 0.02),
    ({"type": "status", "status": 502, "html": True}, 0.02),
    ({"type": "status", "status": 503}, 0.02),
    ("conflict", 0.02),
    ("drop", 0.03),
    ({"type": "timeout_after", "seconds": 0.4}, 0.02),
    ("reset_after", 0.05),
    ({"type": "error_after", "status": 422}, 0.03),
    ({"type": "error_after", "status": 500}, 0.03),
    ("truncate", 0.03),
    ("stale", 0.03),
    ("webhook_before_answer", 0.05),
    ("webhook_drop", 0.15),
    ({"type": "webhook_duplicate", "seconds": 30}, 0.1),
    ("webhook_concurrent", 0.1),
    ({"type": "webhook_delay", "seconds": 7200}, 0.1),
    ({"type": "webhook_reorder", "seconds": 600}, 0.1),
    ("webhook_unknown_id", 0.05),
)


class Killed(BaseException):
    """The process ends here: nothing after this happens."""


@dataclass
class Killer:
    """Ends a process at the steps that matter: before a commit, before and after a call to Mollie."""

    dice: random.Random
    probability: float = 0.0
    killed: int = 0
    _mortal: threading.local = field(default_factory=threading.local)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Who does this may die of it; the caller goes on as after a restart."""
        self._mortal.here = True
        try:
            yield
        except Killed:
            self.killed += 1
        finally:
            self._mortal.here = False
            db.session.rollback()

    def step(self, *_: object) -> None:
        if getattr(self._mortal, "here", False) and self.dice.random() < self.probability:
            self._mortal.here = False
            raise Killed


@dataclass(frozen=True, kw_only=True)
class Happened:
    """How much a run has put to the proof."""

    top_ups: int
    paid: int
    charged: int  # automatically, whatever came of it
    refunds: int
    chargebacks: int
    fees_paid: int
    fees_taken_back: int
    killed: int


@dataclass
class RoughWorld:
    """Some customers, one Mollie, and everything that goes wrong between them."""

    app: Flask
    sandbox: Sandbox
    redis: Redis
    dice: random.Random
    killer: Killer
    customers: list[int] = field(default_factory=list)
    used: dict[int, int] = field(default_factory=dict)
    serial: int = 0
    present: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def next_key(self) -> str:
        self.serial += 1
        return f"wish-{self.serial}"

    def open_customers(self, count: int) -> list[int]:
        """These are the ones that things happen to from now on."""
        self.present = [self._open_customer() for _ in range(count)]
        return self.present

    def _open_customer(self) -> int:
        """A business that pays automatically once it has a mandate."""
        number = len(self.customers)
        facts = {
            "reference": f"c{number}",
            "name": f"Customer {number}",
            "email": f"c{number}@example.org",
            "kind": "business",
            "country": "NL",
            "locale": ("nl", "en")[number % 2],
        }
        with unit_of_work():
            customer = open_account(facts)
            customer_id = customer.customer_id
            customer.provisional_limit_micros = (0, 20 * EURO)[number % 3 == 0]
        self.customers.append(customer_id)
        self.used[customer_id] = 0
        return customer_id

    def troubles(self, *, on: bool) -> None:
        """All of Mollie's faults and our own deaths, or none."""
        for kind in ("faults", "outcomes"):
            self.sandbox.control(kind, method="DELETE")
        self.killer.probability = 0.04 if on else 0.0
        if on:
            for action, probability in _FAULTS:
                self.sandbox.control(
                    "faults", {"match": {}, "action": action, "probability": probability, "times": None}
                )

    # What customers, banks and staff do

    def ordinary_business(self, most: int = 3, most_used: int = 40) -> None:
        """Some pay by hand, some from a mandate; somebody uses a lot, and the engine charges."""
        for _ in range(self.dice.randint(1, most)):
            who, euros = self.dice.choice(self.present), self.dice.randint(10, 25)
            method = self.dice.choice(("ideal", "creditcard", "banktransfer", "paypal", None))
            if method is None:
                self.charge_by_hand(who, euros)
            else:
                self.pay(who, euros, method, save=False, clicks=1)
        self.payers_act(all_of_them=False, most=2 * most + 2)
        for customer_id in self.present:
            self.use(customer_id, self.dice.randint(1, most_used))
        self.work()

    def pay(self, customer_id: int, euros: int, method: str, *, save: bool, clicks: int) -> None:
        """A form sent once or, by a double click, twice at once."""
        key = self.next_key()

        def click() -> None:
            with self.killer.at_work(), self._refusals_are_fine():
                customer = get_customer(customer_id)
                service.request_top_up(
                    customer,
                    euros * EURO,
                    request_key=key,
                    method=method,
                    accepted_fee_micros=service.fee_of(customer, method, euros * EURO).gross_micros,
                    save_method=save,
                    consent_by=NOBODY if save else None,
                )

        self._do(*[click] * clicks)

    def charge_by_hand(self, customer_id: int, euros: int) -> None:
        with self.killer.at_work(), self._refusals_are_fine():
            chosen = [m for m in service.payment_methods(customer_id) if m.status == "valid"]
            if chosen:
                customer, mandate = get_customer(customer_id), self.dice.choice(chosen)
                service.pay_with_mandate(
                    customer,
                    euros * EURO,
                    mandate.payment_method_id,
                    request_key=self.next_key(),
                    accepted_fee_micros=service.fee_of(customer, mandate.method, euros * EURO).gross_micros,
                )

    def turn_on(self, customer_id: int, *, by_target: bool) -> None:
        wish = service.RuleWish(
            enabled=True,
            threshold_micros=10 * EURO,
            amount_micros=None if by_target else 25 * EURO,
            target_micros=45 * EURO if by_target else None,
            monthly_maximum_micros=MONTHLY_MAXIMUM,
            consent_by=NOBODY,
        )
        with self.killer.at_work(), self._refusals_are_fine():
            in_unit_of_work(service.save_rule, customer_id, wish)

    def use(self, customer_id: int, euros: int) -> None:
        """Usage debits the balance, and the engine decides, perhaps in two workers at once."""
        self.used[customer_id] += euros * EURO
        with unit_of_work():
            lock_balance(customer_id)
            post(
                Posting(
                    customer_id=customer_id,
                    kind="usage",
                    debit=Side.PREPAID,
                    credit=Side.UNBILLED_USAGE,
                    amount_micros=euros * EURO,
                    reference=f"test-usage-{self.next_key()}",
                )
            )

        def decide() -> None:
            with self.killer.at_work():
                jobs.evaluate(customer_id)

        self._do(*[decide] * self.dice.choice((1, 1, 2)))

    def refund(self, customer_id: int, euros: int | None) -> None:
        paid = [t for t in service.top_ups(customer_id, limit=200) if t.status == "paid"]
        if paid:
            wish = service.RefundWish(
                top_up_id=self.dice.choice(paid).top_up_id,
                request_key=self.next_key(),
                amount_micros=euros * EURO if euros else None,
                with_fee=not euros and self.dice.random() < 0.5,
                forced=self.dice.random() < 0.3,
            )
            with self.killer.at_work(), self._refusals_are_fine():
                service.request_refund(wish)

    def payers_act(self, *, all_of_them: bool, pay: bool = False, most: int = 8) -> None:
        """Open payments are paid, mostly or always; the others fail, are cancelled or expire."""
        waiting = [p for p in self._listed("payments") if p["status"] == "open"]
        for payment in waiting if all_of_them else self._some(waiting, most):
            status = "paid" if pay else self.dice.choice(ENDS)
            choice = {} if payment["method"] else {"method": "ideal"}
            late = not pay and self.dice.random() < 0.1
            pending_mandate = {"mandate_status": "pending"} if late else {}
            self._control(f"payments/{payment['id']}/state", {"status": status} | choice | pending_mandate)

    def banks_act(self, most: int = 1) -> None:
        """Pending debits are paid or refused early; money is taken back, given back, sent back."""
        seen = self._listed("payments")
        for payment in self._some([p for p in seen if p["status"] == "pending"]):
            reason = self.dice.choice(("AM04", "AC01", "MD06", "MS03"))
            outcome: dict[str, Any] = {"status": "failed", "failure_reason": reason}
            self._control(
                f"payments/{payment['id']}/state",
                outcome if payment["method"] == "directdebit" else {"status": "paid"},
            )
        paid = [p for p in seen if p["status"] == "paid"]
        for payment in self._some(paid, most):
            part = self.dice.choice(({}, {}, {"amount": {"value": "7.77", "currency": "EUR"}}))
            self._control(f"payments/{payment['id']}/chargeback", {"code": "AM04"} | part)
        for payment in self._some(paid, most):
            amount = self.dice.choice((payment["amount"], {"value": "1.00", "currency": "EUR"}))
            self._control(f"payments/{payment['id']}/refund", {"amount": amount})
        for chargeback in self._some(self._listed("chargebacks"), most):
            self._control(f"chargebacks/{chargeback['id']}/reverse")
        for refund in self._some(self._listed("refunds"), most):
            self._control(f"refunds/{refund['id']}/state", {"status": "failed"})

    def bank_refuses_next(self, reason: str) -> None:
        self._control("outcomes", {"status": "failed", "failure_reason": reason, "times": 2})

    def mandate_ends(self) -> None:
        for mandate in self._some([m for m in self._listed("mandates") if m["status"] == "valid"], most=1):
            self._control(f"mandates/{mandate['id']}/state", {"status": "invalid"})

    def webhooks_again(self, copies: int) -> None:
        for payment in self._some(self._listed("payments"), most=2):
            self._control(f"payments/{payment['id']}/webhook", {"copies": copies})

    def pass_time(self, **span: float) -> None:
        step = timedelta(**span)
        app_clock.travel_to(utc_now() + step)
        self.sandbox.control("clock/advance", {"seconds": step.total_seconds()})

    # What workers and schedule do

    def work(self, workers: int = 1) -> None:
        """Jobs run until none waits; the job of a worker that dies is gone with it."""

        def worker() -> None:
            while (job := self._next_job()) is not None:
                if (job.func_name or "").startswith("topups."):
                    with self.killer.at_work(), self._refusals_are_fine():
                        job.func(*job.args)

        self._do(*[worker] * workers)

    def lose_the_queue(self) -> None:
        self.redis.flushall()

    def sweep(self) -> None:
        with self.killer.at_work():
            jobs.sweep()

    def reconcile(self) -> None:
        with self.killer.at_work(), self._refusals_are_fine():
            reconciliation.reconcile(newest=5000)

    # What must be true in the end

    def calm_down(self) -> None:
        """No more trouble; the schedule goes on for some weeks, and Mollie's lists are walked."""
        self.troubles(on=False)
        for days in (0.1, 5, 8):
            self.pass_time(days=days)
            self.sandbox.control("flush")
            self.sweep()
            self.work()
        jobs.mandates_daily()
        self.work()
        self.reconcile()
        self.work()
        db.session.rollback()

    def differences(self) -> list[str]:
        """Where our books and Mollie's disagree; empty when all is well."""
        db.session.rollback()
        found: list[str] = []
        totals = self.sandbox.control("totals", method="GET")
        ours_in_all = 0
        for customer_id in self.customers:
            psp = db.session.get(PspCustomer, customer_id)
            key = (psp.mollie_customer_id or "") if psp else ""
            theirs = totals["customers"].get(key, {"net_cents": 0})["net_cents"] * 10_000 if key else 0
            ours = self._received(customer_id)
            ours_in_all += ours
            if ours != theirs:
                found.append(f"customer {customer_id}: ledger {ours}, Mollie {theirs}")
            prepaid, fees = get_balance(customer_id).prepaid_micros, self._fees(customer_id)
            if prepaid != ours - fees - self.used[customer_id]:
                found.append(f"customer {customer_id}: {prepaid} on the balance, {ours} received")
            found += self._fees_not_as_billed(customer_id, fees)
            found += self._charged_too_much(customer_id)
        if ours_in_all != totals["total"]["net_cents"] * 10_000:
            found.append(f"in total: ledger {ours_in_all}, Mollie {totals['total']}")
        named = [p["metadata"]["topup_id"] for p in self._listed("payments")]
        found += [f"{name} was paid for more than once" for name in set(named) if named.count(name) > 1]
        return found

    def made(self) -> int:
        db.session.rollback()
        return len(db.session.scalars(select(TopUp.top_up_id)).all())

    def happened(self) -> Happened:
        made = db.session.scalars(select(TopUp)).all()
        return Happened(
            top_ups=len(made),
            paid=sum(1 for t in made if t.status == "paid"),
            charged=sum(1 for t in made if t.origin == "automatic"),
            refunds=len(self._listed("refunds")),
            chargebacks=len(self._listed("chargebacks")),
            fees_paid=self._count("payment_fee"),
            fees_taken_back=self._count("payment_fee_taken_back"),
            killed=self.killer.killed,
        )

    def _count(self, kind: str) -> int:
        return len(db.session.scalars(select(Transfer.number).where(Transfer.kind == kind)).all())

    def _received(self, customer_id: int) -> int:
        moved = db.session.scalars(select(Transfer).where(Transfer.customer_id == customer_id)).all()
        through_psp = {Side.PSP.value, Side.PSP_PENDING.value}
        return sum(t.amount_micros for t in moved if t.debit in through_psp) - sum(
            t.amount_micros for t in moved if t.credit in through_psp
        )

    def _fees(self, customer_id: int) -> int:
        moved = db.session.scalars(select(Transfer).where(Transfer.customer_id == customer_id)).all()
        fees = Side.FEES.value
        return sum(t.amount_micros for t in moved if t.credit == fees) - sum(
            t.amount_micros for t in moved if t.debit == fees
        )

    def _fees_not_as_billed(self, customer_id: int, fees_micros: int) -> list[str]:
        """A payment's fee is never taken back further than it was paid, and what is left of it is billed."""
        today = local_date(utc_now())
        billed = service.paid_fees(customer_id, today - timedelta(days=3650), today)
        found = []
        if sum(one.fee.gross_micros for one in billed) != fees_micros:
            found.append(f"customer {customer_id}: {fees_micros} of fees, billed {billed}")
        for one in billed:
            paid = service.find_top_up(one.top_up_id).fee_micros
            if not 0 < one.fee.gross_micros <= paid:
                found.append(f"{one.top_up_id}: {one.fee.gross_micros} is left of a fee of {paid}")
        return found

    def _charged_too_much(self, customer_id: int) -> list[str]:
        made = db.session.scalars(
            select(TopUp).where(TopUp.customer_id == customer_id, TopUp.origin == "automatic")
        )
        months: dict[str, int] = {}
        for top_up in made:
            if top_up.status not in LOST:
                month = f"{situation.month_start(top_up.created_at):%Y-%m}"
                months[month] = months.get(month, 0) + top_up.amount_micros
        return [
            f"customer {customer_id}: {charged} charged in {month}"
            for month, charged in months.items()
            if charged > MONTHLY_MAXIMUM
        ]

    # Means

    def _next_job(self) -> Job | None:
        for name in QUEUES:
            job_id = self.redis.lpop(Queue(name, connection=self.redis).key)
            if isinstance(job_id, bytes):
                return Job.fetch(job_id.decode(), connection=self.redis)
        return None

    def _do(self, *actions: Callable[[], None]) -> None:
        if len(actions) == 1:
            actions[0]()
            return
        raised = at_once(self.app, *actions)
        assert not raised, raised

    @contextmanager
    def _refusals_are_fine(self) -> Iterator[None]:
        try:
            yield
        except (AppError, gateway.GatewayError):
            db.session.rollback()

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.sandbox.control(f"{kind}?limit=100000", method="GET")
        return listed

    def _some(self, of: list[Any], most: int = 3) -> list[Any]:
        return self.dice.sample(of, k=min(len(of), self.dice.randint(0, most)))

    def _control(self, path: str, body: Any = None) -> None:
        """What Mollie itself finds impossible by now does not happen."""
        answer = requests.post(f"{self.sandbox.url}/_sandbox/{path}", json=body or {}, timeout=30)
        assert answer.status_code in (200, 201, 409, 422), answer.text


@contextmanager
def rough_world(
    app: Flask, sandbox: Sandbox, redis_url: str, patch: pytest.MonkeyPatch, seed: int
) -> Iterator[RoughWorld]:
    """A world whose dice are seeded; its hooks are taken out again at the end."""
    dice = random.Random(seed)  # noqa: S311  # dice for trouble, so that a run can be repeated
    killer = Killer(dice)
    sandbox.control("reset", {"seed": seed})
    methods.forget()
    redis = Redis.from_url(redis_url)
    call = gateway._call

    def mortal_call(action: str, ask: Callable[..., Any]) -> Any:
        killer.step()
        answer = call(action, ask)
        killer.step()
        return answer

    with patch.context() as patched:
        patched.setattr(gateway, "_call", mortal_call)
        patched.setattr(gateway, "TIMEOUTS_SECONDS", (1, 0.3))
        patched.setattr(payments, "_PATIENCE_SECONDS", 0.3)
        event.listen(db.session, "before_commit", killer.step)
        try:
            yield RoughWorld(app, sandbox, redis, dice, killer)
        finally:
            event.remove(db.session, "before_commit", killer.step)
            redis.close()

"""How each act of the story is carried out: through the product's own ways, at the act's own moment.

Events and settings go through the HTTP API, money through checkout, webhook and engine, months through the
command that closes them. Nothing is written into a table from here.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, assert_never

from app.customers import service as customers
from app.customers import sign_in
from app.db import db, unit_of_work
from app.demo import story
from app.demo.cast import (
    AMOUNT_MICROS,
    FIRST_PAYMENT_MICROS,
    MARGIN_MICROS,
    METERS,
    OPERATOR,
    PASSWORD,
    PLANS,
    PRICES,
    THRESHOLD_MICROS,
    DemoCustomer,
)
from app.demo.client import Client
from app.demo.replay import Span, price_micros
from app.demo.stage import Stage
from app.demo.story import Act, Story
from app.i18n import local_date
from app.jobs import enqueue
from app.money import Money
from metering.periods import Period
from topups import service as topups

BATCH_TYPE: Final = "application/cloudevents-batch+json"
# By hand one pays round amounts.
ROUND_MICROS: Final = 500_000
# A direct debit or a transfer reaches the bank's other side in days.
BANK_DAYS: Final = 3
SCHEDULE_EVERY: Final = timedelta(days=14)
CONSENT_IP: Final = "192.0.2.10"


class StoryFailed(RuntimeError):
    """The product did something else than the story says."""


@dataclass
class Player:
    """Plays a story on a stage, once."""

    stage: Stage
    api: Client
    told: Story
    done: dict[Span, int] = field(default_factory=dict)
    schedule_ran_at: datetime | None = None

    def prologue(self) -> None:
        """What is there before any customer: meters, prices, the provider's own sign-in."""
        self.stage.travel_to(self.told.acts[0].at)
        for code, meter in METERS.items():
            self.api.put(f"/v1/meters/{code}", meter)
            self.api.post(
                f"/v1/meters/{code}/prices", {"currency": "EUR", **PRICES[code]}, key=f"demo-price-{code}"
            )
        for code, plan in PLANS.items():
            self.api.put(f"/v1/plans/{code}", plan)
        with unit_of_work():
            sign_in.create_user(
                OPERATOR.email, OPERATOR.name, locale=OPERATOR.locale, password=PASSWORD, is_operator=True
            )

    def play(self) -> None:
        for act in self.told.acts:
            self.stage.travel_to(act.at)
            self._record_usage(act.at)
            self._perform(act)
            self.stage.run_jobs()
            self._run_schedule(act.at)

    def _run_schedule(self, now: datetime) -> None:
        """Give the recurring jobs their turn now and then: that they run each minute changes nothing here."""
        if self.schedule_ran_at is None or now - self.schedule_ran_at >= SCHEDULE_EVERY:
            self.stage.run_schedule()
            self.schedule_ran_at = now

    def _perform(self, act: Act) -> None:
        match act:
            case story.Record():
                pass
            case story.Open(customer=customer):
                self._open(customer)
            case story.FirstPayment(customer=customer):
                self._pay_first(customer)
            case story.SetRule():
                self._set_rule(act)
            case story.TopUpByHand(customer=customer, span=span):
                self._top_up(customer, span)
            case story.CloseMonth(period=period):
                self._close(period)
            case story.PayInvoice(customer=customer, period=period):
                self._pay_invoice(customer, period)
            case _:
                raise AssertionError(f"nobody knows how to play {act}")

    def _record_usage(self, until: datetime) -> None:
        """Post the events of both customers up to this moment, as one batch."""
        events: list[dict[str, Any]] = []
        for span in self.told.spans:
            rows = span.rows_until(until, self.done.get(span, 0))
            events += [span.event(row) for row in rows]
            self.done[span] = rows.stop
        if not events:
            return
        answer = self.api.post("/v1/events", events, content_type=BATCH_TYPE)
        if answer["rejected"]:
            raise StoryFailed(f"an event was rejected: {answer['rejected'][0]}")
        self.stage.run_jobs()

    def _open(self, customer: DemoCustomer) -> None:
        self.api.post("/v1/customers", customer.facts, key=f"demo-customer-{customer.reference}")
        person = customer.person
        with unit_of_work():
            account = customers.find_customer(customer.reference)
            account.provisional_limit_micros = customer.provisional_limit_micros
            user = sign_in.create_user(person.email, person.name, locale=person.locale, password=PASSWORD)
            sign_in.add_member(account.customer_id, user)
        self.api.post(
            f"/v1/customers/{customer.reference}/subscriptions",
            {"plan": customer.subscribes_to, "start": self._month_after_next().isoformat()},
            key=f"demo-subscription-{customer.reference}",
        )

    def _month_after_next(self) -> date:
        """Its first day: further away than subscriptions are invoiced ahead."""
        month = local_date(self.told.now).replace(day=1)
        return (month + timedelta(days=62)).replace(day=1)

    def _pay_first(self, customer: DemoCustomer) -> None:
        top_up = self._request(
            customer,
            "first",
            FIRST_PAYMENT_MICROS,
            method=customer.saves,
            save_method=True,
            consent=_consent(customer),
        )
        self._check_out(top_up, customer.saves)
        if not self._methods(customer):
            raise StoryFailed(f"the first payment of {customer.reference} left no mandate")

    def _set_rule(self, act: story.SetRule) -> None:
        self.api.put(
            f"/v1/customers/{act.customer.reference}/auto-top-up",
            {
                "enabled": act.enabled,
                "threshold": _money(THRESHOLD_MICROS),
                "amount": _money(AMOUNT_MICROS),
                "monthly_maximum": _money(act.monthly_maximum_micros),
                "payment_methods": self._methods(act.customer),
                "consent": _consent(act.customer),
            },
        )

    def _top_up(self, customer: DemoCustomer, span: Span) -> None:
        """As much as the rest of the span uses, and the margin above the threshold."""
        balance = self.api.get(f"/v1/customers/{customer.reference}/balance")
        available = Money.from_json(balance["available"]).micros
        still_to_use = price_micros(self.done[span], span.last)
        wanted = THRESHOLD_MICROS + MARGIN_MICROS + still_to_use - available
        amount = (wanted + ROUND_MICROS // 2) // ROUND_MICROS * ROUND_MICROS
        top_up = self._request(customer, f"by-hand-{span.label}", amount, method=customer.tops_up_with)
        self._check_out(top_up, customer.tops_up_with)

    def _close(self, period: Period) -> None:
        command = ["invoicing", "close", "--period", f"{period.start:%Y-%m}"]
        result = self.stage.app.test_cli_runner().invoke(args=command)
        db.session.rollback()
        if result.exit_code != 0:
            raise StoryFailed(f"{' '.join(command)}: {result.output}")

    def _pay_invoice(self, customer: DemoCustomer, period: Period) -> None:
        found = self.api.get(f"/v1/customers/{customer.reference}/invoices")["data"]
        invoice = next(i for i in found if i["period"]["start"] == period.start.isoformat())
        account = customers.find_customer(customer.reference)
        outstanding_micros = Money.from_json(invoice["outstanding"]).micros
        number: str = invoice["number"]
        match customer.pays_by:
            case "mandate":
                payment = topups.pay_with_mandate(
                    account,
                    outstanding_micros,
                    self._methods(customer)[0],
                    request_key=f"demo-{number}",
                    purpose="invoice",
                    invoice_number=number,
                )
            case "banktransfer":
                payment = topups.request_top_up(
                    account,
                    outstanding_micros,
                    request_key=f"demo-{number}",
                    method="banktransfer",
                    purpose="invoice",
                    invoice_number=number,
                )
            case _:
                assert_never(customer.pays_by)
        state = f"/_sandbox/payments/{payment.mollie_payment_id}/state"
        self.stage.sandbox.post(state, {"status": "pending"})
        self.stage.sandbox.post(state, {"status": "paid", "after_business_days": BANK_DAYS})
        enqueue("topups.jobs.sync", payment.top_up_id)

    def _request(self, customer: DemoCustomer, what: str, amount_micros: int, **details: Any) -> Any:
        return self.api.post(
            f"/v1/customers/{customer.reference}/top-ups",
            {"amount": _money(amount_micros), **details},
            key=f"demo-{customer.reference}-{what}",
        )

    def _check_out(self, top_up: Any, method: str) -> None:
        """What the payer does at Mollie's checkout page; its webhook comes before the answer."""
        state = f"/_sandbox/payments/{top_up['mollie_payment_id']}/state"
        self.stage.sandbox.post(state, {"status": "paid", "method": method})
        self.stage.run_jobs()

    def _methods(self, customer: DemoCustomer) -> list[str]:
        listed = self.api.get(f"/v1/customers/{customer.reference}/payment-methods")["data"]
        return [method["id"] for method in listed if method["status"] == "valid"]

    def epilogue(self) -> None:
        """Raises StoryFailed unless every balance topped up for it waits just above its threshold."""
        for act in self.told.acts:
            if not isinstance(act, story.TopUpByHand):
                continue
            customer = act.customer
            balance = self.api.get(f"/v1/customers/{customer.reference}/balance")
            above = Money.from_json(balance["available"]).micros - THRESHOLD_MICROS
            if not 0 < above < 2 * MARGIN_MICROS:
                raise StoryFailed(f"{customer.reference} waits at {balance['available']['value']}")


def _consent(customer: DemoCustomer) -> dict[str, str]:
    return {"locale": customer.person.locale, "ip": CONSENT_IP}


def _money(micros: int) -> dict[str, str]:
    return Money(micros).to_json()

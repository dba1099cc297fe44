"""Closing while events arrive: whatever the clocks do, each event is billed exactly once, all sums agree."""

import random
import threading
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select

from app.clock import utc_now
from app.db import db, in_unit_of_work
from app.ledger.sides import Side
from invoicing import closing, metered, runs
from invoicing.models import CREDIT_NOTE, Invoice
from metering.models import UsageEvent, UsagePeriod
from tests.fixtures.shop import Shop

CENTS_PER_CALL, NET_CENTS_PER_CALL = 121, 100
WRITERS, BATCHES, BATCH = 3, 25, 6

# The moment at which a period ends in Amsterdam, and moments of it that lie where the clocks change.
BOUNDARIES = {
    "march": (
        datetime(2026, 3, 31, 22, tzinfo=UTC),
        [datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)],
    ),
    "october": (
        datetime(2026, 10, 31, 23, tzinfo=UTC),
        [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)],
    ),
    "new year": (datetime(2026, 12, 31, 23, tzinfo=UTC), []),
    "half of march": (datetime(2026, 3, 15, 23, tzinfo=UTC), []),
}


@dataclass
class Callers:
    """Programs that tell of calls at € 1.00, from threads of their own."""

    shop: Shop
    ends: datetime
    others: list[datetime]
    references: list[str]
    sent: dict[str, int] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)

    def start(self) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=Context().run, args=(self.write, number)) for number in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        return threads

    def write(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311  # a story's chance, no secret
        client = self.shop.app.test_client()
        client.environ_base.update(self.shop.api.environ_base)
        try:
            for batch in range(BATCHES):
                events = [self.event(f"{number}-{batch}-{n}", chance) for n in range(BATCH)]
                # Each batch is sent twice: the second time it counts for nothing.
                for accepted in (BATCH, 0):
                    answer = client.post("/v1/events", json=events).get_json()
                    assert answer["accepted"] == accepted, answer
        except BaseException as error:  # noqa: BLE001  # told by the test
            self.errors.append(error)

    def event(self, name: str, chance: random.Random) -> dict[str, object]:
        around = [self.ends + timedelta(microseconds=chance.choice([-1, 0, 1])), utc_now()]
        around.append(self.ends + timedelta(seconds=chance.uniform(-400, 60)))
        return {
            "specversion": "1.0",
            "id": name,
            "source": "callers",
            "type": "call",
            "subject": chance.choice(self.references),
            "time": chance.choice(around + self.others).isoformat(),
            "data": {},
        }


@pytest.fixture
def calls(shop: Shop) -> Shop:
    meter = {
        "event_type": "call",
        "aggregation": "count",
        "unit": "call",
        "name": {"en": "Calls", "nl": "Gesprekken"},
    }
    assert shop.api.put("/v1/meters/calls", json=meter).status_code == 201
    price = {"currency": "EUR", "model": "per_unit", "unit_amount": "1"}
    assert shop.api.post("/v1/meters/calls/prices", json=price).status_code == 201
    return shop


def close_all(moment: datetime) -> int:
    """Close what ended before a moment, a customer at a time and in no order; answers how many periods."""
    keys = list(metered.ended_before(moment))
    db.session.rollback()
    random.shuffle(keys)
    for key in keys:
        outcome = closing.close([key])
        assert outcome.failed == {}, outcome.failed
    return len(keys)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_each_event_is_billed_exactly_once_while_periods_close_amid_them(calls: Shop, boundary: str) -> None:
    ends, others = BOUNDARIES[boundary]
    calls.clock.travel_to(ends + timedelta(seconds=90))
    references = [f"customer-{number}" for number in range(6)]
    for number, reference in enumerate(references):
        cycle = "half_monthly" if number % 2 else "monthly"
        calls.customer(reference, billing_cycle=cycle, invoice_empty_periods=number == 5)
        calls.top_up(reference, 20)
    callers = Callers(calls, ends, others, references)
    threads = callers.start()
    closed = 0
    while any(thread.is_alive() for thread in threads):
        closed += close_all(utc_now())
    for thread in threads:
        thread.join()
    assert callers.errors == []
    assert closed > 0
    for days in (1, 20, 35, 50):
        calls.clock.travel_to(ends + timedelta(days=days))
        close_all(utc_now())
    counted, corrections = 0, 0
    for reference in references:
        events = events_of(calls.customers[reference])
        counted += events
        invoices = calls.invoices(reference)
        corrections += sum(line.correction_of is not None for one in invoices for line in one.lines)
        assert sum(sign(one) * one.net_cents for one in invoices) == events * NET_CENTS_PER_CALL, reference
        assert sum(sign(one) * one.total_cents for one in invoices) == events * CENTS_PER_CALL
        assert calls.side(reference, Side.UNBILLED_USAGE) == 0
        assert calls.side(reference, Side.REVENUE) == events * NET_CENTS_PER_CALL * 10_000
        balance = calls.balance(reference)
        used_micros = events * CENTS_PER_CALL * 10_000
        assert balance.prepaid_micros - balance.receivable_micros == 20_000_000 - used_micros
        assert balance.prepaid_micros >= 0
        assert_one_after_the_other(calls.customers[reference])
        assert_balance_goes_on(invoices)
    assert counted == WRITERS * BATCHES * BATCH
    # Some came after the close of their period, while others were still to come before it.
    assert corrections > 0


def sign(invoice: Invoice) -> int:
    return -1 if invoice.kind == CREDIT_NOTE else 1


def events_of(customer_id: int) -> int:
    return (
        db.session.scalar(
            select(func.count()).select_from(UsageEvent).where(UsageEvent.customer_id == customer_id)
        )
        or 0
    )


def assert_one_after_the_other(customer_id: int) -> None:
    """No two periods of a customer overlap."""
    rows = db.session.execute(
        select(UsagePeriod.period_start, UsagePeriod.period_end)
        .where(UsagePeriod.customer_id == customer_id)
        .order_by(UsagePeriod.period_start)
    ).all()
    assert all(one.period_end <= following.period_start for one, following in pairwise(rows))


def assert_balance_goes_on(invoices: list[Invoice]) -> None:
    """Each balance block adds up, and where periods follow one another opening is the closing before."""
    ordered = sorted((one for one in invoices if one.balance), key=lambda one: one.period_start)
    for one in ordered:
        assert one.balance["closing"] == sum(
            micros for row, micros in one.balance.items() if row != "closing"
        )
    for one, following in pairwise(ordered):
        if one.period_end == following.period_start:
            assert one.balance["closing"] == following.balance["opening"]


def test_two_runs_and_the_schedule_at_once_close_each_period_once(calls: Shop) -> None:
    ends = BOUNDARIES["october"][0]
    calls.clock.travel_to(ends - timedelta(hours=1))
    for number in range(4):
        calls.customer(f"customer-{number}", billing_cycle="half_monthly" if number % 2 else "monthly")
    callers = Callers(calls, ends - timedelta(hours=1), [], list(calls.customers))
    callers.write(0)
    assert callers.errors == []
    calls.clock.travel_to(ends + timedelta(minutes=1))
    errors: list[BaseException] = []

    def work() -> None:
        with calls.app.app_context():
            try:
                for run_id in in_unit_of_work(runs.start_due, utc_now()):
                    for position in runs.open_chunks(run_id):
                        db.session.rollback()
                        outcome = runs.work_on(run_id, position)
                        assert outcome is None or outcome.failed == {}
                close_all(utc_now())
            except BaseException as error:  # noqa: BLE001  # told by the test
                errors.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=Context().run, args=(work,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    total = sum(one.total_cents for reference in calls.customers for one in calls.invoices(reference))
    assert total == BATCHES * BATCH * CENTS_PER_CALL
    assert all(calls.side(reference, Side.UNBILLED_USAGE) == 0 for reference in calls.customers)

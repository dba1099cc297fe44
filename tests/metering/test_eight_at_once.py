"""Eight processes on three customers, with duplicates and holds: at the end every balance is exact."""

import random
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from typing import Any, Final

import msgspec
from flask import Flask

from app.clock import utc_now
from app.config import Settings
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.factory import create_app
from app.ledger import holds as ledger
from app.ledger.service import get_balance
from app.ledger.verify import verify_all
from metering import holds, service
from metering.cloudevents import ReadEvents, Window, read_many
from tests.metering.conftest import Provider

PROCESSES: Final = 8
CUSTOMERS: Final = ("acme", "c1", "c2")
EURO: Final = 1_000_000
TOKEN_MICROS: Final = 1_210


def read(events: list[dict[str, Any]]) -> ReadEvents:
    return read_many(msgspec.json.encode(events), Window.around(utc_now(), 35, 300))


def work(settings: Settings, number: int, shares: list[list[dict[str, Any]]], start: Any) -> None:
    """Send two of the shares in small batches, in an order of its own; half of the batches under a hold."""
    order = random.Random(number)  # noqa: S311  # the same mess in every run
    with create_app(settings).app_context():
        batches = [
            [event for event in share if event["subject"] == name][at : at + 5]
            for share in (shares[number], shares[(number + 1) % PROCESSES])
            for name in CUSTOMERS
            for at in range(0, 10, 5)
        ]
        order.shuffle(batches)
        start.wait()
        for at, batch in enumerate(batches):
            if at % 2 or not under_a_hold(f"{number}-{at}", batch):
                service.record_events(read(batch))


def under_a_hold(reference: str, batch: list[dict[str, Any]]) -> bool:
    """Hold ten tokens' worth, then capture; every third hold stays open, and some are refused."""
    customer_id = find_customer(batch[0]["subject"]).customer_id
    later = utc_now() + timedelta(hours=1)

    def place() -> str:
        placed = ledger.place_hold(customer_id, 10 * TOKEN_MICROS, expires_at=later, reference=reference)
        return placed.hold.public_id

    try:
        hold_id = in_unit_of_work(place)
    except ledger.InsufficientBalance:
        return False
    if hash(reference.encode()[-1]) % 3 == 0:
        return False
    in_unit_of_work(holds.capture, hold_id, read(batch))
    return True


def test_eight_processes_with_duplicates_and_holds_end_with_the_exact_balances(
    app: Flask, provider: Provider, settings: Settings, run_jobs: Callable[..., int]
) -> None:
    for name in CUSTOMERS[1:]:
        provider.customer(name)
    for name, amount in zip(CUSTOMERS, ("5", "0.02", "1"), strict=True):
        provider.grant(amount, name)
    shares = [
        [provider.event(at + 1, subject=name) for name in CUSTOMERS for at in range(10)]
        for _ in range(PROCESSES)
    ]
    fork = get_context("fork")
    start = fork.Barrier(PROCESSES)
    processes = [
        fork.Process(target=work, args=(settings, number, shares, start)) for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    tokens = PROCESSES * sum(range(1, 11))
    for name, given in zip(CUSTOMERS, (5 * EURO, 20_000, EURO), strict=True):
        customer_id = find_customer(name).customer_id
        balance = get_balance(customer_id)
        assert balance.prepaid_micros + balance.promo_micros == given - tokens * TOKEN_MICROS
        found = ledger.holds(customer_id, limit=200)
        assert balance.held_micros == sum(hold.amount_micros for hold in found if hold.status == "open")
    assert any(
        hold.status == "captured" for hold in ledger.holds(find_customer("acme").customer_id, limit=99)
    )
    assert verify_all().differences == ()

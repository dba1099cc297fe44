"""Eight processes on three customers, with duplicates, holds, captures and releases: exact to the micro."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

from flask import Flask, json

from app.clock import utc_now
from app.config import Settings
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.factory import create_app
from app.ledger.holds import InsufficientBalance, place_hold, release_hold
from metering import service
from metering.cloudevents import ReadEvents, Window, read_many
from metering.holds import capture
from tests.metering.conftest import Provider

TOKEN = Decimal("0.00121")
CUSTOMERS = ("acme", "beta", "gamma")
PROCESSES = 8
BATCH = 30
HOLD_MICROS = 1_000_000
CAPTURED_TOKENS = 100


def work(
    settings: Settings, number: int, documents: list[tuple[bytes, bytes]], start: Any, answers: Any
) -> None:
    """One process: after each batch a hold, captured with an event of its own or released."""
    counted: Counter[str] = Counter()
    with create_app(settings).app_context():
        service.set_tax_resolver(lambda _facts, _day: service.TaxTreatment("S", Decimal(21)))
        ids = [find_customer(reference).customer_id for reference in CUSTOMERS]
        start.wait()
        for turn, (batch, captured) in enumerate(documents):
            taken = service.record_events(as_read(batch))
            counted["accepted"] += taken.accepted
            counted["duplicates"] += taken.duplicates
            which = (number + turn) % 3
            try:
                hold_id = in_unit_of_work(place, ids[which], f"{number}-{turn}")
            except InsufficientBalance:
                counted["refused"] += 1
                continue
            if turn % 2:
                in_unit_of_work(release_hold, hold_id)
            else:
                in_unit_of_work(capture, hold_id, as_read(captured))
                counted[CUSTOMERS[which]] += CAPTURED_TOKENS
    answers.put(dict(counted))


def as_read(document: bytes) -> ReadEvents:
    return read_many(document, Window.around(utc_now(), 35, 300))


def place(customer_id: int, reference: str) -> str:
    """A new hold of one euro; answers its id."""
    expires_at = utc_now() + timedelta(hours=1)
    return place_hold(customer_id, HOLD_MICROS, expires_at=expires_at, reference=reference).hold.public_id


def test_eight_processes_on_three_customers_end_at_the_exact_balance(
    app: Flask, provider: Provider, settings: Settings
) -> None:
    for reference in CUSTOMERS[1:]:
        provider.customer(reference)
    for reference in CUSTOMERS[:2]:
        provider.grant("50.00", reference)
    batches = [
        [provider.event(1 + n % 5, subject=CUSTOMERS[n % 3]) for n in range(BATCH)] for _ in range(PROCESSES)
    ]
    spawn = get_context("spawn")
    start, answers = spawn.Barrier(PROCESSES), spawn.Queue()
    processes = []
    for number in range(PROCESSES):
        # Each batch goes to two processes, to one of them backwards.
        mine = [batches[number], batches[(number + 1) % PROCESSES][::-1]]
        documents = [
            (
                json.dumps(batch).encode(),
                json.dumps(
                    [provider.event(CAPTURED_TOKENS, subject=CUSTOMERS[(number + turn) % 3])]
                ).encode(),
            )
            for turn, batch in enumerate(mine)
        ]
        arguments = (settings, number, documents, start, answers)
        processes.append(spawn.Process(target=work, args=arguments))
    for process in processes:
        process.start()
    found = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(timeout=30)
    counted = sum((Counter(one) for one in found), Counter[str]())
    assert (counted["accepted"], counted["duplicates"]) == (PROCESSES * BATCH, PROCESSES * BATCH)
    assert counted["refused"] > 0  # gamma has nothing to hold against
    for reference in CUSTOMERS:
        used = counted[reference] + sum(
            event["data"]["tokens"] for batch in batches for event in batch if event["subject"] == reference
        )
        given = Decimal(0) if reference == "gamma" else Decimal(50)
        assert provider.available(reference) == given - used * TOKEN
        assert Decimal(provider.balance(reference)["held"]) == 0

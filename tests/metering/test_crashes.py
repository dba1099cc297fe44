"""Web processes that are killed, a Redis that is gone: nothing acknowledged is lost, nothing counts twice."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text

from app.customers.service import find_customer
from app.db import db, in_unit_of_work
from app.embedded import Redis
from app.factory import create_app
from app.jobs import QUEUES
from app.ledger.service import customers_wanting_attention, set_marks
from app.run.processes import end
from tests.fixtures.outside import eventually
from tests.metering.conftest import Provider
from tests.metering.real_web import RealWeb, Sender
from topups import jobs

TOKEN = Decimal("0.00121")
CUSTOMERS = ("acme", "beta", "gamma")
KILLS = 10


def senders(provider: Provider, web: RealWeb, number: int) -> list[Sender]:
    """Programs that share three customers; their events' ids and quantities are their own."""

    def maker(sender: int) -> Callable[[int], list[dict[str, Any]]]:
        def batch(number: int) -> list[dict[str, Any]]:
            return [
                provider.event(1 + (number + n) % 7, subject=CUSTOMERS[n % 3], id=f"s{sender}-{number}-{n}")
                for n in range(20)
            ]

        return batch

    authorization = provider.api.environ_base["HTTP_AUTHORIZATION"]
    return [Sender(web.port, authorization, maker(sender)) for sender in range(number)]


@contextmanager
def sending(programs: list[Sender]) -> Iterator[None]:
    threads = [threading.Thread(target=program.run) for program in programs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for program in programs:
            program.stop.set()
        for thread in threads:
            thread.join()


def acknowledged(programs: list[Sender]) -> list[dict[str, Any]]:
    return [event for program in programs for event in program.acknowledged]


def check_books(provider: Provider, programs: list[Sender]) -> None:
    """What was acknowledged is what is recorded and debited, to the micro."""
    events = acknowledged(programs)
    db.session.rollback()
    assert db.session.scalar(text("SELECT count(*) FROM usage_event")) == len(events)
    for reference in CUSTOMERS:
        used = sum(event["data"]["tokens"] for event in events if event["subject"] == reference)
        assert provider.available(reference) == -used * TOKEN


def test_a_web_process_killed_ten_times_under_load_loses_nothing_and_counts_nothing_twice(
    app: Flask, provider: Provider, tmp_path: Path
) -> None:
    for reference in CUSTOMERS[1:]:
        provider.customer(reference)
    web = RealWeb(app.extensions["settings"], tmp_path / "web.log")
    programs = senders(provider, web, 4)
    web.start()
    try:
        with sending(programs):
            for _ in range(KILLS):
                before = len(acknowledged(programs))
                # It dies in the middle of its work: some batches are answered, others are under way.
                eventually(lambda: len(acknowledged(programs)) >= before + 100, timeout_seconds=60)  # noqa: B023
                web.kill()
                web.start()
    finally:
        web.kill()
    assert sum(program.retries for program in programs) >= KILLS
    check_books(provider, programs)


def test_redis_that_dies_under_load_holds_up_no_event_and_what_was_to_be_queued_happens_afterwards(
    app: Flask, provider: Provider, tmp_path: Path
) -> None:
    for reference in CUSTOMERS[1:]:
        provider.customer(reference)
    redis = Redis(tmp_path / "redis", tmp_path / "sockets", durable=False)
    redis.prepare()
    settings = replace(app.extensions["settings"], redis_url=redis.url)
    running = redis.start(tmp_path / "redis.log")
    web = RealWeb(settings, tmp_path / "web.log")
    programs = senders(provider, web, 2)
    web.start()
    try:
        with sending(programs):
            eventually(lambda: len(acknowledged(programs)) > 100, timeout_seconds=60)
            end(running, first=signal.SIGKILL)
            for reference in CUSTOMERS:
                customer_id = find_customer(reference).customer_id
                in_unit_of_work(set_marks, customer_id, low_mark_micros=0, attention_mark_micros=-3_000_000)
            seen = len(acknowledged(programs))
            eventually(lambda: len(customers_waiting()) == 3, timeout_seconds=60)
            eventually(lambda: len(acknowledged(programs)) > seen + 100, timeout_seconds=60)
    finally:
        web.kill()
    check_books(provider, programs)
    redis.prepare()
    running = redis.start(tmp_path / "redis.log")
    try:
        other = create_app(settings)
        with other.app_context():
            jobs.sweep()
            queued = {name: other.extensions["queues"][name].jobs for name in QUEUES}
            db.session.remove()
            db.engine.dispose()
        found = [job for waiting in queued.values() for job in waiting if "evaluate" in job.func_name]
        assert {job.args[0] for job in found} >= {find_customer(name).customer_id for name in CUSTOMERS}
        for job in found:
            getattr(jobs, job.func_name.rpartition(".")[2])(*job.args)
        assert customers_waiting() == []
    finally:
        end(running, first=signal.SIGKILL)


def customers_waiting() -> list[int]:
    db.session.rollback()
    return customers_wanting_attention()

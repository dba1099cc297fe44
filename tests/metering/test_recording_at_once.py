"""Many senders at once: everything counts once, a bad event hurts nobody else, a full queue says so."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from multiprocessing import get_context
from typing import Any, cast

import psycopg
import pytest
from flask import Flask

from app.clock import utc_now
from app.config import Settings
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import Unavailable
from app.factory import create_app
from app.ledger.service import customers_wanting_attention, get_balance, set_marks
from metering import service
from metering.cloudevents import ReadEvents, UsageEvent, Window, read_many
from metering.group_commit import GroupCommitter, commit_events
from metering.verdicts import Verdict
from tests.metering.conftest import Provider, body

TOKEN = Decimal("0.00121")


def as_read(app: Flask, provider: Provider, events: list[dict[str, Any]]) -> ReadEvents:
    return read_many(app.json.dumps(events).encode(), Window.around(utc_now(), 35, 300))


def send_from_a_process(settings: Settings, document: bytes, start: Any, answers: Any) -> None:
    """What a second web process does with the same events."""
    service.set_tax_resolver(lambda _facts, _day: service.TaxTreatment("S", Decimal(21)))
    with create_app(settings).app_context():
        read = read_many(document, Window.around(utc_now(), 35, 300))
        start.wait()
        taken = service.record_events(read)
    answers.put((taken.accepted, taken.duplicates, len(taken.refusals)))


def test_two_processes_that_post_the_same_thousand_events_debit_them_once(
    app: Flask, provider: Provider, settings: Settings
) -> None:
    for number in range(20):
        provider.customer(f"c{number}")
    events = [provider.event(10, subject=f"c{number % 20}") for number in range(1000)]
    spawn = get_context("spawn")
    start, answers = spawn.Barrier(2), spawn.Queue()
    # The second sends them backwards: whoever locked in order of arrival would meet a deadlock.
    documents = [app.json.dumps(events).encode(), app.json.dumps(events[::-1]).encode()]
    processes = [
        spawn.Process(target=send_from_a_process, args=(settings, document, start, answers))
        for document in documents
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=30)
    assert [sum(column) for column in zip(*found, strict=True)] == [1000, 1000, 0]
    assert {provider.available(f"c{number}") for number in range(20)} == {-500 * TOKEN}


def test_threads_that_send_single_events_share_commits_and_lose_none(app: Flask, provider: Provider) -> None:
    events = [provider.event(10) for _ in range(200)]

    def send(event: dict[str, Any]) -> tuple[int, int]:
        with app.app_context():
            taken = service.record_events(as_read(app, provider, [event]))
        return taken.accepted, taken.duplicates

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(send, events * 2))
    assert [sum(column) for column in zip(*found, strict=True)] == [200, 200]
    assert provider.available() == -2000 * TOKEN
    transfers = body(provider.api.get("/v1/customers/acme/transactions?limit=200"))["data"]
    assert len(transfers) < 200
    assert sum(Decimal(one["amount"]["value"]) for one in transfers) == 2000 * TOKEN


def events_of(app: Flask, provider: Provider, number: int, acme: int) -> list[UsageEvent]:
    read = as_read(app, provider, [provider.event(10) for _ in range(number)])
    for event in read.events:
        event.customer_id = acme
    return read.events


def test_an_event_that_the_database_refuses_stands_alone(app: Flask, provider: Provider) -> None:
    acme = find_customer("acme").customer_id
    events = events_of(app, provider, 9, acme)
    events[5].source = "no reader lets a NUL through: \0"
    others = events_of(app, provider, 5, acme)
    with ThreadPoolExecutor(2) as pool:

        def commit(part: list[UsageEvent]) -> list[Verdict]:
            with app.app_context():
                return commit_events(part).verdicts

        first, second = pool.map(commit, [events, others])
    assert [verdict.name for verdict in first] == ["ACCEPTED"] * 5 + ["NOT_RECORDED"] + ["ACCEPTED"] * 3
    assert set(second) == {Verdict.ACCEPTED}
    assert provider.available() == -130 * TOKEN


def test_a_full_queue_is_told_to_come_back(app: Flask, provider: Provider) -> None:
    with pytest.raises(Unavailable) as refused:
        GroupCommitter(app, limit_parts=2).submit(
            events_of(app, provider, 2001, find_customer("acme").customer_id)
        )
    assert refused.value.headers()["Retry-After"] == "1"
    assert provider.available() == 0


class Stumbling:
    """An application whose first context breaks, once it may."""

    def __init__(self, app: Flask, error: BaseException) -> None:
        self._app, self._error = app, error
        self.is_first, self.may_break = True, threading.Event()

    def app_context(self) -> Any:
        if self.is_first:
            self.is_first = False
            assert self.may_break.wait(60)
            raise self._error
        return self._app.app_context()


# The thread that is ended dies of it, as it would.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [RuntimeError("out of memory"), SystemExit()])
def test_when_the_committing_thread_breaks_what_came_after_is_recorded(
    app: Flask, provider: Provider, error: BaseException
) -> None:
    acme = find_customer("acme").customer_id
    stumbling = Stumbling(app, error)
    committer = GroupCommitter(cast("Flask", stumbling), limit_parts=10)
    first, second, third = (events_of(app, provider, 1, acme) for _ in range(3))
    with ThreadPoolExecutor(2) as pool:
        broken = pool.submit(committer.submit, first)
        while stumbling.is_first:
            time.sleep(0.01)
        waiting = pool.submit(committer.submit, second)
        while not committer._waiting:
            time.sleep(0.01)
        stumbling.may_break.set()
        with pytest.raises(type(error)):
            broken.result(timeout=60)
        assert waiting.result(timeout=60).verdicts == [Verdict.ACCEPTED]
    assert committer.submit(third).verdicts == [Verdict.ACCEPTED]
    assert provider.available() == -20 * TOKEN


def test_a_lost_database_connection_is_answered_as_busy_and_can_be_repeated(
    app: Flask, provider: Provider, settings: Settings
) -> None:
    acme = find_customer("acme").customer_id
    events = [provider.event(10)]
    with psycopg.connect(settings.database_url) as blocker:
        blocker.execute("SELECT 1 FROM balance WHERE customer_id = %s FOR UPDATE", (acme,))
        with ThreadPoolExecutor(1) as pool:

            def send() -> int:
                with app.app_context():
                    return service.record_events(as_read(app, provider, events)).accepted

            sent = pool.submit(send)
            _end_waiting_sessions(settings.database_url)
            with pytest.raises(Unavailable):
                sent.result(timeout=30)
    assert provider.available() == 0
    assert provider.send(*events)["accepted"] == 1


def _end_waiting_sessions(url: str) -> None:
    """End the session that waits for the lock."""
    ended = threading.Event()
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(500):
            row = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            if row and row[0]:
                return
            ended.wait(0.02)
    raise AssertionError("nobody waited")


def test_who_falls_through_the_mark_is_noted_and_a_job_is_asked_for(
    app: Flask, provider: Provider, run_jobs: Callable[..., int]
) -> None:
    acme = find_customer("acme").customer_id
    service.set_attention_job("tests.metering.looked_at.note")
    in_unit_of_work(set_marks, acme, low_mark_micros=0, attention_mark_micros=-1_000_000)
    provider.send(provider.event(10))
    assert customers_wanting_attention() == []
    provider.send(provider.event(1000))
    provider.send(provider.event(1000))
    assert customers_wanting_attention() == [acme]
    assert run_jobs() == 1


def test_without_redis_events_are_taken_and_the_attention_mark_stays(app: Flask, provider: Provider) -> None:
    from redis import Redis
    from rq import Queue

    acme = find_customer("acme").customer_id
    lost = Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    app.extensions["queues"] = {name: Queue(name, connection=lost) for name in app.extensions["queues"]}
    service.set_attention_job("tests.metering.looked_at.note")
    in_unit_of_work(set_marks, acme, low_mark_micros=0, attention_mark_micros=0)
    started = utc_now()
    provider.send(provider.event(1000))
    assert utc_now() - started < timedelta(seconds=5)
    assert customers_wanting_attention() == [acme]
    assert get_balance(acme).prepaid_micros == -1_210_000

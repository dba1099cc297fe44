"""From the debit that crosses a threshold to the charge request at Mollie, under the load of metering.

A sandbox and two workers of its own beside the stage's web processes. Each of its customers has a card
mandate and a rule, and is carried below the threshold by one event; the sandbox says when it was asked for
the charge.
"""

import http.client
import json
import math
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

from app.config import Settings
from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.factory import create_app
from app.jobs import QUEUES, queue_named
from app.ledger.accounts import open_account
from app.public_ids import customer_of
from app.run.processes import end, wait_until
from tests.bench.load import send_events
from tests.bench.rows import Row
from tests.bench.stage import Stage, free_port
from tests.bench.workers import environment, start
from topups import service

CUSTOMERS: Final = 200
PAUSE_SECONDS: Final = 0.05
EURO: Final = 1_000_000
# 2.5 million tokens at 2 micros, VAT included, are € 6.05: below a threshold of € 15 from € 20.
TOKENS: Final = 2_500_000
WORKERS: Final = (("urgent", "default", "bulk"), ("urgent", "default"))


def charge_latency(stage: Stage, seconds: float) -> Row:
    """Milliseconds from the debit's transfer to the request's arrival."""
    with _sandbox_and_workers(stage) as (settings, control):
        app = create_app(settings)
        with stage.connect() as connection:
            # The stage's own customers were numbered without the sequence.
            connection.execute("SELECT setval('customer_id_seq', max(customer_id)) FROM customer")
        with app.app_context():
            ids = [_paying_customer(number, control) for number in range(CUSTOMERS)]
            wait_until(lambda: not any(queue_named(name).count for name in QUEUES), timeout_seconds=120)
            load = threading.Thread(
                target=send_events,
                args=(stage, "charges"),
                kwargs={"size": 1, "connections": 16, "seconds": seconds + CUSTOMERS * PAUSE_SECONDS},
            )
            load.start()
            time.sleep(1)
            for number in range(CUSTOMERS):
                _use(stage, number)
                time.sleep(PAUSE_SECONDS)
            load.join()
            took = sorted(_latencies(stage, ids, control))
    p99 = took[math.ceil(len(took) * 0.99) - 1]
    return Row(
        "threshold crossed to charge at Mollie, under load",
        "ms",
        median(took),
        None,
        None,
        {"p99_ms": round(p99, 1), "most_ms": round(took[-1], 1), "charges": len(took), "share_of_cores": {}},
    )


@contextmanager
def _sandbox_and_workers(stage: Stage) -> Iterator[tuple[Settings, "_Control"]]:
    port = free_port()
    home = Path(tempfile.mkdtemp(prefix="tegoed-bench-charges-"))
    settings = replace(
        stage.settings, mollie_api_url=f"http://127.0.0.1:{port}", mollie_webhook_url=stage.url
    )
    commands = [("topups.sandbox", "--port", str(port), "--state", str(home / "sandbox.json"))]
    commands += [("app.worker", *names) for names in WORKERS]
    running: list[subprocess.Popen[bytes]] = []
    try:
        running += start(commands, environment(settings, home), home)
        control = _Control(port)
        if not wait_until(control.answers, timeout_seconds=30):
            sys.exit("the sandbox does not answer")
        yield settings, control
    finally:
        for process in reversed(running):
            end(process, first=signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)


class _Control:
    """The sandbox's control calls."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        connection.request(method, f"/_sandbox/{path}", json.dumps(body) if body else None, headers)
        answered = connection.getresponse().read()
        connection.close()
        return json.loads(answered)

    def answers(self) -> bool:
        try:
            self.call("GET", "clock")
        except OSError:
            return False
        return True


def _paying_customer(number: int, control: _Control) -> int:
    """€20 on the balance, a card mandate, and a rule that charges below €15."""
    facts = {"reference": f"charge-{number}", "name": "Bench", "email": "b@example.com", "kind": "business"}
    customer_id = in_unit_of_work(lambda: open_account(facts).customer_id)
    given_by = service.GivenBy(ip_address=None, user_id=None)
    made = service.request_top_up(
        get_customer(customer_id),
        20 * EURO,
        request_key="first",
        method="creditcard",
        save_method=True,
        consent_by=given_by,
    )
    control.call("POST", f"payments/{made.mollie_payment_id}/state", {"status": "paid", "wait": False})
    service.sync_payment(made.top_up_id)
    service.sync_mandates(customer_id)
    rule = service.RuleWish(
        enabled=True,
        threshold_micros=15 * EURO,
        amount_micros=25 * EURO,
        target_micros=None,
        monthly_maximum_micros=100 * EURO,
        consent_by=given_by,
    )
    in_unit_of_work(service.save_rule, customer_id, rule)
    return customer_id


def _use(stage: Stage, number: int) -> None:
    """The event that carries this customer below the threshold."""
    event = {
        "specversion": "1.0",
        "id": f"charge-{number}",
        "source": "bench",
        "type": "bench.1",
        "subject": f"charge-{number}",
        "time": datetime.now(UTC).isoformat(),
        "data": {"tokens": TOKENS},
    }
    address = urlsplit(stage.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port or 80, timeout=30)
    headers = {"Authorization": f"Bearer {stage.api_key}", "Content-Type": "application/cloudevents+json"}
    connection.request("POST", "/v1/events", json.dumps(event), headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        sys.exit(f"the event was refused: {answer.read().decode()}")
    connection.close()


def _latencies(stage: Stage, ids: list[int], control: _Control) -> list[float]:
    """Milliseconds per customer; fails when somebody was not charged."""
    deadline = time.monotonic() + 30
    asked: dict[int, datetime] = {}
    while len(asked) < len(ids) and time.monotonic() < deadline:
        time.sleep(0.5)
        for request in control.call("GET", "requests?method=POST&path=/v2/payments&limit=100000"):
            if request["body"]["sequenceType"] == "recurring":
                owner = customer_of(request["body"]["metadata"]["topup_id"])
                asked[owner] = datetime.fromisoformat(request["received_at"])
    if len(asked) < len(ids):
        sys.exit(f"only {len(asked)} of {len(ids)} customers were charged")
    with stage.connect() as connection:
        debits = connection.execute(
            "SELECT customer_id, max(created_at) FROM transfer "
            "WHERE customer_id = ANY(%s) AND kind = 'usage' GROUP BY customer_id",
            [ids],
        ).fetchall()
    db.session.rollback()
    return [(asked[customer_id] - debited_at).total_seconds() * 1000 for customer_id, debited_at in debits]

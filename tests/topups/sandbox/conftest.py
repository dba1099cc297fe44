"""A sandbox of its own for each test, the real client for it, and a receiver for its webhooks."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from mollie.api.client import Client

from topups.sandbox.server import Running, start

# Mollie's specification may not be kept here: who has a copy names it.
collect_ignore = [] if os.environ.get("MOLLIE_OPENAPI") else ["test_specification.py"]


@pytest.fixture
def running() -> Iterator[Running]:
    sandbox = start(seed=1)
    yield sandbox
    sandbox.stop()


@pytest.fixture
def mollie(running: Running) -> Any:
    client = Client(api_endpoint=running.url, retry=0, timeout=(2, 3))
    client.set_api_key("test_sandbox")
    return client


Control = Callable[..., Any]
READ_ONLY = {"deliveries", "requests", "totals", "clock", "faults", "outcomes"}


@pytest.fixture
def control(running: Running) -> Control:
    """`control("clock/advance", seconds=60)` posts, `control("deliveries")` gets; errors fail the test."""

    def call(path: str, **data: Any) -> Any:
        url = f"{running.url}/_sandbox/{path}"
        reads = not data and path.partition("?")[0] in READ_ONLY
        answer = requests.get(url, timeout=5) if reads else requests.post(url, json=data, timeout=30)
        answer.raise_for_status()
        return answer.json()

    return call


@dataclass
class Receiver:
    """A webhook endpoint: what it was told, and what it answers."""

    url: str
    ids: list[str] = field(default_factory=list)
    status: int = 200
    on_call: Callable[[str], object] | None = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            payment_id = parse_qs(body)["id"][0]
            heard.ids.append(payment_id)
            if heard.on_call:
                heard.on_call(payment_id)
            self.send_response(heard.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard = Receiver(f"http://127.0.0.1:{server.server_port}/webhook?t=1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield heard
    server.shutdown()
    thread.join()
    server.server_close()


def euro(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


@pytest.fixture
def pay(mollie: Any, receiver: Receiver) -> Callable[..., Any]:
    """`pay("25.00", method="ideal")` makes a payment that its webhook and page know."""

    def create(value: str = "25.00", **data: Any) -> Any:
        wanted = {
            "amount": euro(value),
            "description": "Top-up",
            "redirectUrl": "http://127.0.0.1/return",
            "webhookUrl": receiver.url,
            **data,
        }
        return mollie.payments.create({key: each for key, each in wanted.items() if each is not None})

    return create


@pytest.fixture
def mandate_of(mollie: Any, pay: Callable[..., Any], control: Control) -> Callable[..., tuple[str, str]]:
    """`mandate_of("ideal")` is a new customer with a mandate from a paid first payment."""

    def create(method: str = "ideal") -> tuple[str, str]:
        customer = mollie.customers.create({"name": "J. Jansen", "email": "j.jansen@example.org"})
        first = pay(customerId=customer.id, sequenceType="first", method=method)
        control(f"payments/{first.id}/state", status="paid")
        return customer.id, mollie.payments.get(first.id).mandate_id

    return create


@pytest.fixture
def charge(pay: Callable[..., Any]) -> Callable[..., Any]:
    """`charge(customer_id, mandate_id, "25.00")` charges a mandate."""

    def create(customer_id: str, mandate_id: str | None, value: str = "25.00", **data: Any) -> Any:
        return pay(
            value,
            customerId=customer_id,
            mandateId=mandate_id,
            sequenceType="recurring",
            redirectUrl=None,
            **data,
        )

    return create

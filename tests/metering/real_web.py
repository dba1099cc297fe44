"""A real web process, as `make run` starts it, on a test's database; and programs that send until told."""

import http.client
import json
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.embedded import BASE_ENV
from app.run.plan import ROOT, Addresses, Plan
from app.run.processes import end_session, spawn, wait_until
from tests.fixtures.outside import free_port, listens


@dataclass
class RealWeb:
    """Granian with one worker; it can be killed and started again on its port."""

    settings: Settings
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        facts = self.settings
        environment = BASE_ENV | {
            "SECRET_KEY": facts.secret_key,
            "DATABASE_URL": facts.database_url,
            "OWNER_DATABASE_URL": facts.owner_database_url,
            "REDIS_URL": facts.redis_url,
            "MOLLIE_API_KEY": facts.mollie_api_key,
            "DATABASE_POOL_SIZE": "5",
            "LOG_FORMAT": "text",
        }
        plan = Plan({"WEB_WORKERS": "1"}, self.log.parent, Addresses(self.port, 1, 1, 1))
        with self.log.open("ab") as output:
            self.process = spawn(plan.product()[0].command, env=environment, output=output, cwd=ROOT)
        process = self.process
        wait_until(lambda: process.poll() is not None or listens(self.port), timeout_seconds=60)
        if process.poll() is not None:
            pytest.fail(self.log.read_text())

    def kill(self) -> None:
        """`kill -9` of the worker that serves, and of the rest."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        end_session(self.process.pid, timeout_seconds=0)


@dataclass
class Sender:
    """Sends batches one after the other, each again until it is answered; notes what was acknowledged."""

    port: int
    authorization: str
    make_batch: Callable[[int], list[dict[str, Any]]]
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    retries: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            batch = self.make_batch(number)
            while not self._is_answered(batch):
                self.retries += 1
                self.stop.wait(0.02)
            self.acknowledged += batch
            number += 1

    def _is_answered(self, batch: list[dict[str, Any]]) -> bool:
        """Whether the batch is known to be recorded. What is not known is sent again."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/events", json.dumps(batch), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if answer.status == 503:
            return False
        assert answer.status == 200, content
        told = json.loads(content)
        assert told["accepted"] + told["duplicates"] == len(batch), told
        return True

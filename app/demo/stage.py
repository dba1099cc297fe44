"""The stage: the product itself, served over HTTP in this process, on a clock that can be moved.

What must stay true: the product's clock and Mollie's show the same time; nothing else serves the product
meanwhile, since it would live in another time; both clocks are back in real time when the stage is left.
"""

import http.client
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit

from flask import Flask
from redis import Redis
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from app import clock
from app.config import Settings
from app.db import db, in_unit_of_work
from app.demo.client import Client
from app.schedule import send_due

PATIENCE_SECONDS: Final = 30.0
LOOPBACK: Final = ("127.0.0.1", "localhost")


class StageError(RuntimeError):
    """The demo cannot be played here; the message says why."""


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, _code: int | str = "-", _size: int | str = "-") -> None:
        """The demo's own requests are no news."""


@dataclass
class Stage:
    """The running product and the Mollie beside it."""

    app: Flask
    settings: Settings
    sandbox: Client
    failures: list[str] = field(default_factory=list)

    def travel_to(self, moment: datetime) -> None:
        """Both clocks go to `moment`; what falls due at Mollie on the way happens, webhooks included."""
        clock.travel_to(moment)
        self.sandbox.post("/_sandbox/clock/set", {"now": moment.isoformat()})

    def run_jobs(self) -> None:
        """Run what waits in the queues, here and now. Jobs that fail are noted and retried by RQ later."""
        queues = list(cast("dict[str, Queue]", self.app.extensions["queues"]).values())
        while any(queue.count for queue in queues):
            worker = _Worker(
                queues,
                connection=cast("Redis", self.app.extensions["redis"]),
                exception_handlers=[self._note_failure],
            )
            worker.stage = self
            worker.work(burst=True, logging_level="WARNING")

    def run_schedule(self) -> None:
        """Send the recurring jobs that are due at the stage's time, as the scheduler would."""
        in_unit_of_work(send_due, self.app.extensions.get("schedule", []))
        db.session.remove()
        self.run_jobs()

    def _note_failure(self, job: Job, kind: type[BaseException], error: BaseException, _trace: Any) -> bool:
        self.failures.append(f"{job.func_name}{job.args}: {kind.__name__}: {error}")
        return True


class _Worker(SimpleWorker):
    stage: Stage

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        with self.stage.app.app_context():
            return super().perform_job(job, queue, execution)

    def _install_signal_handlers(self) -> None:
        """A signal ends the loader at once: what it began is emptied by the next start."""


@contextmanager
def stage(app: Flask, settings: Settings) -> Iterator[Stage]:
    """Serve the app where Mollie's webhooks will look for it. Raises StageError when that is taken."""
    server = _server(app, settings)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    ready = Stage(app, settings, Client(settings.mollie_api_url))
    try:
        _await_sandbox(ready.sandbox)
        yield ready
    finally:
        clock.travel_back()
        try:
            ready.sandbox.post("/_sandbox/clock/reset", {})
        except (OSError, http.client.HTTPException):
            say("the Mollie sandbox is gone, its clock stays where it was until the next load")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _await_sandbox(sandbox: Client) -> None:
    """It may have been started a moment ago. Raises StageError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            sandbox.get("/_sandbox/clock")
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                raise StageError(f"the Mollie sandbox does not answer at {sandbox.url}") from error
            time.sleep(0.1)
        else:
            return


def _server(app: Flask, settings: Settings) -> BaseWSGIServer:
    address = urlsplit(settings.webhook_base_url)
    if urlsplit(settings.mollie_api_url).hostname not in LOOPBACK or address.hostname not in LOOPBACK:
        raise StageError("demo data is only loaded with the Mollie sandbox, and on loopback")
    try:
        return make_server("127.0.0.1", address.port or 80, app, threaded=True, request_handler=_QuietHandler)
    except (OSError, SystemExit) as error:
        raise StageError(
            f"{settings.webhook_base_url} is taken: demo data is loaded before the web server starts"
        ) from error


def say(text: str) -> None:
    """For whoever started the loader; its standard output is for the accounts alone."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

"""Attention: after the commit, a job looks at each customer whose balance fell through its mark.

The queue must never hold up an event, so a thread of its own sends the jobs; whoever fell waits for it a
moment at most. A job that is lost is found by the sweep over `balance.attention_at`.
"""

import threading
from collections.abc import Sequence
from queue import Empty, Full, Queue
from typing import Final, cast

import structlog
from flask import Flask, current_app

from app.jobs import enqueue

WAIT_SECONDS: Final = 0.1
IDLE_SECONDS: Final = 20.0
MAX_WAITING: Final = 1_000
_EXTENSION: Final = "metering.attention"
_subscribed: dict[str, str] = {}
_log = structlog.get_logger("metering.attention")


class Attention:
    """The thread that sends attention jobs."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._queue: Queue[tuple[Sequence[int], threading.Event]] = Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._is_running = False

    def tell(self, customer_ids: Sequence[int]) -> None:
        """Have a job look at these customers; waits until it is sent, but no longer than a moment."""
        if "job" not in _subscribed:
            return
        sent = threading.Event()
        try:
            self._queue.put_nowait((customer_ids, sent))
        except Full:
            _log.warning("attention jobs are left to the sweep", customers=len(customer_ids))
            return
        with self._lock:
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="attention", daemon=True).start()
        sent.wait(WAIT_SECONDS)

    def _run(self) -> None:
        while True:
            try:
                customer_ids, sent = self._queue.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._queue.empty():
                        self._is_running = False
                        return
                continue
            try:
                self._send(customer_ids)
            except Exception:  # noqa: BLE001  # whatever it is, the thread goes on and the sweep finds them
                _log.exception("attention jobs are left to the sweep", customers=len(customer_ids))
            finally:
                sent.set()

    def _send(self, customer_ids: Sequence[int]) -> None:
        with self._app.app_context():
            for customer_id in customer_ids:
                enqueue(_subscribed["job"], customer_id, queue="urgent")


def init_app(app: Flask) -> None:
    """Give this application its attention thread."""
    app.extensions[_EXTENSION] = Attention(app)


def attention() -> Attention:
    """The running application's."""
    return cast("Attention", current_app.extensions[_EXTENSION])


def set_attention_job(job: str) -> None:
    """Name the job, by its dotted path, that takes a customer's id and looks at its balance."""
    _subscribed["job"] = job

"""One sandbox: its memory, its clock, its dice and its couriers."""

import random
import secrets
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from flask import current_app

from topups.sandbox.clock import Clock
from topups.sandbox.store import Store

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"


class World:
    """`pump` is held by whoever makes time pass and sends what falls due: the ticker, or a control call."""

    def __init__(self, state: Path | None = None, seed: int = 0) -> None:
        self.store = Store(state)
        offset = self.store.setting("clock_offset_seconds")
        self.clock = Clock(timedelta(seconds=float(offset)) if offset else timedelta())
        self.random = random.Random(seed)  # noqa: S311 - dice for faults, seeded so that a run can be repeated
        self.pump = threading.Lock()
        self.wake = threading.Event()
        self.ended = threading.Event()
        self.couriers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="sandbox-courier")
        self.under_way: set[Future[None]] = set()

    def now(self) -> datetime:
        return self.clock.now()

    def remember_clock(self) -> None:
        self.store.set_setting("clock_offset_seconds", str(self.clock.offset.total_seconds()))

    def reset(self, seed: int) -> None:
        with self.store.lock:
            self.store.clear()
            self.clock.reset()
            self.random.seed(seed)

    def close(self) -> None:
        self.couriers.shutdown(wait=True, cancel_futures=True)
        self.store.close()


def world() -> World:
    """The sandbox of the request at hand."""
    found = current_app.extensions["sandbox"]
    assert isinstance(found, World)  # noqa: S101 - put there by create_app
    return found


def new_id(prefix: str) -> str:
    """An id like Mollie's; never from the seeded dice, which would repeat after a restart."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(12))

"""The last 5,000 requests, live: about five a second for each customer, from the first sign-in on.

What must stay true: a row is counted as fed only once the API has taken it, and keeps its id and time
until then, so that a lost answer or a restart records nothing twice; whatever goes wrong, the feeder waits
and tries again, and nothing else suffers.
"""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.clock import utc_now
from app.config import Settings
from app.customers.sign_in import find_user
from app.db import db
from app.demo.cast import CUSTOMERS, OPERATOR
from app.demo.client import Client, Refused, api_client
from app.demo.load import FED
from app.demo.replay import event, trace
from app.demo.story import ROWS_THIS_MONTH

PAUSE_SECONDS: Final = 0.2
LOOK_EVERY_SECONDS: Final = 1.0
TROUBLE_SECONDS: Final = 5.0
BATCH_TYPE: Final = "application/cloudevents-batch+json"
_log = structlog.get_logger("demo.feed")


@dataclass
class Feeder:
    """Feeds what is left, from where it stopped."""

    api: Client
    progress: Path

    def run(self, *, most: int | None = None, pause: Callable[[float], None] = time.sleep) -> int:
        """Feed to the end, or `most` rows; answers how many rows were fed."""
        began_with = row = self.next_row()
        last = len(trace()) if most is None else min(len(trace()), row + most)
        while row < last:
            began = time.monotonic()
            self._feed(row, pause)
            row += 1
            self._note(row)
            pause(max(0.0, PAUSE_SECONDS - (time.monotonic() - began)))
        return row - began_with

    def next_row(self) -> int:
        try:
            return max(ROWS_THIS_MONTH, int(json.loads(self.progress.read_text())["next_row"]))
        except (OSError, ValueError, KeyError, TypeError):
            return ROWS_THIS_MONTH

    def _note(self, next_row: int) -> None:
        """Beside its final name first: a note that was cut short would mean the beginning."""
        partial = self.progress.with_name(self.progress.name + ".partial")
        partial.write_text(json.dumps({"next_row": next_row}))
        partial.rename(self.progress)

    def _feed(self, row: int, pause: Callable[[float], None]) -> None:
        """One request of every customer, the same until the API has taken it."""
        now = utc_now()
        events = [event(c.reference, f"live-{row + 1:05d}", now, trace()[row]) for c in CUSTOMERS]
        while True:
            try:
                answer = self.api.post("/v1/events", events, content_type=BATCH_TYPE)
            except (OSError, http.client.HTTPException, Refused, ValueError) as error:
                _log.warning("feed_waits", row=row, error=str(error))
                pause(TROUBLE_SECONDS)
                continue
            if answer["rejected"]:
                # A conflict: this row was taken before, when its answer or our note was lost.
                _log.info("feed_rejected", row=row, rejected=answer["rejected"])
            return


def feed(settings: Settings) -> None:
    """Wait for the first sign-in, then feed. In the application's context; ends when all is fed."""
    progress = settings.home / FED
    if Feeder(Client(settings.public_url), progress).next_row() >= len(trace()):
        return
    while not _somebody_signed_in():
        time.sleep(LOOK_EVERY_SECONDS)
    api_key = _api_key(settings)
    _log.info("feed_begins")
    Feeder(api_client(settings.public_url, api_key), progress).run()
    _log.info("feed_ends")


def _somebody_signed_in() -> bool:
    """Whether one of the demo's people has ever signed in. A database that is away is asked again."""
    people = [*(customer.person for customer in CUSTOMERS), OPERATOR]
    try:
        users = [find_user(person.email) for person in people]
        return any(user is not None and user.last_sign_in_at is not None for user in users)
    except SQLAlchemyError:
        return False
    finally:
        db.session.remove()


def _api_key(settings: Settings) -> str:
    """The key that the loader made, from the file that tells people of it."""
    listed = settings.home / "demo.json"
    while True:
        try:
            found: Any = json.loads(listed.read_text())["api_key"]
        except (OSError, ValueError, KeyError, TypeError):
            found = None
        if isinstance(found, str):
            return found
        time.sleep(LOOK_EVERY_SECONDS)

"""A month close whose workers are killed again and again: what was issued must stay, once, without a gap.

The workers are real ones in processes of their own, and so is the SMTP server. What the scheduler would do
some minutes later is done here, on a clock that goes on by ten minutes after each kill.
"""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path
from random import Random
from typing import Any, Final

from redis import Redis
from rq import Worker
from sqlalchemy import text

from app import clock, mail
from app.config import Settings
from app.db import db
from app.run.plan import ROOT
from app.run.processes import end, end_session, spawn, wait_until
from invoicing import jobs, service

START_SECONDS: Final = 120
LATER: Final = timedelta(minutes=10)

_INVOICES = "SELECT number, customer_id, total_cents, due_cents FROM invoice"
_FILES = """
SELECT i.number, d.kind, d.sha256 FROM invoice_document d JOIN invoice i USING (customer_id, invoice_id)
"""
_MAILS = "SELECT dedupe_key, mail_id FROM mail_message WHERE template = 'invoice_ready'"
_MARKS = """
SELECT (SELECT count(*) FROM invoice), (SELECT count(*) FROM invoice_document),
       (SELECT count(*) FROM mail_message WHERE status = 'sent')
"""
_LEFT = """
SELECT (SELECT count(*) FROM close_chunk WHERE finished_at IS NULL),
       (SELECT count(*) FROM invoice)
         - (SELECT count(*) FROM mail_message
            WHERE template = 'invoice_ready' AND status IN ('sent', 'unsure'))
"""
_UNSURE = "SELECT recipient FROM mail_message WHERE status = 'unsure'"


@dataclass(frozen=True)
class Seen:
    """What was issued, stored and written to be mailed at one moment."""

    invoices: dict[str, tuple[Any, ...]]
    files: dict[tuple[str, str], str]
    mails: dict[str, int]

    def changed_in(self, later: "Seen") -> list[str]:
        """What is not there any more, or not the same."""
        pairs: list[tuple[Mapping[Any, Any], Mapping[Any, Any]]] = [
            (self.invoices, later.invoices),
            (self.files, later.files),
            (self.mails, later.mails),
        ]
        return [str(key) for mine, theirs in pairs for key in mine if theirs.get(key) != mine[key]]


def look() -> Seen:
    db.session.rollback()
    invoices = {row[0]: tuple(row[1:]) for row in db.session.execute(text(_INVOICES))}
    files = {(row[0], row[1]): row[2] for row in db.session.execute(text(_FILES))}
    mails = {row[0]: row[1] for row in db.session.execute(text(_MAILS))}
    db.session.rollback()
    return Seen(invoices, files, mails)


def wrongly_mailed(messages: list[EmailMessage], addresses: list[str]) -> list[str]:
    """Who got more than one mail; and who got none, unless the operator is told that this is not known."""
    got = Counter(str(message["To"]) for message in messages)
    unsure = set(db.session.scalars(text(_UNSURE)))
    db.session.rollback()
    twice = [f"{count} mails to {address}" for address, count in got.items() if count != 1]
    return twice + [f"no mail to {address}" for address in addresses if address not in unsure | got.keys()]


@dataclass
class KilledClose:
    """The installation whose workers are killed. `environ` is theirs."""

    settings: Settings
    environ: Mapping[str, str]
    log: Path
    random: Random
    patience_seconds: float = 600

    def run(self, month: date, pauses_seconds: list[float]) -> list[Seen]:
        """Close a month; kill two workers, or one, after each of these pauses; what was there then.

        The last is what is there when all is done.
        """
        service.start_close(month)
        seen: list[Seen] = []
        for turn, pause in enumerate(pauses_seconds):
            self._work_and_die(2 - turn % 2, pause)
            seen.append(look())
            self._ten_minutes_later()
        self._finish()
        return [*seen, look()]

    def _work_and_die(self, workers: int, pause_seconds: float) -> None:
        before = _counts(_MARKS)
        running = self._start(workers)
        # The pause counts from the first thing they do.
        wait_until(lambda: _counts(_MARKS) != before, timeout_seconds=START_SECONDS)
        time.sleep(self.random.uniform(0, pause_seconds))
        for worker in running:
            worker.send_signal(signal.SIGKILL)
        for worker in running:
            worker.wait()
            end_session(worker.pid)

    def _finish(self) -> None:
        running = self._start(2)
        try:
            deadline = time.monotonic() + self.patience_seconds
            while any(_counts(_LEFT)):
                if time.monotonic() > deadline:
                    left = _counts(_LEFT)
                    raise TimeoutError(f"chunks, mails left: {left}\n{self.log.read_text()[-4000:]}")
                self._ten_minutes_later()
                wait_until(lambda: not any(_counts(_LEFT)), timeout_seconds=5)
        finally:
            for worker in running:
                end(worker, first=signal.SIGTERM)

    def _start(self, count: int) -> list[subprocess.Popen[bytes]]:
        """Workers whose clock is ours, each of them waiting for work."""
        command = [sys.executable, "-m", "tests.fixtures.late_worker", clock.utc_now().isoformat()]
        with self.log.open("ab") as output:
            running = [spawn(command, env=self.environ, output=output, cwd=ROOT) for _ in range(count)]
        pids = {worker.pid for worker in running}
        if not wait_until(lambda: pids <= registered(self.settings), timeout_seconds=START_SECONDS):
            raise TimeoutError(f"the workers do not start\n{self.log.read_text()[-4000:]}")
        return running

    @staticmethod
    def _ten_minutes_later() -> None:
        """What the schedule does when nobody has worked on something for some minutes."""
        clock.travel_to(clock.utc_now() + LATER)
        steps: list[Callable[[], None]] = [jobs.close_due, jobs.render_missing, mail.send_waiting]
        for step in steps:
            step()
            db.session.rollback()


def registered(settings: Settings) -> set[int | None]:
    """The process ids of workers that wait for work or do it."""
    with Redis.from_url(settings.redis_url) as redis:
        return {worker.pid for worker in Worker.all(connection=redis)}


def _counts(statement: str) -> tuple[int, ...]:
    db.session.rollback()
    counts = db.session.execute(text(statement)).one()
    db.session.rollback()
    return tuple(int(count) for count in counts)

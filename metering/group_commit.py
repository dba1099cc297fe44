"""Group commit: requests that arrive together are recorded in one transaction.

A web process has one committing thread. It takes what waits, up to a limit, records it in one transaction and
answers each request after the commit: single-event requests share one fsync, and a hot customer's events do
not queue for its lock. Verdicts are per event. A large batch is recorded in parts. When data breaks a joined
transaction, each part runs alone, and a broken part is halved until the guilty event stands alone. The queue
is bounded: when it is full, the request is told to come back.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, cast

import structlog
from flask import Flask, current_app
from psycopg import errors
from sqlalchemy.exc import DatabaseError as SqlalchemyError
from sqlalchemy.exc import OperationalError as SqlalchemyOperationalError

from app.db import MAX_ATTEMPTS, in_unit_of_work
from app.errors import Unavailable
from app.ledger.debits import LockedBalance
from metering.attention import attention
from metering.cloudevents import UsageEvent
from metering.recorder import Recorded, record
from metering.verdicts import Verdict

PART_EVENTS: Final = 1_000
GROUP_EVENTS: Final = 4_000
IDLE_SECONDS: Final = 20.0
ANSWER_SECONDS: Final = 60.0
_EXTENSION: Final = "metering.group_commit"
_log = structlog.get_logger("metering.group_commit")


@dataclass(slots=True)
class Committed:
    """What became of the events of one request, in their order, and who fell through a mark."""

    verdicts: list[Verdict] = field(default_factory=list)
    balances: dict[int, LockedBalance] = field(default_factory=dict)
    crossed: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Part:
    """Events of one request that are recorded together; the thread that waits holds the future."""

    events: Sequence[UsageEvent]
    done: "Future[Recorded]" = field(default_factory=Future)


class GroupCommitter:
    """The queue and the thread of one process. The thread ends when idle and starts again when needed."""

    def __init__(self, app: Flask, limit_parts: int) -> None:
        self._app = app
        self._limit_parts = limit_parts
        self._waiting: deque[_Part] = deque()
        self._condition = threading.Condition()
        self._is_running = False

    def submit(self, events: Sequence[UsageEvent]) -> Committed:
        """Record the events; returns once they are durable. Raises Unavailable when the queue is full."""
        parts = [_Part(events[at : at + PART_EVENTS]) for at in range(0, len(events), PART_EVENTS)]
        with self._condition:
            if len(self._waiting) + len(parts) > self._limit_parts:
                raise Unavailable(retry_after_seconds=1)
            self._waiting.extend(parts)
            if not self._is_running:
                self._start()
            self._condition.notify()
        committed = Committed()
        for part in parts:
            recorded = _result(part)
            committed.verdicts.extend(recorded.verdicts)
            committed.balances.update(recorded.balances)
            committed.crossed.extend(recorded.crossed)
        return committed

    def _start(self) -> None:
        """Start the thread; the condition is held."""
        threading.Thread(target=self._run, name="group-commit", daemon=True).start()
        self._is_running = True

    def _run(self) -> None:
        """Commit until idle. However the thread ends, what came in the meantime gets another."""
        try:
            while group := self._next_group():
                self._commit_group(group)
        finally:
            with self._condition:
                self._is_running = False
                if self._waiting:
                    self._start()

    def _commit_group(self, group: Sequence[_Part]) -> None:
        try:
            with self._app.app_context():
                _commit(group)
        except BaseException as error:
            _fail(group, error)
            if not isinstance(error, Exception):
                raise

    def _next_group(self) -> list[_Part]:
        """What waits, oldest first, up to the limit; nothing when the thread has been idle."""
        with self._condition:
            self._condition.wait_for(lambda: bool(self._waiting), IDLE_SECONDS)
            group: list[_Part] = []
            events = 0
            while self._waiting and (not group or events + len(self._waiting[0].events) <= GROUP_EVENTS):
                part = self._waiting.popleft()
                events += len(part.events)
                group.append(part)
            return group


def _result(part: _Part) -> Recorded:
    """What became of a part. Raises Unavailable when that is not known: the sender tries again."""
    try:
        return part.done.result(ANSWER_SECONDS)
    except (TimeoutError, SqlalchemyOperationalError, errors.OperationalError) as error:
        raise Unavailable from error


def init_app(app: Flask) -> None:
    """Give this application its committer."""
    limit = app.extensions["settings"].group_commit_queue
    app.extensions[_EXTENSION] = GroupCommitter(app, limit)


def commit_events(events: Sequence[UsageEvent]) -> Committed:
    """Record events of known customers together with what others send now. Durable when it returns.

    Customers who fell through their mark are looked at by a job; that is waited for a moment only.
    """
    if not events:
        return Committed()
    committed = cast("GroupCommitter", current_app.extensions[_EXTENSION]).submit(events)
    if committed.crossed:
        attention().tell(committed.crossed)
    return committed


def _commit(group: Sequence[_Part]) -> None:
    """Record a group in one transaction; part by part when data breaks that."""
    events = [event for part in group for event in part.events]
    try:
        recorded = _record(events)
    except Exception as error:
        if not _is_data_error(error):
            raise
        _log.warning("a joined transaction broke", parts=len(group), events=len(events), error=str(error))
        if len(group) > 1:
            for part in group:
                _commit_alone(part)
        else:
            group[0].done.set_result(_bisect(events, error))
        return
    _answer(group, recorded)


def _record(events: Sequence[UsageEvent]) -> Recorded:
    """Record in a transaction of its own, again after a deadlock or serialisation failure."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return in_unit_of_work(record, events)
        except (errors.DeadlockDetected, errors.SerializationFailure):
            if attempt == MAX_ATTEMPTS:
                raise
            time.sleep(0.02 * attempt)
    raise AssertionError("unreachable")


def _commit_alone(part: _Part) -> None:
    try:
        _commit([part])
    except Exception as error:  # noqa: BLE001  # whoever waits for this part is told, the others go on
        _fail([part], error)


def _answer(group: Sequence[_Part], recorded: Recorded) -> None:
    """Give each part its verdicts, the balances of its customers, and who of them fell."""
    at = 0
    fallen = set(recorded.crossed)
    for part in group:
        verdicts = recorded.verdicts[at : at + len(part.events)]
        at += len(part.events)
        ids = {event.customer_id for event in part.events}
        balances = {i: recorded.balances[i] for i in ids if i in recorded.balances}
        part.done.set_result(Recorded(verdicts, balances, sorted(fallen & ids)))


def _fail(group: Sequence[_Part], error: BaseException) -> None:
    for part in group:
        if not part.done.done():
            part.done.set_exception(error)
    _log.error("events were not recorded", parts=len(group), exc_info=error)


def _bisect(events: Sequence[UsageEvent], error: Exception) -> Recorded:
    """Record the events that can be, by halves; the one that breaks its own transaction is refused."""
    if len(events) == 1:
        _log.error("the database refused an event", event_id=events[0].event_id, exc_info=error)
        return Recorded([Verdict.NOT_RECORDED], {}, [])
    middle = len(events) // 2
    joined = Recorded([], {}, [])
    for half in (events[:middle], events[middle:]):
        try:
            recorded = _record(half)
        except Exception as again:
            if not _is_data_error(again):
                raise
            recorded = _bisect(half, again)
        joined.verdicts.extend(recorded.verdicts)
        joined.balances.update(recorded.balances)
        joined.crossed.extend(recorded.crossed)
    return joined


def _is_data_error(error: Exception) -> bool:
    """Whether the data itself is to blame, so that the same transaction would fail again."""
    cause: Any = error.orig if isinstance(error, SqlalchemyError) else error
    return isinstance(cause, errors.DataError | errors.IntegrityError)

"""Where the time of a batch goes: the steps of one request, inside one process without HTTP's server."""

import json
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

import structlog
from psycopg import Connection, Cursor

from app.clock import utc_now
from tests.bench.stage import CUSTOMERS, Stage

BATCHES: Final = 30


def profile_batches(stage: Stage) -> dict[str, float]:
    """Milliseconds per batch of 1,000 events: each statement as the client waits for it, the rest is ours."""
    # A request is logged in the running product too, and written nowhere here.
    logging.getLogger().setLevel(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    client = stage.app.test_client()
    headers = {"Authorization": f"Bearer {stage.api_key}"}
    bodies = [_body(number) for number in range(2 * BATCHES)]
    spent: defaultdict[str, float] = defaultdict(float)
    for body in bodies[:BATCHES]:
        client.post("/v1/events", data=body, headers=headers, content_type="application/json")
    with _timed_statements(spent):
        began = time.perf_counter()
        for body in bodies[BATCHES:]:
            answer = client.post("/v1/events", data=body, headers=headers, content_type="application/json")
            if answer.status_code != 200 or answer.get_json()["rejected"]:
                raise RuntimeError(answer.text)
        spent["whole"] = time.perf_counter() - began
    spent["Python"] = 2 * spent["whole"] - sum(spent.values())
    return {step: seconds / BATCHES * 1000 for step, seconds in spent.items()}


def _body(batch: int) -> bytes:
    numbers = random.Random(batch)  # noqa: S311 -- only load
    now = utc_now().isoformat()
    events = [
        {
            "specversion": "1.0",
            "id": f"profile-{batch}-{n}",
            "source": "bench/profile",
            "type": f"bench.{numbers.randrange(3)}",
            "subject": f"b{numbers.randrange(CUSTOMERS)}",
            "time": now,
            "data": {"tokens": numbers.randrange(5000), "model": "large"},
        }
        for n in range(1000)
    ]
    return json.dumps(events).encode()


@contextmanager
def _timed_statements(spent: defaultdict[str, float]) -> Iterator[None]:
    """Note how long the driver's calls take while this is open."""
    execute, copy, commit = Connection.execute, Cursor.copy, Connection.commit

    def timed(name: Callable[..., str], function: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(self, *args, **kwargs)
            finally:
                spent[name(*args)] += time.perf_counter() - began

        return call

    @contextmanager
    def timed_copy(self: Any, statement: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        began = time.perf_counter()
        with copy(self, statement, *args, **kwargs) as stream:
            yield stream
        spent[_short(statement)] += time.perf_counter() - began

    Connection.execute = timed(_short, execute)  # type: ignore[method-assign]
    Connection.commit = timed(lambda: "COMMIT", commit)  # type: ignore[method-assign]
    Cursor.copy = timed_copy  # type: ignore[method-assign]
    try:
        yield
    finally:
        Connection.execute, Connection.commit = execute, commit  # type: ignore[method-assign]
        Cursor.copy = copy  # type: ignore[method-assign]


def _short(statement: Any, *_: Any) -> str:
    words = str(statement).split()
    table = next((after for word, after in pairwise(words) if word in ("FROM", "JOIN")), "")
    return " ".join([*words[:2], "…", table]) if words[0] == "SELECT" else " ".join(words[:2])

"""How often one address may do a thing: counted per window in Redis, for pages that anybody may open.

Without Redis each process counts for itself: nobody is shut out, and nobody may try without end.
"""

import time
from threading import Lock
from typing import Final

import structlog
from redis.exceptions import RedisError

from app.errors import TooManyRequests
from app.jobs import redis_connection

_log = structlog.get_logger("app.throttle")
_MOST_KEPT: Final = 10_000
_own_counts: dict[str, tuple[float, int]] = {}
_own_lock: Final = Lock()


def throttle(what: str, whose: str, *, most: int, window_seconds: int) -> None:
    """Count one more. Raises TooManyRequests when there were more than `most` in this window.

    A window begins with the first time it counts.
    """
    key = f"throttle:{what}:{whose[:254]}"
    try:
        with redis_connection().pipeline() as pipeline:
            pipeline.set(key, 0, ex=window_seconds, nx=True)
            pipeline.incr(key)
            count = int(pipeline.execute()[1])
    except RedisError as error:
        _log.warning("throttle_counts_in_process", what=what, detail=str(error))
        count = _count_here(key, window_seconds)
    if count > most:
        raise TooManyRequests(retry_after_seconds=window_seconds)


def _count_here(key: str, window_seconds: int) -> int:
    now = time.monotonic()
    with _own_lock:
        ends, count = _own_counts.get(key, (0.0, 0))
        if ends <= now:
            ends, count = now + window_seconds, 0
        if key not in _own_counts and len(_own_counts) >= _MOST_KEPT:
            _own_counts.clear()
        _own_counts[key] = (ends, count + 1)
        return count + 1


def forget_own_counts() -> None:
    """For tests, whose Redis comes and goes within one process."""
    _own_counts.clear()

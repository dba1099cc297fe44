"""How often one address may do a thing: counted per window in Redis, for pages that anybody may open.

Without Redis nothing is counted and nobody is refused: no page depends on it.
"""

import time

import structlog
from redis.exceptions import RedisError

from app.errors import TooManyRequests
from app.jobs import redis_connection

_log = structlog.get_logger("app.throttle")


def throttle(what: str, whose: str, *, most: int, window_seconds: int) -> None:
    """Count one more. Raises TooManyRequests when there were more than `most` in this window."""
    window = int(time.time()) // window_seconds
    key = f"throttle:{what}:{whose}:{window}"
    try:
        with redis_connection().pipeline() as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, window_seconds * 2)
            count = int(pipeline.execute()[0])
    except RedisError as error:
        _log.warning("throttle_not_counted", what=what, detail=str(error))
        return
    if count > most:
        raise TooManyRequests(retry_after_seconds=window_seconds)

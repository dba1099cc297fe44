"""Jobs: sent to RQ after the commit, named by their dotted path, run in the application's context.

Jobs take ids, may run twice, and can be found again from rows: losing Redis loses none of them for good.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, cast

import structlog
from flask import Flask, current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as ConnectionRetry
from rq import Queue, Retry
from rq.job import Job
from rq.registry import FailedJobRegistry

from app.clock import utc_now
from app.config import Settings
from app.db import after_commit

QueueName = Literal["urgent", "default", "bulk"]
QUEUES: Final[tuple[QueueName, ...]] = ("urgent", "default", "bulk")
RETRY_SECONDS: Final = (5, 30, 120, 600, 3600)
FAILED_TTL_SECONDS: Final = 90 * 24 * 3600
JOB_TIMEOUT_SECONDS: Final = 600
_log = structlog.get_logger("jobs")


@dataclass(frozen=True)
class FailedJob:
    """What the operator sees of a job that gave up."""

    job_id: str
    queue: str
    function: str
    arguments: str
    failed_at: datetime | None
    error: str


def init_app(app: Flask, settings: Settings) -> None:
    connection = connect(settings.redis_url)
    app.extensions["redis"] = connection
    app.extensions["queues"] = {name: Queue(name, connection=connection) for name in QUEUES}


def connect(url: str) -> Redis:
    """A connection that says soon when Redis is away: whoever asks goes on without it, or tries again."""
    return Redis.from_url(
        url,
        socket_connect_timeout=1,
        socket_timeout=5,
        health_check_interval=30,
        retry=ConnectionRetry(NoBackoff(), 1),
    )


def redis_connection() -> Redis:
    return cast("Redis", current_app.extensions["redis"])


def queue_named(name: str) -> Queue:
    return cast("dict[str, Queue]", current_app.extensions["queues"])[name]


def enqueue(
    function: str,
    *args: str | int,
    queue: QueueName = "default",
    job_id: str | None = None,
    retry_seconds: Sequence[int] = RETRY_SECONDS,
    delay: timedelta | None = None,
) -> None:
    """Send a job once the open unit of work is committed. A lost Redis is logged, never raised."""
    target = queue_named(queue)
    job = target.create_job(
        function,
        args=args,
        job_id=re.sub(r"[^A-Za-z0-9_-]", "-", job_id) if job_id else None,
        retry=Retry(max=len(retry_seconds), interval=list(retry_seconds)) if retry_seconds else None,
        result_ttl=0,
        failure_ttl=FAILED_TTL_SECONDS,
        timeout=JOB_TIMEOUT_SECONDS,
    )

    def send() -> None:
        try:
            if delay is None:
                target.enqueue_job(job)
            else:
                target.schedule_job(job, utc_now() + delay)
        except RedisError:
            _log.warning("job_not_sent", function=function, args=args)

    after_commit(send)


def failed_jobs(limit: int = 100) -> list[FailedJob]:
    """The jobs that gave up, newest first."""
    found: list[FailedJob] = []
    for name in QUEUES:
        registry = FailedJobRegistry(queue=queue_named(name))
        jobs = Job.fetch_many(registry.get_job_ids(0, limit), connection=redis_connection())
        found.extend(_describe(job, name) for job in jobs if job is not None)
    return sorted(found, key=lambda j: j.failed_at.timestamp() if j.failed_at else 0, reverse=True)[:limit]


def retry_failed_job(job_id: str) -> None:
    """Put a failed job back into its queue. Raises NoSuchJobError when it is gone."""
    job = Job.fetch(job_id, connection=redis_connection())
    FailedJobRegistry(name=job.origin, connection=redis_connection()).requeue(job)


def _describe(job: Job, queue: str) -> FailedJob:
    result = job.latest_result()
    trace = (result.exc_string if result else None) or ""
    return FailedJob(
        job_id=job.id,
        queue=queue,
        function=job.func_name or "",
        arguments=", ".join(str(argument) for argument in job.args),
        failed_at=job.ended_at,
        error=trace.strip().splitlines()[-1] if trace.strip() else "",
    )

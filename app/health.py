"""Health: is the process alive, can it serve, and what it counts."""

from flask import Blueprint, Response, current_app, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from redis.exceptions import RedisError
from rq.registry import FailedJobRegistry
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.db import db
from app.jobs import QUEUES, queue_named, redis_connection

blueprint = Blueprint("health", __name__)
_queued = Gauge("tegoed_jobs_queued", "Jobs waiting in a queue", ["queue"])
_failed = Gauge("tegoed_jobs_failed", "Jobs that gave up", ["queue"])


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Alive: the process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Ready: the database answers. Redis is reported but not needed to take events."""
    parts = {"database": _database_answers(), "redis": _redis_answers()}
    ready = parts["database"]
    words = {name: "ok" if fine else "down" for name, fine in parts.items()}
    return jsonify(status="ok" if ready else "down", **words), 200 if ready else 503


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    try:
        for name in QUEUES:
            queue = queue_named(name)
            _queued.labels(name).set(queue.count)
            _failed.labels(name).set(FailedJobRegistry(queue=queue).count)
    except RedisError:
        current_app.logger.warning("metrics without queues: Redis does not answer")
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _database_answers() -> bool:
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _redis_answers() -> bool:
    try:
        return bool(redis_connection().ping())
    except RedisError:
        return False

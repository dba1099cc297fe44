"""Structured logs: one line an event, JSON or text, each with the id of its request or job."""

import logging
import os
import re
import sys
import time
from typing import Any, Final

import structlog
from flask import Flask, Response, g, request

from app.config import Settings

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
QUIET: Final = frozenset(
    {"static", "bootstrap.static", "metering_api.take_events", "ledger_api.read_balance"}
)
SLOW_MS: Final = 500
_log = structlog.get_logger("web")


def configure(settings: Settings) -> None:
    """Set up structlog and send the standard library's records through it."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("werkzeug", "rq.worker", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def init_app(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(12).hex()
        g.request_began = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        if "request_began" not in g:
            return response
        response.headers.add("X-Request-Id", g.request_id)
        took_ms = (time.perf_counter() - g.request_began) * 1000
        # Thousands of events a second are counted by the meters; a line is written for what is unusual.
        is_usual = request.endpoint in QUIET and response.status_code < 400 and took_ms < SLOW_MS
        if not is_usual:
            _log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round(took_ms, 1),
            )
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        structlog.contextvars.clear_contextvars()

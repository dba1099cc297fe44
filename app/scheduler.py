"""The scheduler process: `python -m app.scheduler`. One at a time, held by an advisory lock."""

import time
from typing import Final

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from app import logs, schedule
from app.config import Settings
from app.db import db, in_unit_of_work
from app.factory import create_app

LOCK_KEY: Final = 7_318_294
TICK_SECONDS: Final = 1.0
_log = structlog.get_logger("scheduler")


def main() -> None:
    settings = Settings.from_env()
    logs.configure(settings)
    app = create_app(settings)
    with app.app_context():
        while True:
            try:
                with db.engine.connect() as connection:
                    _run_while_leading(connection, app.extensions.get("schedule", []))
            except OperationalError:
                _log.warning("the database does not answer; trying again")
            time.sleep(TICK_SECONDS)


def _run_while_leading(connection: Connection, jobs: list[schedule.Recurring]) -> None:
    """Send jobs for as long as this process holds the lock; the lock dies with its connection."""
    led = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY})
    connection.commit()
    while led:
        sent = in_unit_of_work(schedule.send_due, jobs)
        db.session.remove()
        if sent:
            _log.info("sent", jobs=sent)
        time.sleep(TICK_SECONDS)
        # A lost connection has lost the lock too, and raises here.
        connection.execute(text("SELECT 1"))
        connection.commit()


if __name__ == "__main__":
    main()

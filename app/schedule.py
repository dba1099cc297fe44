"""The schedule: which job falls due when. Slices' jobs are listed by the factory, run by `app.scheduler`.

When a job was last sent is a row, so what fell due while the scheduler was down is sent once on its return.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import utc_now
from app.db import Model, UtcDateTime, db
from app.jobs import QueueName, enqueue


class ScheduledJob(Model):
    """When a recurring job was last sent to its queue."""

    __tablename__ = "scheduled_job"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_sent_at: Mapped[UtcDateTime]


@dataclass(frozen=True, slots=True)
class Recurring:
    """A job sent every `every`, unless it was sent less long ago."""

    job: str
    every: timedelta
    queue: QueueName = "default"


def register(app: Flask, *jobs: Recurring) -> None:
    app.extensions.setdefault("schedule", []).extend(jobs)


def send_due(schedule: list[Recurring], now: datetime | None = None) -> list[str]:
    """Send what is due; answers the names. In a unit of work, so sent and noted belong together."""
    now = now or utc_now()
    sent = []
    for recurring in schedule:
        row = db.session.get(ScheduledJob, recurring.job)
        if row is not None and now < row.last_sent_at + recurring.every:
            continue
        if row is None:
            db.session.add(ScheduledJob(name=recurring.job, last_sent_at=now))
        else:
            row.last_sent_at = now
        enqueue(recurring.job, queue=recurring.queue, retry_seconds=())
        sent.append(recurring.job)
    return sent

"""How far the latest close runs are, all in one statement, and which customers failed in them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from app.db import db
from invoicing.models import CloseChunk, CloseFailure, CloseRun

MOST_FAILURES: Final = 100


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run in numbers. `last_at` is when the latest chunk ended, `finished_at` when the last one did."""

    run_id: UUID
    month: date
    started_at: datetime
    finished_at: datetime | None
    last_at: datetime | None
    customers: int
    customers_done: int
    issued: int
    failed: int

    @property
    def to_go(self) -> int:
        return self.customers - self.customers_done

    @property
    def per_minute(self) -> int | None:
        """Customers a minute, from the run's start to its latest chunk; None before there is one."""
        if self.last_at is None:
            return None
        seconds = max(1, int((self.last_at - self.started_at).total_seconds()))
        return self.customers_done * 60 // seconds

    @property
    def minutes_left(self) -> int | None:
        """At the present rate, rounded up."""
        return -(-self.to_go // self.per_minute) if self.per_minute and self.to_go else None


def latest(limit: int = 12) -> list[RunProgress]:
    """The newest runs that had something to close."""
    newest = (
        select(CloseRun)
        .where(select(CloseChunk.run_id).where(CloseChunk.run_id == CloseRun.run_id).exists())
        .order_by(CloseRun.created_at.desc())
        .limit(limit)
        .subquery()
    )
    size = func.coalesce(func.cardinality(CloseChunk.customer_ids), 0)
    query = (
        select(
            newest.c.run_id,
            newest.c.period_start,
            newest.c.created_at,
            newest.c.finished_at,
            func.max(CloseChunk.finished_at),
            func.sum(size),
            func.coalesce(func.sum(size).filter(CloseChunk.finished_at.is_not(None)), 0),
            func.sum(CloseChunk.issued),
            func.sum(CloseChunk.failed),
        )
        .join(CloseChunk, CloseChunk.run_id == newest.c.run_id)
        .group_by(newest.c.run_id, newest.c.period_start, newest.c.created_at, newest.c.finished_at)
        .order_by(newest.c.created_at.desc())
    )
    return [
        RunProgress(*row[:5], *(int(number or 0) for number in row[5:])) for row in db.session.execute(query)
    ]


def open_failures(limit: int = MOST_FAILURES) -> list[CloseFailure]:
    """Customers whose close failed and is not mended yet, the latest failure first."""
    query = select(CloseFailure).where(CloseFailure.solved_at.is_(None))
    return list(db.session.scalars(query.order_by(CloseFailure.failed_at.desc()).limit(limit)))


def customers_in(run_id: UUID) -> int:
    """How many customers a run closes."""
    size = func.coalesce(func.sum(func.coalesce(func.cardinality(CloseChunk.customer_ids), 0)), 0)
    return int(db.session.scalar(select(size).where(CloseChunk.run_id == run_id)) or 0)

"""Close runs: which customers are to be closed, in chunks that workers share, resumable after a crash.

A chunk is claimed for some minutes; one that a dead worker left behind is taken again, which is harmless.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.clock import utc_now
from app.db import among, db, in_unit_of_work
from app.jobs import enqueue
from invoicing import closing, documents, metered
from invoicing.closing import Outcome
from invoicing.metered import PeriodKey
from invoicing.models import CloseChunk, CloseFailure, CloseRun, Invoice

CLAIM_MINUTES: Final = 5
RETRY_FAILED_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    run_id: UUID
    customers: int
    customers_done: int
    issued: int
    failed: int
    is_finished: bool


def start(month: date, keys: list[PeriodKey]) -> UUID:
    """A run over these customers' periods of a month: chunks as rows, a job each. In a unit of work."""
    run_id = uuid4()
    ids = sorted({customer_id for customer_id, _ in keys})
    now = utc_now()
    # Nothing to close is a run that has ended: the command says so, and nothing is resumed.
    finished_at = None if ids else now
    db.session.add(CloseRun(run_id=run_id, period_start=month, created_at=now, finished_at=finished_at))
    db.session.flush()
    size = closing.CHUNK_SIZE
    chunks = [ids[first : first + size] for first in range(0, len(ids), size)]
    rows = [
        {"run_id": run_id, "position": position, "customer_ids": chunk, "issued": 0, "failed": 0}
        for position, chunk in enumerate(chunks)
    ]
    if rows:
        db.session.execute(insert(CloseChunk), rows)
    for row in rows:
        _send(run_id, int(str(row["position"])))
    return run_id


def _send(run_id: UUID, position: int) -> None:
    enqueue("invoicing.jobs.close_chunk", str(run_id), position, queue="bulk")


def work_on(run_id: UUID, position: int) -> Outcome | None:
    """Close one chunk, unless it is done or in other hands. Opens transactions of its own."""
    claimed = in_unit_of_work(_claim, run_id, position)
    if claimed is None:
        return None
    month, customer_ids = claimed
    keys = metered.unclosed(month, customer_ids)
    db.session.rollback()
    outcome = closing.close(keys)
    in_unit_of_work(_note_outcome, run_id, position, outcome)
    return outcome


def _claim(run_id: UUID, position: int) -> tuple[date, list[int]] | None:
    now = utc_now()
    stale = now - timedelta(minutes=CLAIM_MINUTES)
    taken = db.session.execute(
        update(CloseChunk)
        .where(
            CloseChunk.run_id == run_id,
            CloseChunk.position == position,
            CloseChunk.finished_at.is_(None),
            or_(CloseChunk.started_at.is_(None), CloseChunk.started_at < stale),
        )
        .values(started_at=now)
        .returning(CloseChunk.customer_ids)
    ).one_or_none()
    if taken is None:
        return None
    month = db.session.scalars(select(CloseRun.period_start).where(CloseRun.run_id == run_id)).one()
    return month, list(taken.customer_ids)


def _note_outcome(run_id: UUID, position: int, outcome: Outcome) -> None:
    """Note what became of the chunk, and finish the run with its last one.

    Its documents are counted, not remembered: a worker may have died between issuing them and noting it.
    """
    now = utc_now()
    # The run's row orders its chunks' ends, so that exactly one of them is the last.
    run = db.session.scalars(select(CloseRun).where(CloseRun.run_id == run_id).with_for_update()).one()
    customer_ids = customers_of_chunk(run_id, position)
    db.session.execute(
        update(CloseChunk)
        .where(CloseChunk.run_id == run_id, CloseChunk.position == position)
        .values(finished_at=now, issued=_issued_in(run, customer_ids), failed=len(outcome.failed))
    )
    for (customer_id, period_start), error in outcome.failed.items():
        _note_failure(customer_id, period_start, error, now)
    _note_solved(outcome.closed, now)
    left = db.session.scalar(
        select(func.count()).where(CloseChunk.run_id == run_id, CloseChunk.finished_at.is_(None))
    )
    if not left:
        run.finished_at = now
    if outcome.issued or documents.without_document(1, customer_ids):
        enqueue("invoicing.jobs.render_chunk", str(run_id), position, queue="bulk")


def _issued_in(run: CloseRun, customer_ids: list[int]) -> int:
    """How many documents these customers' periods of the run's month have got since it began."""
    query = select(func.count()).where(
        among(Invoice.customer_id, customer_ids),
        Invoice.close_key.is_not(None),
        Invoice.period_start >= run.period_start,
        Invoice.period_start < metered.next_month(run.period_start),
        Invoice.issued_at >= run.created_at,
    )
    return db.session.scalars(query).one()


def _note_solved(closed: list[PeriodKey], now: datetime) -> None:
    """What failed before is closed now. Failures are few: they are read, not looked for one by one."""
    failed = db.session.execute(
        select(CloseFailure.customer_id, CloseFailure.period_start).where(
            among(CloseFailure.customer_id, {customer_id for customer_id, _ in closed}),
            CloseFailure.solved_at.is_(None),
        )
    )
    for key in {(row.customer_id, row.period_start) for row in failed} & set(closed):
        db.session.execute(
            update(CloseFailure)
            .where(CloseFailure.customer_id == key[0], CloseFailure.period_start == key[1])
            .values(solved_at=now)
        )


def _note_failure(customer_id: int, period_start: date, error: str, now: datetime) -> None:
    query = upsert(CloseFailure).values(
        customer_id=customer_id, period_start=period_start, error=error[:2000], failed_at=now
    )
    db.session.execute(
        query.on_conflict_do_update(
            index_elements=["customer_id", "period_start"],
            set_={"error": query.excluded.error, "failed_at": now, "solved_at": None},
        )
    )


def customers_of_chunk(run_id: UUID, position: int) -> list[int]:
    chunk = db.session.get(CloseChunk, (run_id, position))
    return list(chunk.customer_ids) if chunk else []


def open_chunks(run_id: UUID) -> list[int]:
    """The chunks that are not finished."""
    return list(
        db.session.scalars(
            select(CloseChunk.position)
            .where(CloseChunk.run_id == run_id, CloseChunk.finished_at.is_(None))
            .order_by(CloseChunk.position)
        )
    )


def resume() -> int:
    """Send the chunks again that nobody works on: what a crash or a lost queue left behind."""
    stale = utc_now() - timedelta(minutes=CLAIM_MINUTES)
    left = db.session.execute(
        select(CloseChunk.run_id, CloseChunk.position)
        .join(CloseRun, CloseRun.run_id == CloseChunk.run_id)
        .where(
            CloseChunk.finished_at.is_(None),
            or_(CloseChunk.started_at < stale, CloseRun.created_at < stale),
            or_(CloseChunk.started_at.is_(None), CloseChunk.started_at < stale),
        )
        .limit(1000)
    ).all()
    for run_id, position in left:
        _send(run_id, position)
    return len(left)


def start_due(before: datetime) -> list[UUID]:
    """Runs for all periods that ended before a moment and are in no run yet. In a unit of work.

    What failed is tried again an hour later.
    """
    waiting = _in_open_runs()
    failed_lately = _failed_since(utc_now() - RETRY_FAILED_AFTER)
    by_month: dict[date, list[PeriodKey]] = {}
    for key in metered.ended_before(before):
        month = key[1].replace(day=1)
        if key not in failed_lately and (key[0], month) not in waiting:
            by_month.setdefault(month, []).append(key)
    return [start(month, keys) for month, keys in sorted(by_month.items())]


def _in_open_runs() -> set[tuple[int, date]]:
    rows = db.session.execute(
        select(func.unnest(CloseChunk.customer_ids), CloseRun.period_start)
        .join(CloseRun, CloseRun.run_id == CloseChunk.run_id)
        .where(CloseChunk.finished_at.is_(None))
    )
    return {(customer_id, month) for customer_id, month in rows}


def _failed_since(moment: datetime) -> set[PeriodKey]:
    rows = db.session.execute(
        select(CloseFailure.customer_id, CloseFailure.period_start).where(
            CloseFailure.solved_at.is_(None), CloseFailure.failed_at > moment
        )
    )
    return {(row.customer_id, row.period_start) for row in rows}


def progress(run_id: UUID) -> Progress:
    run = db.session.get_one(CloseRun, run_id, populate_existing=True)
    size = func.coalesce(func.cardinality(CloseChunk.customer_ids), 0)
    row = db.session.execute(
        select(
            func.coalesce(func.sum(size), 0),
            func.coalesce(func.sum(size).filter(CloseChunk.finished_at.is_not(None)), 0),
            func.coalesce(func.sum(CloseChunk.issued), 0),
            func.coalesce(func.sum(CloseChunk.failed), 0),
        ).where(CloseChunk.run_id == run_id)
    ).one()
    return Progress(run_id, int(row[0]), int(row[1]), int(row[2]), int(row[3]), run.finished_at is not None)


def failures(month: date) -> list[CloseFailure]:
    """Customers whose close of this month failed and is not mended yet."""
    next_month = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    return list(
        db.session.scalars(
            select(CloseFailure).where(
                CloseFailure.period_start >= month,
                CloseFailure.period_start < next_month,
                CloseFailure.solved_at.is_(None),
            )
        )
    )

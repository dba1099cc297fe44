"""Jobs of invoicing. Each may run twice, and finds again from rows what a lost queue forgot."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from app.clock import utc_now
from app.config import settings
from app.db import in_unit_of_work, unit_of_work
from app.i18n import local_date
from app.jobs import enqueue
from invoicing import documents, paid_copies, runs, telling
from invoicing.notices import check_again as recheck
from invoicing.notices import render, render_many

RENDERED_PER_SWEEP: Final = 200
OVERDUE_IS_NEWS: Final = timedelta(days=30)


def close_due() -> None:
    """Close all periods that ended some hours ago: the delay is a setting, what was missed is caught up."""
    runs.resume()
    with unit_of_work():
        runs.start_due(utc_now() - timedelta(hours=settings().close_delay_hours))


def close_chunk(run_id: str, position: int) -> None:
    runs.work_on(UUID(run_id), position)


def render_chunk(run_id: str, position: int) -> None:
    """Make and mail the documents of a chunk; one that fails is tried again by a job of its own."""
    customer_ids = runs.customers_of_chunk(UUID(run_id), position)
    waiting = [invoice.number for invoice in documents.without_document(1000, customer_ids)]
    for number in render_many(waiting):
        enqueue("invoicing.jobs.render_document", number, queue="bulk", job_id=f"render-{number}")


def render_document(number: str) -> None:
    render(number)


def tell_overdue() -> None:
    """Tell programs of invoices that became overdue lately: each once, when no payment is under way."""
    today = local_date(utc_now())
    for customer_id, number in telling.overdue_since(today - OVERDUE_IS_NEWS, today):
        in_unit_of_work(telling.tell_if_overdue, customer_id, number)


def check_again(number: str) -> None:
    """Check a held document anew; right now, it is mailed."""
    recheck(number)


def make_paid_copy(number: str) -> None:
    paid_copies.make(number)


def render_missing() -> None:
    """Find documents that were never rendered: a crash or a lost queue left them behind."""
    for number in paid_copies.missing(RENDERED_PER_SWEEP):
        enqueue("invoicing.jobs.make_paid_copy", number, queue="bulk", job_id=f"paid-{number}")
    waiting = documents.without_document(RENDERED_PER_SWEEP)
    for invoice in waiting:
        if invoice.issued_at < utc_now() - timedelta(minutes=5):
            enqueue(
                "invoicing.jobs.render_document",
                invoice.number,
                queue="bulk",
                job_id=f"render-{invoice.number}",
            )

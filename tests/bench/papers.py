"""The documents of a close: PDFs beside one pdfkit call each, UBL, and whole documents by two workers."""

import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import pdfkit

from app.db import db
from app.jobs import enqueue
from app.pdf import PdfBatch, PdfNotMade
from app.run.processes import wait_until
from invoicing import reading
from invoicing.models import Invoice
from invoicing.notices import BATCH
from invoicing.paper import html_of
from invoicing.ubl.document import profile, xml_of
from invoicing.ubl.rules import problems_of
from tests.bench.month import Month
from tests.bench.rows import Row
from tests.bench.stage import Stage
from tests.bench.workers import forget_jobs, workers

PDFKIT_CALLS: Final = 20
PATIENCE_SECONDS: Final = 1_200
PAGES: Final = b"/Type /Page\n"
# The first chunks of this month, of so many customers at least.
_CHUNKS: Final = """
SELECT run_id, position, customer_ids FROM (
    SELECT run_id, position, customer_ids, cardinality(customer_ids) AS size, customer_ids[1] AS first,
           sum(cardinality(customer_ids)) OVER (ORDER BY customer_ids[1]) AS so_far
    FROM close_chunk WHERE customer_ids[1] >= %s) AS chunk
WHERE so_far - size < %s ORDER BY first
"""


def pdfs(stage: Stage, month: Month, documents: int) -> list[Row]:
    """Pages in batches, then whole documents by two workers; both beside pdfkit called by two threads."""
    pages = [html_of(invoice) for invoice in _invoices(stage, month, documents)]
    db.session.rollback()
    yard = PDFKIT_CALLS / _timed(lambda: _in_two_threads(pages[:PDFKIT_CALLS]))
    took = _timed(lambda: _in_batches(pages))
    whole = _whole(stage, month, documents)
    return [
        Row(
            f"PDFs of {documents:,} invoices of 2 pages / pdfkit, a call each",
            "PDF/s",
            documents / took,
            yard,
            5,
            {"share_of_cores": {}},
        ),
        Row(
            "the same with UBL, its check, storing and the mail / pdfkit alone",
            "documents/s",
            whole,
            yard,
            None,
            {"share_of_cores": {}},
        ),
    ]


def ubl(stage: Stage, month: Month, documents: int) -> list[Row]:
    """UBL by one process: made, and made and checked by the schemas and rules."""
    invoices = list(_invoices(stage, month, documents))
    problems_of(xml_of(invoices[0]), profile(invoices[0]))  # loads the rules
    made = _timed(lambda: [xml_of(invoice) for invoice in invoices])
    found: list[str] = []

    def check() -> None:
        for invoice in invoices:
            found.extend(problems_of(xml_of(invoice), profile(invoice)))

    checked = _timed(check)
    if found:
        sys.exit(f"the documents break rules: {found[:5]}")
    notes: dict[str, Any] = {"share_of_cores": {}, "profile": str(profile(invoices[0]))}
    return [
        Row("UBL documents, one process", "documents/s", documents / made, None, None, notes),
        Row(
            "UBL documents made and checked, one process",
            "documents/s",
            documents / checked,
            None,
            None,
            notes,
        ),
    ]


def _invoices(stage: Stage, month: Month, count: int) -> Iterable[Invoice]:
    with stage.connect() as connection:
        numbers = connection.execute(
            "SELECT number FROM invoice WHERE customer_id >= %s ORDER BY customer_id LIMIT %s",
            (month.first, count),
        ).fetchall()
    if len(numbers) < count:
        sys.exit(f"only {len(numbers)} invoices to print")
    return (reading.find(number) for (number,) in numbers)


def _in_batches(pages: list[str]) -> None:
    for first in range(0, len(pages), BATCH):
        with PdfBatch(pages[first : first + BATCH]) as batch:
            made = batch.files()
        for content in made:
            if isinstance(content, PdfNotMade):
                raise content
            if content.count(PAGES) != 2:
                sys.exit(f"a PDF of {content.count(PAGES)} pages")


def _in_two_threads(pages: list[str]) -> None:
    """As pdfkit's own introduction calls it."""

    def call(mine: list[str]) -> None:
        for page in mine:
            if not pdfkit.from_string(page, options={"page-size": "A4", "quiet": ""}).startswith(b"%PDF"):
                sys.exit("pdfkit made no PDF")

    threads = [threading.Thread(target=call, args=(pages[start::2],)) for start in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _whole(stage: Stage, month: Month, documents: int) -> float:
    """Documents per second by the jobs of the close, two workers at once."""
    with stage.connect() as connection:
        found = connection.execute(_CHUNKS, (month.first, documents)).fetchall()

        ids = [customer_id for _, _, customer_ids in found for customer_id in customer_ids]

        def stored() -> int:
            row = connection.execute(
                "SELECT count(*) FROM invoice_document WHERE kind = 'pdf' AND customer_id = ANY(%s)", (ids,)
            ).fetchone()
            return int(row[0]) if row else 0

        # The close's workers may have begun with some before they were ended.
        before = stored()
        with workers(stage.settings, ("bulk",), ("bulk",)):
            began = time.monotonic()
            for run_id, position, _ in found:
                enqueue("invoicing.jobs.render_chunk", str(run_id), position, queue="bulk")
            if not wait_until(lambda: stored() >= len(ids), timeout_seconds=PATIENCE_SECONDS):
                sys.exit(f"only {stored()} of {len(ids)} documents were made")
            seconds = time.monotonic() - began
    forget_jobs(stage.settings)
    return (len(ids) - before) / seconds


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began

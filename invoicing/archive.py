"""A customer's documents of a year in one ZIP file: for whoever keeps the books."""

import zipfile
from collections.abc import Iterator
from datetime import date
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from sqlalchemy import func, select
from sqlalchemy.orm import undefer

from app.db import db
from invoicing.documents import PDF, XML, filename, intact
from invoicing.errors import NoDocuments
from invoicing.models import IS_ISSUED, Invoice, InvoiceDocument

IN_MEMORY_BYTES: Final = 8 * 1024 * 1024
_KINDS: Final = (PDF, XML)


def years(customer_id: int) -> list[int]:
    """The years in which the customer was sent a document, the latest first."""
    year = func.extract("year", Invoice.issue_date)
    rows = db.session.scalars(
        select(year).where(Invoice.customer_id == customer_id, IS_ISSUED).distinct().order_by(year.desc())
    )
    return [int(row) for row in rows]


def zip_of(customer_id: int, year: int) -> IO[bytes]:
    """The stored PDF and XML files of a year, at its beginning, to be closed by the caller.

    Raises NoDocuments, DocumentDamaged.
    """
    file = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 -- it is sent, then closed
    count = 0
    # What is in it is compressed already, or small.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for invoice, document in _documents(customer_id, year):
            day = invoice.issue_date
            entry = zipfile.ZipInfo(filename(invoice, document.kind), (day.year, day.month, day.day, 0, 0, 0))
            archive.writestr(entry, intact(document, invoice))
            count += 1
    if count == 0:
        file.close()
        raise NoDocuments
    file.seek(0)
    return file


def _documents(customer_id: int, year: int) -> Iterator[tuple[Invoice, InvoiceDocument]]:
    rows = db.session.execute(
        select(Invoice, InvoiceDocument)
        .join(
            InvoiceDocument,
            (InvoiceDocument.customer_id == Invoice.customer_id)
            & (InvoiceDocument.invoice_id == Invoice.invoice_id),
        )
        .where(
            Invoice.customer_id == customer_id,
            Invoice.issue_date >= date(year, 1, 1),
            Invoice.issue_date <= date(year, 12, 31),
            InvoiceDocument.kind.in_(_KINDS),
        )
        .order_by(Invoice.number, InvoiceDocument.kind)
        .options(undefer(InvoiceDocument.content))
        .execution_options(yield_per=20)
    )
    for row in rows:
        yield row.Invoice, row.InvoiceDocument

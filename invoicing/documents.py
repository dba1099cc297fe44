"""Stored documents: rendered once, kept as bytes with their SHA-256, never rendered again."""

import hashlib
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import undefer

from app.clock import utc_now
from app.db import db
from invoicing.errors import Rendering
from invoicing.models import Invoice, InvoiceDocument

PDF: Final = "pdf"
CONTENT_TYPES: Final = {PDF: "application/pdf"}


class DocumentDamaged(RuntimeError):
    """Stored bytes that are not those that were stored."""


def store(invoice: Invoice, kind: str, content: bytes) -> bool:
    """Keep a document's bytes. False when it was stored before: then those bytes stay."""
    stored = db.session.scalar(
        insert(InvoiceDocument)
        .values(
            customer_id=invoice.customer_id,
            invoice_id=invoice.invoice_id,
            kind=kind,
            content_type=CONTENT_TYPES[kind],
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
            created_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(InvoiceDocument.sha256)
    )
    return stored is not None


def find(invoice: Invoice, kind: str = PDF) -> InvoiceDocument:
    """The stored document with its bytes, checked against their hash. Raises Rendering, DocumentDamaged."""
    document = db.session.get(
        InvoiceDocument,
        (invoice.customer_id, invoice.invoice_id, kind),
        options=[undefer(InvoiceDocument.content)],
    )
    if document is None:
        raise Rendering
    if hashlib.sha256(document.content).hexdigest() != document.sha256:
        raise DocumentDamaged(f"{kind} of {invoice.number}")
    return document


def filename(invoice: Invoice, kind: str = PDF) -> str:
    return f"{invoice.number}.{kind}"


def without_document(limit: int, customer_ids: list[int] | None = None) -> list[Invoice]:
    """Issued documents whose PDF is still to be made, the oldest first."""
    made = exists().where(
        InvoiceDocument.customer_id == Invoice.customer_id,
        InvoiceDocument.invoice_id == Invoice.invoice_id,
        InvoiceDocument.kind == PDF,
    )
    query = select(Invoice).where(~made).order_by(Invoice.issued_at, Invoice.number).limit(limit)
    if customer_ids is not None:
        query = query.where(Invoice.customer_id.in_(customer_ids))
    return list(db.session.scalars(query))

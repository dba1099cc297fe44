"""Stored documents: rendered once, kept as bytes with their SHA-256, never rendered again."""

import hashlib
from typing import Final

from sqlalchemy import ColumnElement, and_, case, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import undefer

from app.clock import utc_now
from app.db import db
from invoicing.errors import Held, NotIssuedYet, Rendering, UnknownInvoice
from invoicing.models import IS_ISSUED, HeldDocument, Invoice, InvoiceDocument

PDF: Final = "pdf"
XML: Final = "xml"
# The second rendering of a paid invoice, which says when and how it was paid. One that was re-opened and paid
# again has one more for each time: `paid_pdf_2` and so on.
PAID_PDF: Final = "paid_pdf"
# What asked for the money before there was an invoice.
REQUEST_PDF: Final = "request_pdf"
CONTENT_TYPES: Final = {
    PDF: "application/pdf",
    XML: "application/xml",
    PAID_PDF: "application/pdf",
    REQUEST_PDF: "application/pdf",
}


class DocumentDamaged(RuntimeError):
    """Stored bytes that are not those that were stored."""


def is_paid_copy(kind: str) -> bool:
    return kind.startswith(PAID_PDF)


def paid_copies_of(invoice: Invoice) -> list[str]:
    """The kinds of the stored paid copies, the latest last."""
    kinds = db.session.scalars(
        select(InvoiceDocument.kind)
        .where(
            InvoiceDocument.customer_id == invoice.customer_id,
            InvoiceDocument.invoice_id == invoice.invoice_id,
            InvoiceDocument.kind.startswith(PAID_PDF, autoescape=True),
        )
        .order_by(InvoiceDocument.created_at, func.length(InvoiceDocument.kind), InvoiceDocument.kind)
    )
    return list(kinds)


def kind_of_paper(invoice: Invoice) -> str:
    """Which of the files the document on paper is now."""
    return REQUEST_PDF if invoice.is_request else PDF


def store(invoice: Invoice, kind: str, content: bytes) -> bool:
    """Keep a document's bytes. False when it was stored before: then those bytes stay."""
    stored = db.session.scalar(
        insert(InvoiceDocument)
        .values(
            customer_id=invoice.customer_id,
            invoice_id=invoice.invoice_id,
            kind=kind,
            content_type=CONTENT_TYPES[PAID_PDF if is_paid_copy(kind) else kind],
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
            created_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(InvoiceDocument.sha256)
    )
    return stored is not None


def find(invoice: Invoice, kind: str = PDF) -> InvoiceDocument:
    """A stored file with its bytes, checked against their hash. The PDF of a request is the request's,
    and the paid copy the latest unless another is named.

    Raises Rendering, Held, DocumentDamaged, of a request NotIssuedYet for what only an invoice has, and
    UnknownInvoice for a request that was never made.
    """
    if invoice.is_request and kind not in (PDF, REQUEST_PDF):
        raise NotIssuedYet
    kind = kind_of_paper(invoice) if kind == PDF else kind
    if kind == PAID_PDF:
        kind = next(reversed(paid_copies_of(invoice)), kind)
    document = db.session.get(
        InvoiceDocument,
        (invoice.customer_id, invoice.invoice_id, kind),
        options=[undefer(InvoiceDocument.content)],
    )
    if document is None and kind == REQUEST_PDF and not invoice.is_request:
        raise UnknownInvoice
    if document is None:
        raise Held if is_held(invoice) else Rendering
    intact(document, invoice)
    return document


def intact(document: InvoiceDocument, invoice: Invoice) -> bytes:
    """The stored bytes, if they are those that were stored. Raises DocumentDamaged."""
    if hashlib.sha256(document.content).hexdigest() != document.sha256:
        raise DocumentDamaged(f"{document.kind} of {invoice.number}")
    return document.content


def stored_kinds(invoice: Invoice) -> list[str]:
    """Which files of the document are stored: its PDF, its XML, its paid copy."""
    kinds = db.session.scalars(
        select(InvoiceDocument.kind).where(
            InvoiceDocument.customer_id == invoice.customer_id,
            InvoiceDocument.invoice_id == invoice.invoice_id,
        )
    ).all()
    stored = {PAID_PDF if is_paid_copy(kind) else kind for kind in kinds}
    return [kind for kind in CONTENT_TYPES if kind in stored]


def mailed_kinds(invoice: Invoice) -> list[str]:
    """Which of the stored files a mail about the document brings."""
    wanted = {REQUEST_PDF} if invoice.is_request else {PDF, XML}
    return [kind for kind in stored_kinds(invoice) if kind in wanted]


def filename(invoice: Invoice, kind: str = PDF) -> str:
    """The file's name: the paid copy says that it is one, in the document's language."""
    if is_paid_copy(kind):
        return f"{invoice.number}-{'betaald' if invoice.locale == 'nl' else 'paid'}.pdf"
    if kind == REQUEST_PDF:
        return f"{invoice.request_number}.pdf"
    return f"{invoice.number}.{kind}"


def hold(invoice: Invoice, problems: list[str]) -> None:
    """Keep a document from being mailed until an operator has looked at what is wrong with its XML."""
    query = insert(HeldDocument).values(
        customer_id=invoice.customer_id,
        invoice_id=invoice.invoice_id,
        problems=problems,
        held_at=utc_now(),
    )
    db.session.execute(
        query.on_conflict_do_update(
            index_elements=["customer_id", "invoice_id"], set_={"problems": query.excluded.problems}
        )
    )


def is_held(invoice: Invoice) -> bool:
    held = db.session.get(HeldDocument, (invoice.customer_id, invoice.invoice_id))
    return held is not None and held.released_at is None


def is_out() -> ColumnElement[bool]:
    """Whether an invoice's paper, or its request's, is stored and nobody holds it: its customer has it."""
    held = exists().where(
        HeldDocument.customer_id == Invoice.customer_id,
        HeldDocument.invoice_id == Invoice.invoice_id,
        HeldDocument.released_at.is_(None),
    )
    return and_(_is_stored(), ~held)


def release(invoice: Invoice) -> None:
    """It is right now, or an operator decided that it goes out as it is."""
    held = db.session.get(HeldDocument, (invoice.customer_id, invoice.invoice_id))
    if held is not None:
        held.released_at = held.released_at or utc_now()


def held_documents(limit: int = 200) -> list[tuple[Invoice, HeldDocument]]:
    """Documents that wait for an operator, the longest waiting first."""
    rows = db.session.execute(
        select(Invoice, HeldDocument)
        .join(
            HeldDocument,
            (HeldDocument.customer_id == Invoice.customer_id)
            & (HeldDocument.invoice_id == Invoice.invoice_id),
        )
        .where(HeldDocument.released_at.is_(None))
        .order_by(HeldDocument.held_at, Invoice.number)
        .limit(limit)
    )
    return [(row.Invoice, row.HeldDocument) for row in rows]


def without_document(limit: int, customer_ids: list[int] | None = None) -> list[Invoice]:
    """Documents whose PDF is still to be made, the oldest first; a request's is not its invoice's."""
    query = select(Invoice).where(~_is_stored()).order_by(Invoice.issued_at, Invoice.number).limit(limit)
    if customer_ids is not None:
        query = query.where(Invoice.customer_id.in_(customer_ids))
    return list(db.session.scalars(query))


def _is_stored() -> ColumnElement[bool]:
    return exists().where(
        InvoiceDocument.customer_id == Invoice.customer_id,
        InvoiceDocument.invoice_id == Invoice.invoice_id,
        InvoiceDocument.kind == case((IS_ISSUED, PDF), else_=REQUEST_PDF),
    )

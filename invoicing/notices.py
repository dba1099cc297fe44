"""Making an issued document's files and telling its customer: each happens once, whatever runs twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypedDict, TypeVar
from uuid import UUID

import structlog

from app.customers import addressees
from app.db import db, in_unit_of_work
from app.mail import Attachment
from app.pdf import PdfBatch, PdfNotMade, render_pdf
from invoicing import documents, paid_by, paper, reading, telling, wording
from invoicing.document_links import url_of
from invoicing.models import CREDIT_NOTE, Invoice
from invoicing.references import spaced
from invoicing.shapes import payment_reference
from invoicing.ubl.document import profile as profile_of_document
from invoicing.ubl.document import xml_of
from invoicing.ubl.profiles import Profile
from invoicing.ubl.rules import problems_of

_log = structlog.get_logger("invoicing")

P = ParamSpec("P")
T = TypeVar("T")

MAIL_TEMPLATE: Final = "invoice_ready"
# Documents made together. They are in memory, and on disk, only for the time of their batch.
BATCH: Final = 50


def dedupe_key(invoice: Invoice) -> str:
    """One mail per number, whatever runs twice."""
    return key_of_number(invoice.number)


def key_of_number(number: str) -> str:
    return f"{MAIL_TEMPLATE}-{number}"


def render(number: str) -> bool:
    """Make, check, store and mail a document that is not stored yet. False when it was. Raises PdfNotMade.

    No transaction is open while files are made; of two that make them at once, the first one's bytes stay.
    XML that breaks a rule is not stored, and nothing is mailed: the document waits for an operator.
    """
    draft = _draft_of(number)
    db.session.rollback()
    if draft is None:
        return False
    return _finish(draft, _problems(draft), render_pdf(draft.html))


def render_many(numbers: Sequence[str]) -> list[str]:
    """As `render`, for many documents: their PDFs are made together, and what fails stops no other.

    Answers the numbers that are still to be made.
    """
    failed: list[str] = []
    for first in range(0, len(numbers), BATCH):
        _render_batch(numbers[first : first + BATCH], failed)
    return failed


def _render_batch(numbers: Sequence[str], failed: list[str]) -> None:
    drafts = [draft for number in numbers if (draft := _attempt(failed, number, _draft_of, number))]
    db.session.rollback()
    with PdfBatch([draft.html for draft in drafts]) as batch:
        # While the programs print, this process checks.
        found = [_attempt(failed, one.number, _problems, one) for one in drafts]
        pdfs = batch.files()
    for draft, problems, pdf in zip(drafts, found, pdfs, strict=True):
        if isinstance(pdf, PdfNotMade):
            _note_failure(failed, draft.number, pdf)
        elif problems is not None:
            _attempt(failed, draft.number, _finish, draft, problems, pdf)


@dataclass(frozen=True, slots=True)
class _Draft:
    """All of a document that is made without storing anything."""

    customer_id: int
    invoice_id: UUID
    number: str
    paper: str
    html: str
    xml: tuple[bytes, Profile] | None


def _draft_of(number: str) -> _Draft | None:
    """None for a document that another job has made: a sweep may have found it while it waited its turn."""
    invoice = reading.find(number)
    kind = documents.kind_of_paper(invoice)
    if kind in documents.stored_kinds(invoice):
        return None
    return _Draft(
        customer_id=invoice.customer_id,
        invoice_id=invoice.invoice_id,
        number=number,
        paper=kind,
        html=paper.html_of(invoice, paid_by.before_issue(invoice)),
        # A payment request is no invoice, also not for programs.
        xml=None if invoice.is_request else (xml_of(invoice), profile_of_document(invoice)),
    )


def _problems(draft: _Draft) -> list[str]:
    return [] if draft.xml is None else problems_of(*draft.xml)


def _attempt(
    failed: list[str], number: str, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T | None:
    """One step of one document; None when it failed."""
    try:
        return step(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with one document stops no other
        db.session.rollback()
        _note_failure(failed, number, error)
        return None


def _note_failure(failed: list[str], number: str, error: Exception) -> None:
    _log.error("document_not_made", number=number, exc_info=error)
    if number not in failed:
        failed.append(number)


def _finish(draft: _Draft, problems: list[str], pdf: bytes) -> bool:
    files = {draft.paper: pdf}
    if draft.xml is not None and not problems:
        files[documents.XML] = draft.xml[0]
    return in_unit_of_work(_store_and_mail, draft.customer_id, draft.invoice_id, files, problems)


def check_again(number: str) -> list[str]:
    """Make and check a held document's XML anew; right now, it is stored and mailed. What is still wrong."""
    invoice = reading.find(number)
    xml, profile = xml_of(invoice), profile_of_document(invoice)
    customer_id, invoice_id = invoice.customer_id, invoice.invoice_id
    db.session.rollback()
    problems = problems_of(xml, profile)
    files = {} if problems else {documents.XML: xml}
    in_unit_of_work(_release, customer_id, invoice_id, files, problems)
    return problems


def send_without_xml(number: str) -> None:
    """Mail a held document's PDF alone: an operator decided so. In a unit of work; again is harmless."""
    invoice = reading.find(number)
    if documents.is_held(invoice):
        documents.release(invoice)
        mail_invoice(invoice)


def _store_and_mail(customer_id: int, invoice_id: UUID, files: dict[str, bytes], problems: list[str]) -> bool:
    invoice = db.session.get_one(Invoice, (customer_id, invoice_id))
    kind = documents.REQUEST_PDF if documents.REQUEST_PDF in files else documents.PDF
    if not documents.store(invoice, kind, files[kind]):
        return False
    if kind != documents.kind_of_paper(invoice):
        # It was paid meanwhile: nobody is asked any more, and the invoice is on its way.
        return True
    if problems:
        documents.hold(invoice, problems)
        _log.error("document_held", number=invoice.number, problems=problems[:5])
    else:
        if documents.XML in files:
            documents.store(invoice, documents.XML, files[documents.XML])
        mail_invoice(invoice)
    return True


def _release(customer_id: int, invoice_id: UUID, files: dict[str, bytes], problems: list[str]) -> None:
    invoice = db.session.get_one(Invoice, (customer_id, invoice_id))
    if not documents.is_held(invoice):
        return
    if problems:
        documents.hold(invoice, problems)
        return
    documents.store(invoice, documents.XML, files[documents.XML])
    documents.release(invoice)
    mail_invoice(invoice)


def mail_invoice(invoice: Invoice) -> None:
    """Mail the document to each who gets invoices, and tell programs; once per number and addressee.

    What was asked for and is given up is invoiced for the books alone: nobody is asked for it again.
    """
    if invoice.is_request:
        telling.requested(invoice)
    else:
        telling.issued(invoice)
    if invoice.request_number and not invoice.is_request and invoice.written_off_micros:
        return
    addressees.send(MAIL_TEMPLATE, "invoices", **_mail_of(invoice), dedupe_key=dedupe_key(invoice))


def mail_again(invoice: Invoice, recipient: addressees.Recipient, *, request_key: str) -> bool:
    """Mail a document once more, to one reader; False when this request did so. Raises Rendering, Held."""
    documents.find(invoice)
    key = f"{dedupe_key(invoice)}-again-{request_key}"
    return addressees.send_to(recipient, MAIL_TEMPLATE, **_mail_of(invoice), dedupe_key=key) is not None


class _Mail(TypedDict):
    customer_id: int
    locale: str
    context: dict[str, Any]
    attachments: list[Attachment]


def _mail_of(invoice: Invoice) -> _Mail:
    """What every reader's mail about a document has in common: the files as they were stored."""
    return _Mail(
        customer_id=invoice.customer_id,
        locale=invoice.locale,
        context={
            "invoice": invoice,
            "is_credit_note": invoice.kind == CREDIT_NOTE,
            "url": url_of(invoice),
            "reference": spaced(payment_reference(invoice) or ""),
            "w": wording,
        },
        attachments=[attached(invoice, kind) for kind in documents.mailed_kinds(invoice)],
    )


def attached(invoice: Invoice, kind: str) -> Attachment:
    """A stored file as it goes with a mail."""
    document = documents.find(invoice, kind)
    return Attachment(
        filename=documents.filename(invoice, kind),
        content_type=document.content_type,
        content=document.content,
    )

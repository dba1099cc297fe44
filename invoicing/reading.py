"""Reading invoices: by number, in lists with filters and a cursor, with the status they have now."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, Text, cast, or_, select, tuple_
from sqlalchemy.orm import joinedload, selectinload

from app.clock import utc_now
from app.db import db
from app.i18n import local_date
from app.once import once_per_page
from invoicing import payment_orders
from invoicing.errors import UnknownInvoice
from invoicing.models import (
    INVOICE,
    IS_ISSUED,
    PAYMENT_REQUEST,
    UNPAID,
    Invoice,
    InvoiceLine,
    InvoiceNumber,
    is_named,
)
from invoicing.status import SETTLED, Status, status_of

_BATCH: Final = 100
_FOUR_DAYS: Final = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Listed:
    """An invoice with its status now, and what payments under way will bring it."""

    invoice: Invoice
    status: Status
    under_way_micros: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is limited to; None: not limited."""

    customer_id: int | None = None
    statuses: frozenset[Status] | None = None
    kind: str | None = None
    month: date | None = None
    # In a number, the customer's reference or what was billed; or the total, in cents.
    search: str = ""
    total_cents: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An invoice that is to be paid, as the shell of a page needs it. Amounts in micros."""

    number: str
    outstanding_micros: int
    due_date: date
    status: Status
    under_way_micros: int = 0
    is_request: bool = False

    @property
    def payable_micros(self) -> int:
        """What is left to be paid when the payments under way arrive."""
        return max(0, self.outstanding_micros - self.under_way_micros)


def find(number: str, customer_id: int | None = None) -> Invoice:
    """Raises UnknownInvoice, also when it is another customer's."""
    owner = _owner(number) if customer_id is None else customer_id
    query = (
        select(Invoice)
        .where(Invoice.customer_id == owner, is_named([number]))
        .options(selectinload(Invoice.lines), joinedload(Invoice.taxes))
    )
    found = db.session.scalars(query).unique().one_or_none()
    if found is None:
        raise UnknownInvoice
    return found


def find_all(numbers: Collection[str], customer_id: int) -> list[Invoice]:
    """These invoices of one customer, the oldest first. Raises UnknownInvoice when one is none of theirs."""
    found = list(
        db.session.scalars(
            select(Invoice)
            .where(Invoice.customer_id == customer_id, is_named(numbers))
            .options(selectinload(Invoice.lines), selectinload(Invoice.taxes))
            .order_by(Invoice.issued_at, Invoice.number)
        )
    )
    if len(found) != len(set(numbers)):
        raise UnknownInvoice
    return found


def _owner(number: str) -> int | None:
    return db.session.scalar(select(InvoiceNumber.customer_id).where(InvoiceNumber.number == number))


def _issued_at(number: str) -> datetime:
    """Raises UnknownInvoice."""
    at = db.session.scalar(
        select(Invoice.issued_at).where(Invoice.customer_id == _owner(number), is_named([number]))
    )
    if at is None:
        raise UnknownInvoice
    return at


def number_of_period(customer_id: int, period_start: date) -> str | None:
    """The number of the invoice that billed a period."""
    return db.session.scalar(
        select(Invoice.number).where(
            Invoice.customer_id == customer_id,
            Invoice.kind == INVOICE,
            Invoice.period_start == period_start,
            Invoice.close_key.is_not(None),
        )
    )


def number_with_fees(customer_id: int) -> str | None:
    """The number of the latest invoice that billed payment fees."""
    billed = select(InvoiceLine.invoice_id).where(
        InvoiceLine.customer_id == customer_id, InvoiceLine.kind == "fees", InvoiceLine.net_cents > 0
    )
    query = select(Invoice.number).where(
        Invoice.customer_id == customer_id, Invoice.kind == INVOICE, Invoice.invoice_id.in_(billed)
    )
    return db.session.scalar(query.order_by(Invoice.issued_at.desc()).limit(1))


def with_status(invoices: Iterable[Invoice]) -> Iterator[Listed]:
    """The invoices with their status; each customer's payments under way are asked for once."""
    today = local_date(utc_now())
    under_way: dict[int, Mapping[str, int]] = {}
    for invoice in invoices:
        owner = invoice.customer_id
        if invoice.outstanding_micros > 0 and owner not in under_way:
            under_way[owner] = payment_orders.all_under_way(owner)
        coming_micros = sum(under_way.get(owner, {}).get(name, 0) for name in invoice.names)
        status = status_of(
            outstanding_micros=invoice.outstanding_micros,
            due_date=invoice.due_date,
            today=today,
            is_under_way=coming_micros > 0,
            is_credited=0 < invoice.total_cents <= invoice.credited_cents,
            is_written_off=(invoice.written_off_micros or 0) > 0,
        )
        yield Listed(invoice, status, coming_micros)


def status_now(invoice: Invoice) -> Status:
    return next(with_status([invoice])).status


def page(filters: Filters, *, after: str | None = None, limit: int = 50) -> tuple[list[Listed], str | None]:
    """Invoices, the newest first, and the cursor of the next page (a document number).

    Whether a payment is under way is no column, so that part of a filter is applied while reading.
    """
    found: list[Listed] = []
    cursor = after
    while True:
        batch = list(db.session.scalars(_query(filters, cursor)))
        for listed in with_status(batch):
            if filters.statuses is None or listed.status in filters.statuses:
                if len(found) == limit:
                    return found, found[-1].invoice.number
                found.append(listed)
        if len(batch) < _BATCH:
            return found, None
        cursor = batch[-1].number


def _is_found(search: str, total_cents: int | None) -> ColumnElement[bool]:
    """Whether a word is in its numbers, the customer's own reference or what was billed, or is its total."""
    texts = (
        Invoice.number,
        Invoice.request_number,
        Invoice.original_number,
        Invoice.buyer["purchase_order"].astext,
    )
    billed = Invoice.lines.any(cast(InvoiceLine.names, Text).icontains(search, autoescape=True))
    found = [text.icontains(search, autoescape=True) for text in texts]
    if total_cents is not None:
        found.append(Invoice.total_cents == total_cents)
    return or_(*found, billed)


def _query(filters: Filters, after: str | None) -> Select[Invoice]:
    query = (
        select(Invoice)
        .options(selectinload(Invoice.lines), selectinload(Invoice.taxes))
        .order_by(Invoice.issued_at.desc(), Invoice.number.desc())
        .limit(_BATCH)
    )
    if filters.customer_id is not None:
        query = query.where(Invoice.customer_id == filters.customer_id)
    if filters.kind == PAYMENT_REQUEST:
        query = query.where(~IS_ISSUED)
    elif filters.kind is not None:
        query = query.where(Invoice.kind == filters.kind, IS_ISSUED)
    if filters.month is not None:
        next_month = (filters.month.replace(day=28) + _FOUR_DAYS).replace(day=1)
        query = query.where(Invoice.period_start >= filters.month, Invoice.period_start < next_month)
    if filters.search:
        query = query.where(_is_found(filters.search, filters.total_cents))
    if filters.statuses is not None:
        settled = ~UNPAID
        if not filters.statuses & SETTLED:
            query = query.where(~settled)
        elif filters.statuses <= SETTLED:
            query = query.where(settled)
    if after is not None:
        query = query.where(tuple_(Invoice.issued_at, Invoice.number) < (_issued_at(after), after))
    return query


@once_per_page
def due(customer_id: int) -> list[Due]:
    """What this customer has to pay, the oldest first; payments under way included."""
    invoices = db.session.scalars(
        select(Invoice)
        .where(Invoice.customer_id == customer_id, UNPAID)
        .order_by(Invoice.issued_at, Invoice.number)
    )
    return [
        Due(
            number=listed.invoice.number,
            outstanding_micros=listed.invoice.outstanding_micros,
            due_date=listed.invoice.due_date,
            status=listed.status,
            under_way_micros=listed.under_way_micros,
            is_request=listed.invoice.is_request,
        )
        for listed in with_status(invoices)
    ]

"""Reading invoices: by number, in lists with filters and a cursor, with the status they have now."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select, true
from sqlalchemy.orm import joinedload, selectinload

from app.clock import utc_now
from app.db import db
from app.i18n import local_date
from app.once import once_per_page
from app.tables import Column, Order
from invoicing import payment_orders, searching
from invoicing.errors import UnknownInvoice
from invoicing.models import (
    CREDIT_NOTE,
    INVOICE,
    IS_ISSUED,
    OUTSTANDING_MICROS,
    PAYMENT_REQUEST,
    UNPAID,
    Invoice,
    InvoiceLine,
    InvoiceNumber,
    is_named,
)
from invoicing.status import SETTLED, Status, status_of

_FOUR_DAYS: Final = timedelta(days=4)
# What a list of documents can be sorted by.
COLUMNS: Final = {
    "date": Column(Invoice.issued_at, falls=True),
    "number": Column(Invoice.number, falls=True),
    "period": Column(Invoice.period_start, falls=True),
    "customer": Column(func.lower(func.coalesce(Invoice.buyer["name"].astext, ""))),
    "total": Column(
        case((Invoice.kind == CREDIT_NOTE, -Invoice.total_cents), else_=Invoice.total_cents), falls=True
    ),
    "outstanding": Column(OUTSTANDING_MICROS, falls=True),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """An invoice with its status now, and what payments under way will bring it."""

    invoice: Invoice
    status: Status
    under_way_micros: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is limited to; None: not limited. `search` is what a reader typed."""

    customer_id: int | None = None
    statuses: frozenset[Status] | None = None
    kind: str | None = None
    month: date | None = None
    search: str = ""


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
    """The invoices with their status; payments under way are asked for once, whosever they are."""
    listed = list(invoices)
    today = local_date(utc_now())
    owners = {invoice.customer_id for invoice in listed if invoice.outstanding_micros > 0}
    under_way = _under_way(owners)
    for invoice in listed:
        theirs = under_way.get(invoice.customer_id, {})
        coming_micros = sum(theirs.get(name, 0) for name in invoice.names)
        status = status_of(
            outstanding_micros=invoice.outstanding_micros,
            due_date=invoice.due_date,
            today=today,
            is_under_way=coming_micros > 0,
            is_credited=invoice.kind == INVOICE and 0 < invoice.total_cents <= invoice.credited_cents,
            is_written_off=(invoice.written_off_micros or 0) > 0,
        )
        yield Listed(invoice, status, coming_micros)


def _under_way(owners: Collection[int] | None) -> Mapping[int, Mapping[str, int]]:
    """What is under way for these customers' invoices, or for everybody's."""
    if owners is None or len(owners) > 1:
        return payment_orders.under_way_of(owners)
    return {owner: payment_orders.all_under_way(owner) for owner in owners}


def status_now(invoice: Invoice) -> Status:
    return next(with_status([invoice])).status


def page(
    filters: Filters,
    *,
    order: Order | None = None,
    after: str | None = None,
    limit: int = 50,
    with_lines: bool = True,
) -> tuple[list[Listed], str | None]:
    """Invoices, the newest first unless asked otherwise, and the cursor of the next page (a document number).

    Raises UnknownInvoice for a cursor that is none.
    """
    order = order or Order.asked(COLUMNS)
    place = None if after is None else (_place(after, filters, order), after)
    query = order.applied(_query(filters), Invoice.number, place).limit(limit + 1)
    if with_lines:
        query = query.options(selectinload(Invoice.lines), selectinload(Invoice.taxes))
    found = list(with_status(db.session.scalars(query)))
    if len(found) <= limit:
        return found, None
    return found[:limit], found[limit - 1].invoice.number


def _place(number: str, filters: Filters, order: Order) -> object:
    """Where a document stands in this order. Raises UnknownInvoice."""
    owner = _owner(number) if filters.customer_id is None else filters.customer_id
    found = db.session.execute(
        select(order.value).where(Invoice.customer_id == owner, is_named([number]))
    ).one_or_none()
    if found is None:
        raise UnknownInvoice
    return found[0]


def _query(filters: Filters) -> Select[Invoice]:
    query = select(Invoice)
    if filters.customer_id is not None:
        query = query.where(Invoice.customer_id == filters.customer_id)
    if filters.kind == PAYMENT_REQUEST:
        query = query.where(~IS_ISSUED)
    elif filters.kind is not None:
        query = query.where(Invoice.kind == filters.kind, IS_ISSUED)
    if filters.month is not None:
        next_month = (filters.month.replace(day=28) + _FOUR_DAYS).replace(day=1)
        query = query.where(Invoice.period_start >= filters.month, Invoice.period_start < next_month)
    if filters.statuses is not None:
        query = query.where(_has_status(filters.statuses, filters.customer_id))
    for term in searching.terms_of(filters.search):
        query = query.where(searching.condition(term, by_customer=filters.customer_id is None))
    return query


def _has_status(statuses: Collection[Status], customer_id: int | None) -> ColumnElement[bool]:
    """`status_of` for the database. Which invoices are being paid is no column, and is asked for first."""
    unpaid: dict[Status, ColumnElement[bool]] = {}
    if not SETTLED.issuperset(statuses):
        theirs = _under_way(None if customer_id is None else {customer_id})
        names = {name for numbers in theirs.values() for name in numbers}
        # Of an invoice that was never a request, its other name is unknown rather than another.
        is_under_way, late = is_named(names).is_(true()), Invoice.due_date < local_date(utc_now())
        unpaid = {
            "in_progress": is_under_way,
            "overdue": and_(~is_under_way, late),
            "open": and_(~is_under_way, ~late),
        }
    given_up = Invoice.written_off_micros > 0
    credited = and_(Invoice.total_cents > 0, Invoice.credited_cents >= Invoice.total_cents)
    settled: dict[Status, ColumnElement[bool]] = {
        "uncollectible": given_up,
        "credited": and_(~given_up, credited),
        "paid": and_(~given_up, ~credited),
    }
    ways = []
    if wanted := [one for status, one in unpaid.items() if status in statuses]:
        ways.append(and_(UNPAID, or_(*wanted)))
    if wanted := [one for status, one in settled.items() if status in statuses]:
        ways.append(and_(~UNPAID, or_(*wanted)))
    return or_(false(), *ways)


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

"""Issuing: a settled period becomes rows that never change: parties, lines, taxes, amounts, number.

The numbers are taken last, for all documents of a chunk at once, so the series is locked only for the time
of these inserts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import msgspec

from app.config import settings
from app.customers.models import Customer
from app.db import copy_rows
from invoicing import payment_requests
from invoicing.billing import Prepared
from invoicing.due import Settlement
from invoicing.lines import Line
from invoicing.models import CREDIT_NOTE, INVOICE, Invoice, InvoiceLine, InvoiceNumber, InvoiceTax
from invoicing.numbering import take_numbers
from invoicing.totals import TaxTotal


class Settled(msgspec.Struct, frozen=True):
    """A prepared invoice with its settlement: all but the number."""

    prepared: Prepared
    settlement: Settlement
    balance: dict[str, int]
    customer: Customer
    original_number: str | None = None
    reason: str | None = None
    # Of a document beside the closes: its own due date. Else the customer's term counts from its issue.
    due_date: date | None = None
    term_days: int | None = None
    closes_period: bool = True

    @property
    def kind(self) -> str:
        return INVOICE if self.prepared.sign > 0 else CREDIT_NOTE


class Issued(msgspec.Struct, frozen=True):
    """What was issued, and to whom."""

    customer_id: int
    invoice_id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class _Today:
    """What documents issued together have in common."""

    now: datetime
    issue_date: date
    seller: dict[str, Any]
    term_days: int
    asks_first: bool

    @classmethod
    def at(cls, now: datetime, issue_date: date) -> Self:
        return cls(now, issue_date, seller(), settings().payment_term_days, payment_requests.asked_first())


def issue(settled: Iterable[Settled], *, now: datetime, issue_date: date) -> list[Issued]:
    """Write the documents, and give them their numbers as the last locks of the transaction.

    What is to be paid before it is issued is written as a payment request.
    """
    waiting = list(settled)
    if not waiting:
        return []
    today = _Today.at(now, issue_date)
    documents = [_document(one, uuid4(), today) for one in waiting]
    corrected = [(row["customer_id"], row["original_number"]) for row in documents if row["original_number"]]
    lines = [line for one, row in zip(waiting, documents, strict=True) for line in _lines(one, row)]
    taxes = [tax for one, row in zip(waiting, documents, strict=True) for tax in _taxes(one, row)]
    # All is ready: the series is locked for the time of writing it down.
    numbers = payment_requests.numbers_for(corrected)
    for row in documents:
        row["original_number"] = numbers.get(
            (row["customer_id"], row["original_number"]), row["original_number"]
        )
    for kind in (INVOICE, CREDIT_NOTE):
        numbered = [row for row in documents if row["kind"] == kind and not row["request_number"]]
        for row, number in zip(numbered, take_numbers(kind, issue_date.year, len(numbered)), strict=True):
            row["number"] = number
    copy_rows(Invoice, documents)
    copy_rows(InvoiceLine, lines)
    copy_rows(InvoiceTax, taxes)
    copy_rows(
        InvoiceNumber, [{"number": row["number"], "customer_id": row["customer_id"]} for row in documents]
    )
    return [Issued(row["customer_id"], row["invoice_id"], row["number"]) for row in documents]


def draft(one: Settled, *, now: datetime, issue_date: date) -> Invoice:
    """The document as it would be issued, without a number and in no table: to be looked at."""
    document = _document(one, uuid4(), _Today.at(now, issue_date))
    document |= {"number": "", "request_number": None, "requested_at": None}
    made = Invoice(**document, credited_cents=0, offset_cents=0)
    made.to_credits_cents = 0
    made.lines = [InvoiceLine(**line) for line in _lines(one, document)]
    made.taxes = [InvoiceTax(**tax) for tax in _taxes(one, document)]
    return made


def _lines(one: Settled, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for position, line in enumerate(one.prepared.lines):
        if line.net_cents or line.quantity:
            yield _line(one, document["invoice_id"], position, line)


def _taxes(one: Settled, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for position, tax in enumerate(one.prepared.totals.taxes):
        yield _tax(one, document["invoice_id"], position, tax)


def _document(one: Settled, invoice_id: UUID, today: _Today) -> dict[str, Any]:
    facts, totals, settlement = one.prepared.facts, one.prepared.totals, one.settlement
    sign = one.prepared.sign
    terms = (one.term_days, one.customer.payment_term_days, today.term_days)
    days = next(term for term in terms if term is not None)
    is_request = today.asks_first and one.kind == INVOICE and settlement.due_cents > 0
    request = payment_requests.new_name() if is_request else None
    return {
        "customer_id": facts.customer_id,
        "invoice_id": invoice_id,
        "number": request or "",
        "kind": one.kind,
        "close_key": facts.period_start.isoformat() if one.closes_period else None,
        "period_start": facts.period_start,
        "period_end": facts.period_end,
        "issue_date": today.issue_date,
        "due_date": one.due_date or today.issue_date + timedelta(days=days),
        "issued_at": today.now,
        "request_number": request,
        "requested_at": today.now if request else None,
        "currency": one.customer.currency,
        "locale": one.customer.locale,
        "seller": today.seller,
        "buyer": buyer(one.customer),
        "original_number": one.original_number,
        "reason": one.reason,
        "net_cents": sign * totals.lines_cents,
        "discount_cents": sign * totals.discount_cents,
        "vat_cents": sign * totals.vat_cents,
        "total_cents": sign * totals.total_cents,
        "credits_used_cents": settlement.credits_used_cents,
        "credits_left_cents": settlement.credits_left_cents,
        "prepaid_cents": sign * settlement.prepaid_cents,
        "due_cents": settlement.due_cents,
        "balance": one.balance,
        "settled_micros": 0,
    }


def _line(one: Settled, invoice_id: UUID, position: int, line: Line) -> dict[str, Any]:
    sign = one.prepared.sign
    return {
        "customer_id": one.prepared.facts.customer_id,
        "invoice_id": invoice_id,
        "position": position,
        "kind": line.kind,
        "meter": line.meter,
        "names": line.names,
        "unit": line.unit,
        "dimensions": line.dimensions,
        "quantity": sign * line.quantity,
        "unit_price": line.unit_price,
        "price_base": line.price_base,
        "tier_above": line.above,
        "tier_up_to": line.up_to,
        "net_cents": sign * line.net_cents,
        "tax_category": line.treatment.category,
        "tax_percent": line.treatment.percent,
        "correction_of": line.correction_of,
        "supplied_from": line.supplied_from,
        "supplied_until": line.supplied_until,
    }


def _tax(one: Settled, invoice_id: UUID, position: int, tax: TaxTotal) -> dict[str, Any]:
    sign = one.prepared.sign
    return {
        "customer_id": one.prepared.facts.customer_id,
        "invoice_id": invoice_id,
        "position": position,
        "category": tax.treatment.category,
        "percent": tax.treatment.percent,
        "lines_cents": sign * tax.lines_cents,
        "discount_cents": sign * tax.discount_cents,
        "taxable_cents": sign * tax.taxable_cents,
        "vat_cents": sign * tax.vat_cents,
    }


def seller() -> dict[str, Any]:
    """The provider as printed on documents of today."""
    provider = settings().provider
    iban = provider.iban.replace(" ", "")
    return {
        **asdict(provider),
        "iban_text": " ".join(iban[start : start + 4] for start in range(0, len(iban), 4)),
    }


def buyer(customer: Customer) -> dict[str, Any]:
    """The customer as printed on documents of today."""
    return {
        "reference": customer.reference,
        "name": customer.name,
        "email": customer.email,
        "kind": customer.kind,
        "country": customer.country,
        "vat_number": customer.vat_number,
        "address_line1": customer.address_line1,
        "postal_code": customer.postal_code,
        "city": customer.city,
        "purchase_order": customer.purchase_order,
    }

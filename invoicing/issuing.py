"""Issuing: a settled period becomes rows that never change: parties, lines, taxes, amounts, number.

The numbers are taken last, for all documents of a chunk at once, so the series is locked only for the time
of these inserts.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from app.config import settings
from app.customers.models import Customer
from app.db import db
from invoicing.billing import Prepared
from invoicing.due import Settlement
from invoicing.lines import Line
from invoicing.models import CREDIT_NOTE, INVOICE, Invoice, InvoiceLine, InvoiceNumber, InvoiceTax
from invoicing.numbering import take_numbers
from invoicing.totals import TaxTotal


@dataclass(frozen=True, slots=True)
class Settled:
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


@dataclass(frozen=True, slots=True)
class Issued:
    """What was issued, and to whom."""

    customer_id: int
    invoice_id: UUID
    number: str


def issue(settled: Iterable[Settled], *, now: datetime, issue_date: date) -> list[Issued]:
    """Write the documents, and give them their numbers as the last locks of the transaction."""
    waiting = list(settled)
    ids = [uuid4() for _ in waiting]
    numbers: dict[int, str] = {}
    for kind in (INVOICE, CREDIT_NOTE):
        positions = [position for position, one in enumerate(waiting) if one.kind == kind]
        taken = take_numbers(kind, issue_date.year, len(positions))
        numbers.update(zip(positions, taken, strict=True))
    if not waiting:
        return []
    documents = [
        _document(one, ids[position], numbers[position], now, issue_date)
        for position, one in enumerate(waiting)
    ]
    db.session.execute(insert(Invoice), documents)
    _insert_parts(waiting, ids)
    db.session.execute(
        insert(InvoiceNumber),
        [{"number": row["number"], "customer_id": row["customer_id"]} for row in documents],
    )
    return [Issued(row["customer_id"], row["invoice_id"], row["number"]) for row in documents]


def draft(one: Settled, *, now: datetime, issue_date: date) -> Invoice:
    """The document as it would be issued, without a number and in no table: to be looked at."""
    made = Invoice(**_document(one, uuid4(), "", now, issue_date), credited_cents=0, offset_cents=0)
    made.to_credits_cents = 0
    made.lines = [
        InvoiceLine(**_line(one, made.invoice_id, position, line))
        for position, line in enumerate(one.prepared.lines)
        if line.net_cents or line.quantity
    ]
    made.taxes = [
        InvoiceTax(**_tax(one, made.invoice_id, position, tax))
        for position, tax in enumerate(one.prepared.totals.taxes)
    ]
    return made


def _insert_parts(waiting: list[Settled], ids: list[UUID]) -> None:
    lines = [
        _line(one, invoice_id, position, line)
        for one, invoice_id in zip(waiting, ids, strict=True)
        for position, line in enumerate(one.prepared.lines)
        if line.net_cents or line.quantity
    ]
    taxes = [
        _tax(one, invoice_id, position, tax)
        for one, invoice_id in zip(waiting, ids, strict=True)
        for position, tax in enumerate(one.prepared.totals.taxes)
    ]
    if lines:
        db.session.execute(insert(InvoiceLine), lines)
    if taxes:
        db.session.execute(insert(InvoiceTax), taxes)


def _document(one: Settled, invoice_id: UUID, number: str, now: datetime, issue_date: date) -> dict[str, Any]:
    facts, totals, settlement = one.prepared.facts, one.prepared.totals, one.settlement
    sign = one.prepared.sign
    terms = (one.term_days, one.customer.payment_term_days, settings().payment_term_days)
    days = next(term for term in terms if term is not None)
    return {
        "customer_id": facts.customer_id,
        "invoice_id": invoice_id,
        "number": number,
        "kind": one.kind,
        "close_key": facts.period_start.isoformat() if one.closes_period else None,
        "period_start": facts.period_start,
        "period_end": facts.period_end,
        "issue_date": issue_date,
        "due_date": one.due_date or issue_date + timedelta(days=days),
        "issued_at": now,
        "currency": one.customer.currency,
        "locale": one.customer.locale,
        "seller": seller(),
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
        "names": dict(line.names),
        "unit": line.unit,
        "dimensions": dict(line.dimensions),
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

"""What of the issued documents is declared in a quarter, and how each tax treatment is declared.

Domestic VAT is declared by the date of the invoice (factuurstelsel); services to businesses and consumers in
other EU countries by the quarter in which they were supplied, the last day of their period; credit notes, and
invoices that follow on payment, by their own date. What is invoiced ahead, beside the closes, counts as
supplied when it is invoiced.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import aliased

from app.config import settings
from app.db import db
from invoicing.exports.quarters import Quarter
from invoicing.models import CREDIT_NOTE, IS_ISSUED, Invoice, InvoiceTax
from invoicing.tax import Category
from invoicing.tax_rates import EU_COUNTRIES


class Kind(StrEnum):
    """Where a tax total is declared."""

    DOMESTIC = "domestic"
    OSS = "oss"
    ICP = "icp"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Declared:
    """One tax total of one document; below zero for credit notes. `supplied` is its period's quarter."""

    kind: Kind
    number: str
    day: date
    supplied: Quarter
    buyer: dict[str, Any]
    category: str
    percent: Decimal
    taxable_cents: int
    vat_cents: int


def kind_of(category: str, buyer_country: str, seller_country: str) -> Kind:
    if buyer_country == seller_country:
        return Kind.DOMESTIC
    if buyer_country not in EU_COUNTRIES:
        return Kind.OUTSIDE
    return Kind.ICP if category == Category.REVERSE_CHARGE else Kind.OSS


def declared_on(kind: Kind, *, is_by_issue: bool, issued: date, supplied: date) -> date:
    """The day by which a tax total falls in a quarter."""
    if is_by_issue or kind in {Kind.DOMESTIC, Kind.OUTSIDE}:
        return issued
    return supplied


def supplied_on(*, invoiced: date, period_end: date, is_close: bool) -> date:
    """The day on which a document's services count as supplied; `invoiced`: of the invoice they stand on."""
    return period_end - timedelta(days=1) if is_close else invoiced


def declared_in(quarter: Quarter) -> Iterator[Declared]:
    """All that is declared in a quarter, by document number."""
    original = aliased(Invoice)
    rows = db.session.execute(
        select(
            Invoice.number,
            Invoice.kind,
            Invoice.issue_date,
            Invoice.period_end,
            Invoice.buyer,
            InvoiceTax.category,
            InvoiceTax.percent,
            InvoiceTax.taxable_cents,
            InvoiceTax.vat_cents,
            func.coalesce(original.issue_date, Invoice.issue_date).label("invoiced"),
            Invoice.request_number.is_not(None).label("was_asked"),
            func.coalesce(original.close_key, Invoice.close_key).is_not(None).label("is_close"),
        )
        .join(
            InvoiceTax,
            (InvoiceTax.customer_id == Invoice.customer_id) & (InvoiceTax.invoice_id == Invoice.invoice_id),
        )
        .outerjoin(
            original,
            (original.customer_id == Invoice.customer_id) & (original.number == Invoice.original_number),
        )
        .where(
            IS_ISSUED,
            or_(
                Invoice.issue_date.between(quarter.start, quarter.end),
                Invoice.period_end.between(quarter.start, quarter.end + timedelta(days=1)),
            ),
        )
        .order_by(Invoice.number, InvoiceTax.position)
    )
    for row in rows:
        kind = kind_of(row.category, row.buyer["country"], settings().provider.country)
        is_note = row.kind == CREDIT_NOTE
        supplied = supplied_on(invoiced=row.invoiced, period_end=row.period_end, is_close=row.is_close)
        # What was asked for first is declared when it is issued, whatever it is: by then the quarter in which
        # it was supplied may have been declared.
        by_issue = is_note or row.was_asked
        day = declared_on(kind, is_by_issue=by_issue, issued=row.issue_date, supplied=supplied)
        if not quarter.start <= day < quarter.end:
            continue
        sign = -1 if is_note else 1
        yield Declared(
            kind=kind,
            number=row.number,
            day=day,
            supplied=Quarter.of(supplied),
            buyer=row.buyer,
            category=row.category,
            percent=row.percent,
            taxable_cents=sign * row.taxable_cents,
            vat_cents=sign * row.vat_cents,
        )

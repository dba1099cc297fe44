"""Which invoice is behind a movement of the balance: postings name the close or the payment's share."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import select

from app.db import db
from invoicing.models import Allocation, Invoice


def numbers_behind(customer_id: int, references: Collection[str]) -> dict[str, str]:
    """Numbers of documents by the reference of the postings that belong to them; others are left out."""
    found: dict[str, str] = {}
    shares = [reference for reference in references if reference.startswith("allocation-")]
    if shares:
        rows = db.session.execute(
            select(Allocation.reference, Invoice.number)
            .join(
                Invoice,
                (Invoice.customer_id == Allocation.customer_id)
                & (Invoice.invoice_id == Allocation.invoice_id),
            )
            .where(Allocation.customer_id == customer_id, Allocation.reference.in_(shares))
        )
        found |= {row.reference: row.number for row in rows}
    closes = {reference: key for reference in references if (key := _closed(reference))}
    if closes:
        rows = db.session.execute(
            select(Invoice.close_key, Invoice.number).where(
                Invoice.customer_id == customer_id, Invoice.close_key.in_(set(closes.values()))
            )
        )
        numbers = {row.close_key: row.number for row in rows}
        found |= {reference: numbers[key] for reference, key in closes.items() if key in numbers}
    return found


def _closed(reference: str) -> str | None:
    """The period that a posting of a close names, such as "close-2026-10-01-rounding"."""
    head, _, rest = reference.partition("-")
    if head != "close":
        return None
    try:
        return date.fromisoformat(rest[:10]).isoformat()
    except ValueError:
        return None

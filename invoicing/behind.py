"""Which invoice is behind a movement of the balance: postings name the close or the payment's share."""

import re
from collections.abc import Collection
from datetime import date
from typing import Final

from sqlalchemy import String, cast, literal, select

from app.db import db
from invoicing.charge_models import Charge
from invoicing.models import Allocation, Invoice
from invoicing.subscription_models import SubscriptionSpan

_SEPARATE: Final = re.compile(
    r"separate-(?P<id>(?:ch|su)_[0-9a-z]+_[0-9a-z]+)"
    r"(?:\.(?P<start>\d{4}-\d{2}-\d{2})\.(?P<revision>\d+)\.\d+)?-[a-z]+"
)


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
    return found | _of_charges(customer_id, references)


def _of_charges(customer_id: int, references: Collection[str]) -> dict[str, str]:
    """Documents beside the closes: their postings name the charge, or a subscription and its period."""
    named = {reference: found for reference in references if (found := _SEPARATE.fullmatch(reference))}
    if not named:
        return {}
    ids = {found["id"] for found in named.values()}
    charges = (
        select(Charge.charge_id, literal(""), literal(0), Invoice.number)
        .join(
            Invoice, (Invoice.customer_id == Charge.customer_id) & (Invoice.invoice_id == Charge.invoice_id)
        )
        .where(Charge.customer_id == customer_id, Charge.charge_id.in_(ids))
    )
    spans = (
        select(
            SubscriptionSpan.subscription_id,
            cast(SubscriptionSpan.period_start, String),
            SubscriptionSpan.revision,
            Invoice.number,
        )
        .join(
            Invoice,
            (Invoice.customer_id == SubscriptionSpan.customer_id)
            & (Invoice.invoice_id == SubscriptionSpan.invoice_id),
        )
        .where(SubscriptionSpan.customer_id == customer_id, SubscriptionSpan.subscription_id.in_(ids))
    )
    rows = db.session.execute(charges.union_all(spans))
    numbers = {(owner, start, revision): number for owner, start, revision, number in rows}
    keys = {
        reference: (found["id"], found["start"] or "", int(found["revision"] or 0))
        for reference, found in named.items()
    }
    return {reference: numbers[key] for reference, key in keys.items() if key in numbers}


def _closed(reference: str) -> str | None:
    """The period that a posting of a close names, such as "close-2026-10-01-rounding"."""
    head, _, rest = reference.partition("-")
    if head != "close":
        return None
    try:
        return date.fromisoformat(rest[:10]).isoformat()
    except ValueError:
        return None

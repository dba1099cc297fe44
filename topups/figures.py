"""Figures of all customers' payments per month: what failed, and which mandates were lost. Reads only."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, cast, func, select

from app.config import settings
from app.db import db
from topups.models import PaymentMethod, TopUp
from topups.states import Status


@dataclass(frozen=True, slots=True)
class Failed:
    """Payments that failed in a month, by how they were begun."""

    month: date
    origin: str
    payments: int
    amount_micros: int


def failures_by_month(since: datetime) -> list[Failed]:
    """Payments that failed since a moment."""
    month = _month(TopUp.ended_at)
    rows = db.session.execute(
        select(month, TopUp.origin, func.count(), func.sum(TopUp.amount_micros))
        .where(TopUp.status == Status.FAILED, TopUp.ended_at >= since)
        .group_by(month, TopUp.origin)
        .order_by(month, TopUp.origin)
    )
    return [Failed(first, origin, payments, int(micros)) for first, origin, payments, micros in rows]


def lost_mandates_by_month(since: datetime) -> dict[date, int]:
    """How many mandates were revoked in each month."""
    month = _month(PaymentMethod.revoked_at)
    query = select(month, func.count()).where(PaymentMethod.revoked_at >= since).group_by(month)
    return {row[0]: int(row[1]) for row in db.session.execute(query)}


def valid_mandates() -> int:
    query = select(func.count()).select_from(PaymentMethod).where(PaymentMethod.status == "valid")
    return db.session.scalar(query) or 0


def _month(column: Any) -> Any:
    return cast(func.date_trunc("month", func.timezone(str(settings().timezone), column)), Date)

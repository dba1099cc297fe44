"""A customer's use day by day, and what the balance was at a moment; for looking back."""

from datetime import date, datetime

from sqlalchemy import func, select

from app.config import settings
from app.db import db
from app.ledger.models import Transfer
from app.ledger.sides import AVAILABLE_SIDES

_SIDES = [side.value for side in AVAILABLE_SIDES]


def used_by_day(customer_id: int, since: datetime, until: datetime) -> dict[date, int]:
    """Micros of usage debited from the balance in [since, until), by day in the provider's zone."""
    day = func.date(func.timezone(str(settings().timezone), Transfer.created_at))
    rows = db.session.execute(
        select(day.label("day"), func.sum(Transfer.amount_micros).label("micros"))
        .where(
            Transfer.customer_id == customer_id,
            Transfer.kind == "usage",
            Transfer.debit.in_(_SIDES),
            Transfer.created_at >= since,
            Transfer.created_at < until,
        )
        .group_by(day)
    )
    return {row.day: int(row.micros) for row in rows}


def balance_before(customer_id: int, moment: datetime) -> int:
    """Prepaid and promotional micros as they stood then."""
    last = db.session.scalars(
        select(Transfer.balance_after_micros)
        .where(Transfer.customer_id == customer_id, Transfer.created_at < moment)
        .order_by(Transfer.number.desc())
        .limit(1)
    ).one_or_none()
    return last or 0

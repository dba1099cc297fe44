"""What a balance was at a moment; for looking back."""

from datetime import datetime

from sqlalchemy import select

from app.db import db
from app.ledger.models import Transfer


def balance_before(customer_id: int, moment: datetime) -> int:
    """Prepaid and promotional micros as they stood then."""
    last = db.session.scalars(
        select(Transfer.balance_after_micros)
        .where(Transfer.customer_id == customer_id, Transfer.created_at < moment)
        .order_by(Transfer.number.desc())
        .limit(1)
    ).one_or_none()
    return last or 0

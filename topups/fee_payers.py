"""Who may have something of a fee on an invoice: those that ever paid one, for it may be taken back."""

from datetime import datetime

from sqlalchemy import func, select

from app.db import db
from topups.models import TopUp


def fee_payers() -> dict[int, datetime]:
    """Customers that paid a fee, with the moment of their first: few enough to look at each."""
    rows = db.session.execute(
        select(TopUp.customer_id, func.min(TopUp.ended_at).label("first_at"))
        .where(TopUp.fee_micros > 0, TopUp.ended_at.is_not(None))
        .group_by(TopUp.customer_id)
    )
    return {row.customer_id: row.first_at for row in rows}

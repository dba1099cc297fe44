"""Who may have something of a fee on an invoice: those that paid one, as long as it may be taken back."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from app.db import db
from topups.models import TopUp

# A direct debit can be taken back for thirteen months.
TAKEN_BACK_WITHIN: Final = timedelta(days=400)


def fee_payers(now: datetime) -> dict[int, datetime]:
    """Customers that paid a fee in the last thirteen months: few enough to look at each. With its moment."""
    rows = db.session.execute(
        select(TopUp.customer_id, func.min(TopUp.ended_at).label("first_at"))
        .where(TopUp.fee_micros > 0, TopUp.ended_at > now - TAKEN_BACK_WITHIN)
        .group_by(TopUp.customer_id)
    )
    return {row.customer_id: row.first_at for row in rows}

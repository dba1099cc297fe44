"""Who may have something of a fee on an invoice: those that paid one, as long as it may be taken back."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from app.db import db
from topups.models import TopUp

# A direct debit can be taken back for thirteen months.
TAKEN_BACK_WITHIN: Final = timedelta(days=400)


def fee_payers(since: datetime, until: datetime) -> set[int]:
    """Customers for whom fees may have come or gone in [since, until): few enough to look at each."""
    paid = TopUp.ended_at.between(since - TAKEN_BACK_WITHIN, until)
    return set(db.session.scalars(select(TopUp.customer_id).where(TopUp.fee_micros > 0, paid).distinct()))

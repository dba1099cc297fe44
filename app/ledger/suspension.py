"""Suspending a customer: new holds are refused; usage that happens is recorded all the same."""

from sqlalchemy import update

from app.clock import utc_now
from app.db import db
from app.ledger.models import BalanceRow
from app.ledger.service import Balance, get_balance, lock_balance


def suspend(customer_id: int) -> Balance:
    """From now on, or since it was done before. Raises NotFound."""
    return _set(customer_id, is_suspended=True)


def unsuspend(customer_id: int) -> Balance:
    """Again is harmless. Raises NotFound."""
    return _set(customer_id, is_suspended=False)


def _set(customer_id: int, *, is_suspended: bool) -> Balance:
    before = lock_balance(customer_id)
    db.session.execute(
        update(BalanceRow)
        .where(BalanceRow.customer_id == customer_id)
        .values(suspended_at=(before.suspended_at or utc_now()) if is_suspended else None)
        .execution_options(synchronize_session=False)
    )
    return get_balance(customer_id)

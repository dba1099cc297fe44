"""Suspending a customer: new holds are refused; usage that happens is recorded all the same.

An operator and dunning suspend each for a cause of its own, and lift only that: the customer is suspended
while there is any cause.
"""

from datetime import datetime
from typing import Final, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.audit import Subject
from app.clock import utc_now
from app.db import db
from app.ledger.models import BalanceRow, SuspensionCause
from app.ledger.service import Balance, get_balance, lock_balance

Cause = Literal["operator", "dunning"]
CAUSES: Final[tuple[Cause, ...]] = ("operator", "dunning")


def suspend(customer_id: int, cause: Cause = "operator") -> Balance:
    """From now on, or since it was done before. Raises NotFound."""
    before = lock_balance(customer_id)
    now = utc_now()
    db.session.execute(
        insert(SuspensionCause)
        .values(customer_id=customer_id, cause=cause, since=now)
        .on_conflict_do_nothing()
    )
    return _set(before, before.suspended_at or now)


def unsuspend(customer_id: int, cause: Cause = "operator") -> Balance:
    """Take this cause away; again is harmless. Raises NotFound."""
    before = lock_balance(customer_id)
    db.session.execute(
        delete(SuspensionCause).where(
            SuspensionCause.customer_id == customer_id, SuspensionCause.cause == cause
        )
    )
    return _set(before, before.suspended_at if causes(customer_id) else None)


def causes(customer_id: int) -> dict[Cause, datetime]:
    """Why this customer is suspended, and since when."""
    rows = db.session.execute(
        select(SuspensionCause.cause, SuspensionCause.since).where(SuspensionCause.customer_id == customer_id)
    )
    since: dict[str, datetime] = {row.cause: row.since for row in rows}
    return {cause: since[cause] for cause in CAUSES if cause in since}


def _set(before: Balance, suspended_at: datetime | None) -> Balance:
    db.session.execute(
        update(BalanceRow)
        .where(BalanceRow.customer_id == before.customer_id)
        .values(suspended_at=suspended_at)
        .execution_options(synchronize_session=False)
    )
    if before.suspended_at != suspended_at:
        act = "balance.suspended" if suspended_at is not None else "balance.unsuspended"
        audit.note(act, Subject("balance", "", before.customer_id))
    return get_balance(before.customer_id)

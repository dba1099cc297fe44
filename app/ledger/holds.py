"""Holds: an amount set aside before the work, so that work at the same time cannot spend it twice.

The open holds of a customer add up to the balance's `held_micros`, at every commit. A hold moves no money:
its capture debits the usage that really was, and sets the rest free. All is done under the balance's lock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask_babel import lazy_gettext
from sqlalchemy import func, select, update

from app.clock import utc_now
from app.db import db
from app.errors import Conflict, NotFound, PaymentRequired
from app.ledger.models import BalanceRow, Hold
from app.ledger.service import Balance, expire_grants, lock_balance
from app.public_ids import customer_of, new_public_id

# A hold that has expired holds nothing any more; the work it was for is recorded all the same.
MOVES: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("captured", "released", "expired"),
    "expired": ("captured",),
    "captured": (),
    "released": (),
}
HoldCheck = Callable[[int, int], None]
_checks: list[HoldCheck] = []


class InsufficientBalance(PaymentRequired):
    code = "insufficient_balance"
    title = lazy_gettext("The balance does not cover this.")


class CustomerSuspended(PaymentRequired):
    code = "customer_suspended"
    title = lazy_gettext("This customer is suspended.")


class UnknownHold(NotFound):
    code = "unknown_hold"
    title = lazy_gettext("There is no hold with this id.")


class HoldEnded(Conflict):
    code = "hold_ended"
    title = lazy_gettext("This hold was captured or released already.")


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold as it was placed, and whether that took the customer below its attention mark."""

    hold: Hold
    has_crossed: bool


def check_holds_with(check: HoldCheck) -> None:
    """Have `check(customer_id, amount_micros)` refuse new holds, by raising, under the balance's lock."""
    if check not in _checks:
        _checks.append(check)


def place_hold(customer_id: int, amount_micros: int, *, expires_at: datetime, reference: str) -> Placed:
    """Set an amount aside, once per reference: a second call answers the first hold.

    Raises InsufficientBalance, CustomerSuspended.
    """
    lock_balance(customer_id)
    existing = db.session.scalars(
        select(Hold).where(Hold.customer_id == customer_id, Hold.reference == reference)
    ).one_or_none()
    if existing is not None:
        return Placed(existing, False)
    # What has expired neither covers a hold nor stands in its way, whatever the sweeps did.
    expire_grants(customer_id)
    expire_holds(customer_id)
    balance = lock_balance(customer_id)
    if balance.suspended_at is not None:
        raise CustomerSuspended
    if balance.spendable_micros < amount_micros:
        raise InsufficientBalance
    for check in _checks:
        check(customer_id, amount_micros)
    last = db.session.scalar(select(func.max(Hold.hold_id)).where(Hold.customer_id == customer_id))
    hold = Hold(
        customer_id=customer_id,
        hold_id=(last or 0) + 1,
        public_id=new_public_id("ho", customer_id),
        amount_micros=amount_micros,
        status="open",
        reference=reference,
        expires_at=expires_at,
        captured_micros=None,
        created_at=utc_now(),
        ended_at=None,
    )
    db.session.add(hold)
    db.session.flush()
    _change_held(customer_id, amount_micros)
    return Placed(hold, _note_crossing(balance, amount_micros))


def _note_crossing(balance: Balance, amount_micros: int) -> bool:
    mark = balance.attention_mark_micros
    before = balance.available_micros
    if mark is None or not before >= mark > before - amount_micros:
        return False
    db.session.execute(
        update(BalanceRow)
        .where(BalanceRow.customer_id == balance.customer_id)
        .values(attention_at=func.coalesce(BalanceRow.attention_at, utc_now()))
    )
    return True


def lock_hold(public_id: str) -> Hold:
    """The hold under its customer's lock. Raises UnknownHold."""
    try:
        customer_id = customer_of(public_id)
        lock_balance(customer_id)
    except NotFound as error:
        raise UnknownHold from error
    hold = db.session.scalars(
        select(Hold)
        .where(Hold.customer_id == customer_id, Hold.public_id == public_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if hold is None:
        raise UnknownHold
    return hold


def capture_hold(hold: Hold) -> None:
    """Set free what is held, in the transaction that debits the usage. Raises HoldEnded."""
    if "captured" not in MOVES[hold.status]:
        raise HoldEnded
    _end(hold, "captured")


def release_hold(public_id: str) -> Hold:
    """Set free what is held; again is harmless, and so is releasing what has expired. Raises HoldEnded."""
    hold = lock_hold(public_id)
    if hold.status == "captured":
        raise HoldEnded
    if hold.status == "open":
        _end(hold, "released")
    return hold


def expire_holds(customer_id: int) -> int:
    """End the customer's holds whose time has passed; answers how many. Again is harmless."""
    lock_balance(customer_id)
    expired = db.session.scalars(
        select(Hold).where(
            Hold.customer_id == customer_id, Hold.status == "open", Hold.expires_at <= utc_now()
        )
    ).all()
    for hold in expired:
        _end(hold, "expired")
    return len(expired)


def _end(hold: Hold, status: str) -> None:
    if status not in MOVES[hold.status]:
        raise ValueError(f"a hold that is {hold.status} cannot become {status}")
    if hold.status == "open":
        _change_held(hold.customer_id, -hold.amount_micros)
    hold.status, hold.ended_at = status, utc_now()
    db.session.flush()


def _change_held(customer_id: int, by_micros: int) -> None:
    changes: dict[str, Any] = {"held_micros": BalanceRow.held_micros + by_micros}
    if by_micros < 0:
        # What is free again lifts the balance above marks that then have to be watched anew.
        changes["attention_at"] = func.coalesce(BalanceRow.attention_at, utc_now())
    if by_micros:
        db.session.execute(
            update(BalanceRow)
            .where(BalanceRow.customer_id == customer_id)
            .values(**changes)
            .execution_options(synchronize_session=False)
        )


def customers_with_expired_holds(limit: int = 1000) -> list[int]:
    query = select(Hold.customer_id).where(Hold.status == "open", Hold.expires_at <= utc_now())
    return list(db.session.scalars(query.distinct().limit(limit)))


def holds(customer_id: int, *, limit: int, before: int | None = None) -> list[Hold]:
    """Holds, the newest first, from below a number on."""
    query = select(Hold).where(Hold.customer_id == customer_id)
    if before is not None:
        query = query.where(Hold.hold_id < before)
    return list(db.session.scalars(query.order_by(Hold.hold_id.desc()).limit(limit)))

"""Adjusting a balance by hand, with a reason; above a limit only once a second person has approved it.

What must stay true: one request moves money at most once, nobody approves what they asked for themselves, and
the limit is not passed in parts: what one person did for a customer within a day counts together.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from flask_babel import lazy_gettext
from sqlalchemy import func, select

from app.clock import utc_now
from app.config import settings
from app.db import db
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.i18n import money
from app.ledger.adjustment_models import Adjustment
from app.ledger.service import get_balance, grant, lock_balance, post_once
from app.ledger.sides import Posting, Side
from app.money import MAX_MICROS
from app.public_ids import customer_of, new_public_id

KIND: Final = "adjustment"
COUNTED_TOGETHER: Final = timedelta(days=1)
Kind = Literal["balance", "grant"]


class AlreadyDecided(Conflict):
    code = "already_decided"
    title = lazy_gettext("Somebody has decided on this already.")


class OwnRequest(Forbidden):
    code = "own_request"
    title = lazy_gettext("You asked for this yourself: somebody else must approve it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for. A balance may be lowered by an amount below zero."""

    customer_id: int
    kind: Kind
    amount_micros: int
    reason: str
    request_key: str
    expires_at: datetime | None = None


def request(wish: Wish, *, by_user_id: int) -> Adjustment:
    """Done at once up to the limit, else pending; the same request key answers the first one.

    Raises Invalid when the balance would fall below zero, the amount is none, or the expiry has passed.
    """
    balance = lock_balance(wish.customer_id)
    known = db.session.scalars(
        select(Adjustment).where(
            Adjustment.customer_id == wish.customer_id, Adjustment.request_key == wish.request_key
        )
    ).one_or_none()
    if known is not None:
        return known
    _check(wish, balance.prepaid_micros)
    now = utc_now()
    needs_second = _counting(wish.customer_id, by_user_id) + abs(wish.amount_micros) > _limit()
    made = Adjustment(
        customer_id=wish.customer_id,
        adjustment_id=new_public_id("adj", wish.customer_id),
        kind=wish.kind,
        amount_micros=wish.amount_micros,
        reason=wish.reason,
        expires_at=wish.expires_at,
        status="pending" if needs_second else "done",
        requested_by_user_id=by_user_id,
        requested_at=now,
        request_key=wish.request_key,
        decided_by_user_id=None,
        decided_at=None if needs_second else now,
    )
    db.session.add(made)
    db.session.flush()
    if not needs_second:
        _carry_out(made)
    return made


def approve(adjustment_id: str, *, by_user_id: int) -> Adjustment:
    """Carry it out. Raises NotFound, OwnRequest, AlreadyDecided, Invalid when it cannot be done any more."""
    made = _pending(adjustment_id)
    if made.requested_by_user_id == by_user_id:
        raise OwnRequest
    if made.kind == "balance":
        _check_covered(made.amount_micros, get_balance(made.customer_id).prepaid_micros)
    _decide(made, "done", by_user_id)
    _carry_out(made)
    return made


def decline(adjustment_id: str, *, by_user_id: int) -> Adjustment:
    """Nothing moves. Whoever asked withdraws it with this. Raises NotFound, AlreadyDecided."""
    made = _pending(adjustment_id)
    _decide(made, "declined", by_user_id if by_user_id != made.requested_by_user_id else None)
    return made


def pending(limit: int = 50) -> list[Adjustment]:
    """What waits for a second person, the oldest first."""
    query = select(Adjustment).where(Adjustment.status == "pending")
    return list(db.session.scalars(query.order_by(Adjustment.requested_at).limit(limit)))


def pending_count() -> int:
    query = select(func.count()).select_from(Adjustment).where(Adjustment.status == "pending")
    return db.session.scalar(query) or 0


def decided(limit: int = 20) -> list[Adjustment]:
    """The latest that were decided, done or declined."""
    query = select(Adjustment).where(Adjustment.decided_at.is_not(None))
    return list(db.session.scalars(query.order_by(Adjustment.decided_at.desc()).limit(limit)))


def of_customer(customer_id: int, limit: int = 20) -> list[Adjustment]:
    query = select(Adjustment).where(Adjustment.customer_id == customer_id)
    return list(db.session.scalars(query.order_by(Adjustment.requested_at.desc()).limit(limit)))


def _limit() -> int:
    return settings().adjustment_limit_micros


def _counting(customer_id: int, user_id: int) -> int:
    """Micros this person moved for this customer lately without anybody's approval."""
    query = select(func.coalesce(func.sum(func.abs(Adjustment.amount_micros)), 0)).where(
        Adjustment.customer_id == customer_id,
        Adjustment.requested_by_user_id == user_id,
        Adjustment.status == "done",
        Adjustment.decided_by_user_id.is_(None),
        Adjustment.requested_at > utc_now() - COUNTED_TOGETHER,
    )
    return int(db.session.scalar(query) or 0)


def _check(wish: Wish, prepaid_micros: int) -> None:
    if wish.amount_micros == 0 or abs(wish.amount_micros) > MAX_MICROS:
        raise Invalid(lazy_gettext("Enter an amount such as 25.00."), field="amount")
    if wish.kind == "grant" and wish.amount_micros < 0:
        raise Invalid(lazy_gettext("The amount cannot be below zero."), field="amount")
    if wish.expires_at is not None and wish.expires_at <= utc_now():
        raise Invalid(lazy_gettext("Give a day in the future."), field="expires_on")
    if wish.kind == "balance":
        _check_covered(wish.amount_micros, prepaid_micros)


def _check_covered(amount_micros: int, prepaid_micros: int) -> None:
    if amount_micros < 0 and prepaid_micros + amount_micros < 0:
        left = money(max(0, prepaid_micros))
        raise Invalid(lazy_gettext("The balance holds no more than %(amount)s.", amount=left), field="amount")


def _pending(adjustment_id: str) -> Adjustment:
    """The adjustment under its customer's lock."""
    customer_id = customer_of(adjustment_id)
    lock_balance(customer_id)
    made = db.session.get(Adjustment, (customer_id, adjustment_id), populate_existing=True)
    if made is None:
        raise NotFound
    if made.status != "pending":
        raise AlreadyDecided
    return made


def _decide(made: Adjustment, status: str, by_user_id: int | None) -> None:
    made.status = status
    made.decided_by_user_id = by_user_id
    made.decided_at = utc_now()
    db.session.flush()


def _carry_out(made: Adjustment) -> None:
    if made.kind == "grant":
        grant(
            made.customer_id,
            made.amount_micros,
            reason=made.reason,
            reference=made.adjustment_id,
            expires_at=made.expires_at,
        )
        return
    adds = made.amount_micros > 0
    post_once(
        Posting(
            customer_id=made.customer_id,
            kind=KIND,
            debit=Side.ADJUSTMENTS if adds else Side.PREPAID,
            credit=Side.PREPAID if adds else Side.ADJUSTMENTS,
            amount_micros=abs(made.amount_micros),
            reference=made.adjustment_id,
        )
    )

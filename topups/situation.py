"""Reading what a decision needs: what is on its way, what this month has used, which methods may be charged.

Read under the balance's lock, so that two evaluations at once see each other's charges.
"""

from datetime import datetime, timedelta

from sqlalchemy import Select, func, select

from app.config import settings
from app.db import db
from app.ledger.service import Balance
from topups.decisions import Limits, Situation
from topups.models import PaymentMethod, TopUp
from topups.states import GUARDED, LOST, UNDER_WAY


def limits() -> Limits:
    configured = settings()
    return Limits(
        hourly=configured.auto_hourly_limit,
        daily=configured.auto_daily_limit,
        minimum_micros=configured.top_up_minimum_micros,
        maximum_micros=configured.top_up_maximum_micros,
    )


def month_start(now: datetime) -> datetime:
    """The first moment of this month in the provider's zone."""
    local = now.astimezone(settings().timezone)
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month_start(now: datetime) -> datetime:
    start = month_start(now)
    later = start + timedelta(days=32)
    return later.replace(day=1, hour=0, minute=0)


def in_flight_micros(customer_id: int) -> int:
    """What is on its way to the balance from stored mandates and not in it yet, not even provisionally."""
    return _sum(
        select(func.sum(TopUp.amount_micros - TopUp.provisional_micros)).where(
            TopUp.customer_id == customer_id,
            TopUp.purpose == "balance",
            TopUp.sequence_type == "recurring",
            TopUp.status.in_(UNDER_WAY),
        )
    )


def month_used(customer_id: int, now: datetime) -> Select[int]:
    """The query for automatic charges made this month, in flight included; a failed one frees its share."""
    return select(func.sum(TopUp.amount_micros)).where(
        TopUp.customer_id == customer_id,
        TopUp.origin == "automatic",
        TopUp.status.not_in(LOST),
        TopUp.created_at >= month_start(now),
    )


def month_used_micros(customer_id: int, now: datetime) -> int:
    return _sum(month_used(customer_id, now))


def charges_since(customer_id: int, since: datetime) -> list[datetime]:
    """When automatic charges that did not fail were made after `since`, the oldest first."""
    return list(
        db.session.scalars(
            select(TopUp.created_at)
            .where(
                TopUp.customer_id == customer_id,
                TopUp.origin == "automatic",
                TopUp.status.not_in(LOST),
                TopUp.created_at > since,
            )
            .order_by(TopUp.created_at)
        )
    )


def methods_in_order(customer_id: int) -> Select[PaymentMethod]:
    """The query for what automatic top-up may charge, in the customer's order, whatever the state."""
    return (
        select(PaymentMethod)
        .where(PaymentMethod.customer_id == customer_id, PaymentMethod.position.is_not(None))
        .where(PaymentMethod.status != "revoked")
        .order_by(PaymentMethod.position)
    )


def ordered_methods(customer_id: int) -> list[PaymentMethod]:
    return list(db.session.scalars(methods_in_order(customer_id)))


def usable(method: PaymentMethod, now: datetime) -> bool:
    """Whether this method may be charged automatically right now."""
    blocked = method.blocked_until is not None and method.blocked_until > now
    return method.status == "valid" and not method.waits_for_customer and not blocked


def read(balance: Balance, now: datetime) -> Situation:
    """The situation of the customer whose balance is locked."""
    customer_id = balance.customer_id
    day = charges_since(customer_id, now - timedelta(days=1))
    attempt_open = db.session.scalar(
        select(TopUp.top_up_id)
        .where(TopUp.customer_id == customer_id, TopUp.origin == "automatic", TopUp.status.in_(GUARDED))
        .limit(1)
    )
    return Situation(
        available_micros=balance.available_micros,
        in_flight_micros=in_flight_micros(customer_id),
        month_used_micros=month_used_micros(customer_id, now),
        charges_last_hour=sum(1 for made in day if made > now - timedelta(hours=1)),
        charges_last_day=len(day),
        attempt_open=attempt_open is not None,
        usable_methods=tuple(m.payment_method_id for m in ordered_methods(customer_id) if usable(m, now)),
    )


def _sum(query: Select[int]) -> int:
    return int(db.session.scalar(query) or 0)

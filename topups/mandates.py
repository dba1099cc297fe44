"""Payment methods: the mandates that Mollie keeps for a customer, mirrored here.

A method may be charged when its mandate is valid and the first payment that made it has been paid. Mandates
are never assumed: they are read from Mollie after a first payment, while pending, and when one is refused.
"""

from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, func, select

from app.clock import utc_now
from app.db import db, unit_of_work
from app.i18n import local_date
from app.ledger.service import lock_balance
from app.public_ids import customer_of, new_public_id
from topups import auto, gateway, notices, telling
from topups.errors import MandatePending, MandateRevoked, UnknownPaymentMethod
from topups.facts import MandateFacts
from topups.models import PaymentMethod, TopUp
from topups.psp_customers import known_psp_customer
from topups.states import Status

PENDING_LOOKED_AT_EVERY = timedelta(minutes=10)
EXPIRY_TOLD_AHEAD = timedelta(days=30)
Place = Literal["up", "down", "first"]
_STATUS = {"pending": "pending", "valid": "valid", "invalid": "revoked"}


def usable(customer_id: int) -> tuple[ColumnElement[bool], ...]:
    """Where a customer's methods are not withdrawn."""
    return PaymentMethod.customer_id == customer_id, PaymentMethod.status != "revoked"


def payment_methods(customer_id: int, *, with_revoked: bool = False) -> list[PaymentMethod]:
    """The customer's methods in the order of use, those without a place in it last."""
    query = select(PaymentMethod)
    of_customer = PaymentMethod.customer_id == customer_id
    query = query.where(of_customer) if with_revoked else query.where(*usable(customer_id))
    return list(
        db.session.scalars(
            query.order_by(PaymentMethod.position.asc().nulls_last(), PaymentMethod.created_at)
        )
    )


def find_method(customer_id: int, payment_method_id: str) -> PaymentMethod:
    """Raises UnknownPaymentMethod, also for another customer's."""
    method = db.session.get(PaymentMethod, (customer_id, payment_method_id))
    if method is None:
        raise UnknownPaymentMethod(field="payment_method")
    return method


def chargeable_method(customer_id: int, payment_method_id: str) -> PaymentMethod:
    """A method that may be charged now. Raises UnknownPaymentMethod, MandateRevoked, MandatePending."""
    method = find_method(customer_id, payment_method_id)
    if method.status == "revoked":
        raise MandateRevoked(field="payment_method")
    if method.status == "pending":
        raise MandatePending(field="payment_method")
    return method


def sync_mandates(customer_id: int) -> None:
    """Mirror Mollie's mandates of this customer. Called outside a transaction; again is harmless."""
    mollie_customer_id = known_psp_customer(customer_id)
    if mollie_customer_id is None:
        return
    seen = gateway.list_mandates(mollie_customer_id)
    with unit_of_work():
        lock_balance(customer_id)
        _mirror(customer_id, seen, utc_now())


def _mirror(customer_id: int, seen: list[MandateFacts], now: datetime) -> None:
    known = {m.mollie_mandate_id: m for m in payment_methods(customer_id, with_revoked=True)}
    for facts in reversed(seen):
        method = known.pop(facts.mandate_id, None)
        if method is None:
            if _STATUS.get(facts.status, "pending") == "revoked":
                continue
            method = _new_method(customer_id, facts, now)
        _update(method, facts, now)
    for method in known.values():
        # A mandate that Mollie no longer lists cannot be charged any more.
        method.looked_at = now
        auto.disable_method(method, now)


def _new_method(customer_id: int, facts: MandateFacts, now: datetime) -> PaymentMethod:
    last = db.session.scalar(
        select(func.max(PaymentMethod.position)).where(PaymentMethod.customer_id == customer_id)
    )
    method = PaymentMethod(
        customer_id=customer_id,
        payment_method_id=new_public_id("pm", customer_id),
        mollie_mandate_id=facts.mandate_id,
        method=facts.method,
        status="pending",
        position=(last or 0) + 1,
        retries=0,
        waits_for_customer=False,
        created_at=now,
        looked_at=now,
    )
    db.session.add(method)
    return method


def _update(method: PaymentMethod, facts: MandateFacts, now: datetime) -> None:
    method.looked_at = now
    method.mandate_reference = facts.reference
    method.holder = facts.holder
    method.account_mask = facts.account_mask
    method.card_label = facts.card_label
    method.card_expires_on = facts.card_expires_on
    status = _STATUS.get(facts.status, "pending")
    if method.status == "revoked":
        return
    if method.status == "valid" and expires_soon(method, local_date(now)):
        notices.mandate_expiring(method)
    if status == "revoked":
        auto.disable_method(method, now)
    elif status == "valid" and method.status == "pending" and _first_payment_stands(method):
        method.status = "valid"
        db.session.flush()
        telling.method_valid(method)
        auto.method_became_valid(method.customer_id)
    elif status == "pending":
        method.status = "pending"


def expires_soon(method: PaymentMethod, today: date) -> bool:
    """Whether a card will end within a month, or has ended."""
    if method.card_expires_on is None:
        return False
    return date.fromisoformat(method.card_expires_on) <= today + EXPIRY_TOLD_AHEAD


def _first_payment_stands(method: PaymentMethod) -> bool:
    """Whether the first payment behind this mandate, if it was one of ours, has been paid."""
    statuses = db.session.scalars(
        select(TopUp.status).where(
            TopUp.customer_id == method.customer_id,
            TopUp.sequence_type == "first",
            TopUp.mollie_mandate_id == method.mollie_mandate_id,
        )
    ).all()
    return not statuses or Status.PAID in statuses


def revoke(customer_id: int, payment_method_id: str) -> None:
    """Withdraw a mandate, at Mollie first. Called outside a transaction; again is harmless.

    Raises UnknownPaymentMethod, GatewayError.
    """
    if customer_of(payment_method_id) != customer_id:
        raise UnknownPaymentMethod
    method = find_method(customer_id, payment_method_id)
    mandate_id = method.mollie_mandate_id
    mollie_customer_id = known_psp_customer(customer_id)
    if method.status != "revoked" and mollie_customer_id is not None:
        gateway.revoke_mandate(mollie_customer_id, mandate_id)
    with unit_of_work():
        lock_balance(customer_id)
        auto.disable_method(find_method(customer_id, payment_method_id), utc_now())


def order_methods(customer_id: int, payment_method_ids: list[str]) -> None:
    """Use these methods for automatic top-up, in this order, and no others. The balance is locked.

    Raises UnknownPaymentMethod, MandateRevoked.
    """
    chosen = [find_method(customer_id, method_id) for method_id in dict.fromkeys(payment_method_ids)]
    for method in chosen:
        if method.status == "revoked":
            raise MandateRevoked(field="payment_methods")
    for method in payment_methods(customer_id, with_revoked=True):
        method.position = None
    for position, method in enumerate(chosen, start=1):
        method.position = position


def place_method(customer_id: int, payment_method_id: str, place: Place) -> None:
    """Move a method one up or down, or to the front as the default. In a unit of work.

    Raises UnknownPaymentMethod, MandateRevoked.
    """
    lock_balance(customer_id)
    ids = [m.payment_method_id for m in payment_methods(customer_id) if m.position is not None]
    if payment_method_id not in ids:
        find_method(customer_id, payment_method_id)
        ids.append(payment_method_id)
    was_at = ids.index(payment_method_id)
    ids.remove(payment_method_id)
    goes_to = {"up": max(0, was_at - 1), "down": was_at + 1, "first": 0}[place]
    ids.insert(goes_to, payment_method_id)
    order_methods(customer_id, ids)


def customers_with_pending_methods(now: datetime, limit: int = 200) -> list[int]:
    """Whose mandates should be looked at again."""
    return list(
        db.session.scalars(
            select(PaymentMethod.customer_id)
            .where(PaymentMethod.status == "pending", PaymentMethod.looked_at < now - PENDING_LOOKED_AT_EVERY)
            .distinct()
            .limit(limit)
        )
    )


def customers_with_methods() -> list[int]:
    """Everybody who has a mandate that is not revoked, or whose first payment must have left one."""
    with_method = select(PaymentMethod.customer_id).where(PaymentMethod.status != "revoked")
    with_first = select(TopUp.customer_id).where(TopUp.sequence_type == "first", TopUp.status == Status.PAID)
    return sorted(db.session.scalars(with_method.union(with_first)))

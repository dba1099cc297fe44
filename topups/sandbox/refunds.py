"""Refunds: asked for through the API or the dashboard; pending, processing, refunded, or failed after all."""

from datetime import datetime, timedelta
from typing import Any

from topups.sandbox.clock import add_business_days
from topups.sandbox.entities import Payment, Refund, RefundStatus
from topups.sandbox.money import amount_from
from topups.sandbox.payment_requests import metadata_from, text_from
from topups.sandbox.payments import get_payment
from topups.sandbox.problems import Problem, invalid, unknown
from topups.sandbox.webhooks import notify
from topups.sandbox.world import World, new_id

QUICK_SUCCESSION = timedelta(seconds=60)
PROCESSING_AFTER = timedelta(hours=2)
GOODWILL_CENTS = 25_00
MOVES: dict[RefundStatus, set[RefundStatus]] = {
    "queued": {"pending", "processing", "refunded", "failed", "canceled"},
    "pending": {"queued", "processing", "refunded", "failed", "canceled"},
    "processing": {"refunded", "failed"},
    # A bank may send the money back after it was paid out.
    "refunded": {"failed"},
    "failed": set(),
    "canceled": set(),
}
GIVEN_BACK: set[RefundStatus] = {"failed", "canceled"}


def create_refund(world: World, payment_id: str, data: dict[str, Any]) -> Refund:
    """A refund as the API allows it: at most what remains, and not twice the same in a minute."""
    payment = get_payment(world, payment_id)
    amount_cents = amount_from(data["amount"]) if data.get("amount") else payment.amount_remaining_cents
    check_refundable(payment, amount_cents)
    if amount_cents > payment.amount_remaining_cents:
        raise invalid("amount", "The amount is higher than the remaining amount")
    description = text_from(data, "description") or payment.description
    now = world.now()
    for earlier in world.store.every(Refund, owner=payment.id):
        same = earlier.amount_cents == amount_cents and earlier.description == description
        if same and earlier.status not in GIVEN_BACK and now - earlier.created_at < QUICK_SUCCESSION:
            raise Problem(409, "A duplicate refund has been detected.")
    return add_refund(world, payment, amount_cents, description, metadata=metadata_from(data), at=now)


def create_dashboard_refund(world: World, payment_id: str, amount_cents: int | None) -> Refund:
    """A refund that somebody clicked at Mollie; it may exceed the payment by 25 euro. Tells the webhook."""
    payment = get_payment(world, payment_id)
    if amount_cents is None:
        amount_cents = payment.amount_remaining_cents
    check_refundable(payment, amount_cents)
    if amount_cents > payment.amount_remaining_cents + GOODWILL_CENTS:
        raise invalid("amount", "The amount is higher than the remaining amount")
    refund = add_refund(world, payment, amount_cents, payment.description, metadata=None, at=world.now())
    notify(world, payment, "refund.pending", at=refund.created_at)
    return refund


def check_refundable(payment: Payment, amount_cents: int) -> None:
    if payment.status != "paid":
        raise Problem(422, "The payment is not paid and cannot be refunded.")
    if amount_cents <= 0:
        raise invalid("amount", "There is nothing to refund")


def add_refund(
    world: World, payment: Payment, amount_cents: int, description: str, *, metadata: Any, at: datetime
) -> Refund:
    refund = Refund(
        id=new_id("re_"),
        created_at=at,
        due_at=at + PROCESSING_AFTER,
        payment_id=payment.id,
        amount_cents=amount_cents,
        description=description,
        metadata=metadata,
    )
    world.store.add(refund)
    payment.amount_refunded_cents += amount_cents
    payment.has_refunds = True
    world.store.save(payment)
    return refund


def get_refund(world: World, payment_id: str, refund_id: str) -> Refund:
    get_payment(world, payment_id)
    refund = world.store.find(Refund, refund_id)
    if refund is None or refund.payment_id != payment_id:
        raise unknown(refund_id)
    return refund


def cancel_refund(world: World, payment_id: str, refund_id: str) -> None:
    refund = get_refund(world, payment_id, refund_id)
    if refund.status not in {"queued", "pending"}:
        raise Problem(422, "The refund cannot be canceled any more.")
    move_refund(world, refund, "canceled", at=world.now())


def move_refund(world: World, refund: Refund, status: RefundStatus, *, at: datetime) -> None:
    """Moves a refund on and tells the payment's webhook. Raises Problem 409."""
    if status not in MOVES[refund.status]:
        raise Problem(409, f"A refund that is {refund.status} does not become {status}.")
    payment = get_payment(world, refund.payment_id)
    if status in GIVEN_BACK:
        payment.amount_refunded_cents -= refund.amount_cents
        world.store.save(payment)
    refund.status = status
    refund.due_at = add_business_days(at, 1) if status == "processing" else None
    world.store.save(refund)
    notify(world, payment, f"refund.{status}", at=at)

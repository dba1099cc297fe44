"""Payments: made, chosen a method for, moved.

`MOVES` is the whole state machine; refunds and chargebacks never move a payment.
"""

from datetime import datetime
from typing import Any

from topups.sandbox.answers import CREDITOR_IDENTIFIER, failure_details
from topups.sandbox.clock import add_business_days
from topups.sandbox.customers import get_customer
from topups.sandbox.entities import Customer, Mandate, MandateStatus, Payment, PaymentStatus
from topups.sandbox.mandates import account_details, chargeable_mandate, mandate_from_payment
from topups.sandbox.methods import METHODS, OPEN_WITHOUT_METHOD, Method
from topups.sandbox.outcomes import plan_for
from topups.sandbox.payment_requests import (
    PaymentRequest,
    check_limits,
    check_methods,
    description_from,
    locale_from,
    metadata_from,
    methods_from,
    parse_payment_request,
    url_from,
)
from topups.sandbox.problems import Problem, invalid, unknown
from topups.sandbox.reasons import usual_reason
from topups.sandbox.webhooks import notify
from topups.sandbox.world import World, new_id

MOVES: dict[PaymentStatus, set[PaymentStatus]] = {
    "open": {"pending", "authorized", "paid", "failed", "canceled", "expired"},
    "pending": {"paid", "failed", "canceled", "expired"},
    "authorized": {"paid", "failed", "canceled", "expired"},
    "paid": set(),
    "failed": set(),
    "canceled": set(),
    "expired": set(),
}
TOLD: set[PaymentStatus] = {"authorized", "paid", "failed", "canceled", "expired"}


def get_payment(world: World, payment_id: str) -> Payment:
    payment = world.store.find(Payment, payment_id)
    if payment is None:
        raise unknown(payment_id)
    return payment


def create_payment(world: World, data: dict[str, Any], customer_id: str | None = None) -> Payment:
    wanted = parse_payment_request(data, customer_id)
    if wanted.customer_id is not None:
        get_customer(world, wanted.customer_id)
    return (
        create_recurring(world, wanted) if wanted.sequence_type == "recurring" else create_open(world, wanted)
    )


def create_open(world: World, wanted: PaymentRequest) -> Payment:
    payment = new_payment(world, wanted)
    payment.offered_methods = wanted.methods
    set_method(payment, wanted.methods[0] if len(wanted.methods) == 1 else None)
    world.store.add(payment)
    return payment


def create_recurring(world: World, wanted: PaymentRequest) -> Payment:
    mandate = chargeable_mandate(world, wanted.customer_id or "", wanted.mandate_id, wanted.methods)
    method = METHODS[mandate.method]
    check_limits(method, wanted.amount_cents, "recurring")
    payment = new_payment(world, wanted)
    payment.method, payment.mandate_id, payment.status = method.id, mandate.id, "pending"
    payment.details = charge_details(mandate)
    plan = payment.plan = plan_for(world, payment)
    if plan.after is not None:
        payment.due_at = payment.created_at + plan.after
    elif plan.after_business_days is not None or method.id == "directdebit":
        payment.due_at = add_business_days(payment.created_at, plan.after_business_days or 1)
    if plan.status == "pending":
        payment.due_at = None
    world.store.add(payment)
    if payment.due_at is None and plan.status != "pending":
        move(world, payment, plan.status, at=payment.created_at, failure_reason=plan.failure_reason)
    return payment


def new_payment(world: World, wanted: PaymentRequest) -> Payment:
    return Payment(
        id=new_id("tr_"),
        created_at=world.now(),
        amount_cents=wanted.amount_cents,
        description=wanted.description,
        sequence_type=wanted.sequence_type,
        metadata=wanted.metadata,
        redirect_url=wanted.redirect_url,
        cancel_url=wanted.cancel_url,
        webhook_url=wanted.webhook_url,
        locale=wanted.locale,
        customer_id=wanted.customer_id,
    )


def charge_details(mandate: Mandate) -> dict[str, Any]:
    if mandate.method != "directdebit":
        return dict(mandate.details)
    return {
        **mandate.details,
        "transferReference": mandate.reference,
        "creditorIdentifier": CREDITOR_IDENTIFIER,
        "mandateReference": mandate.reference,
        "signatureDate": mandate.signature_date.isoformat(),
    }


def set_method(payment: Payment, method_id: str | None) -> None:
    """Sets or unsets an open payment's method; its expiry is the method's."""
    payment.method = method_id
    expires_after = METHODS[method_id].expires_after if method_id else OPEN_WITHOUT_METHOD
    payment.due_at = payment.created_at + expires_after if expires_after else None
    if method_id == "banktransfer":
        payment.details = {
            "bankName": "Stichting Mollie Payments (test)",
            "bankAccount": "NL53ABNA0627535577",
            "bankBic": "ABNANL2A",
            "transferReference": f"RF{payment.id[3:].upper()}",
        }


def choosable_methods(payment: Payment) -> list[Method]:
    return [
        method
        for method in METHODS.values()
        if method.takes(payment.amount_cents, payment.sequence_type)
        and (not payment.offered_methods or method.id in payment.offered_methods)
    ]


def choose_method(world: World, payment: Payment, method_id: str) -> None:
    """What the customer does on the checkout page. Raises Problem 422 for a method that was not offered."""
    if payment.status != "open" or method_id not in {method.id for method in choosable_methods(payment)}:
        raise invalid("method", "This payment method is not offered for this payment")
    set_method(payment, method_id)
    # The customer chose just now: the method's time starts now.
    if payment.due_at:
        payment.due_at += world.now() - payment.created_at
    world.store.save(payment)


def update_payment(world: World, payment_id: str, data: dict[str, Any]) -> Payment:
    payment = get_payment(world, payment_id)
    if "description" in data:
        payment.description = description_from(data, required=True) or ""
    for field, attribute in {
        "redirectUrl": "redirect_url",
        "cancelUrl": "cancel_url",
        "webhookUrl": "webhook_url",
    }.items():
        if field in data:
            setattr(payment, attribute, url_from(data, field))
    if "locale" in data:
        payment.locale = locale_from(data)
    if "metadata" in data:
        payment.metadata = metadata_from(data)
    if "method" in data:
        if payment.status != "open":
            raise invalid("method", "The method can be changed only while the payment is open")
        methods = methods_from(data["method"])
        check_methods(methods, payment.amount_cents, payment.sequence_type)
        payment.offered_methods = methods
        set_method(payment, methods[0] if len(methods) == 1 else None)
    world.store.save(payment)
    return payment


def cancel_payment(world: World, payment_id: str) -> Payment:
    payment = get_payment(world, payment_id)
    cancelable = payment.method is not None and METHODS[payment.method].cancelable
    if not cancelable or payment.status not in {"open", "pending"}:
        raise Problem(422, "The payment cannot be canceled.")
    move(world, payment, "canceled", at=world.now())
    return payment


def move(
    world: World,
    payment: Payment,
    status: PaymentStatus,
    *,
    at: datetime,
    failure_reason: str | None = None,
    mandate_status: MandateStatus = "valid",
) -> None:
    """Moves a payment on, with all that follows: times, details, mandate, webhook. Raises Problem 409."""
    if status not in MOVES[payment.status]:
        raise Problem(409, f"A payment that is {payment.status} does not become {status}.")
    payment.status, payment.due_at = status, None
    if payment.method is None and status in {"paid", "pending", "authorized"}:
        payment.method = choosable_methods(payment)[0].id
    if status == "paid":
        settle(world, payment, at, mandate_status)
    elif status == "failed":
        payment.failed_at = at
        payment.details |= failure_details(payment.method, failure_reason or usual_reason(payment.method))
    elif status == "canceled":
        payment.canceled_at = at
    elif status == "expired":
        payment.expired_at = at
    elif status == "authorized":
        payment.authorized_at = at
    world.store.save(payment)
    if status in TOLD:
        notify(world, payment, status, at=at)


def settle(world: World, payment: Payment, at: datetime, mandate_status: MandateStatus) -> None:
    payment.paid_at = at
    if payment.sequence_type == "recurring":
        return
    customer = world.store.find(Customer, payment.customer_id) if payment.customer_id else None
    payment.details |= account_details(customer, payment.method, payment.method)
    if payment.sequence_type == "first":
        payment.mandate_id = mandate_from_payment(world, payment, at, mandate_status).id

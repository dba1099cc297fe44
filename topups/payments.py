"""Payments that somebody asks for: by checkout page or from a stored mandate, for the balance or an invoice.

The same request key never makes a second payment. `request` calls Mollie between two transactions of its
own, so it is called outside one.
"""

import time
import uuid
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import select

from app import audit
from app.audit import Subject
from app.clock import utc_now
from app.config import settings
from app.customers.service import get_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.i18n import local_date
from app.ledger.service import lock_balance
from app.money import Money
from app.public_ids import customer_of, new_public_id
from topups import charging, consents, gateway, mandates, notices
from topups.business_days import expected_debit_day
from topups.consents import GivenBy
from topups.errors import (
    ConsentMissing,
    CustomerClosed,
    FeeNotAccepted,
    PaymentRefused,
    PaymentsUnavailable,
    RequestKeyReused,
    UnknownMethod,
    UnknownTopUp,
    check_amount,
)
from topups.fees import NO_FEE, Fee, fee_of
from topups.methods import METHODS_BY_HAND, METHODS_FOR_NOTHING
from topups.models import PaymentMethod, TopUp
from topups.psp_customers import ensure_psp_customer
from topups.states import Status

_PATIENCE_SECONDS: Final = 4.0
# By somebody's own hand, or on an invoice's due date because the customer chose so.
Origin = Literal["manual", "auto_pay"]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A payment somebody asks for; `request_key` is unique per customer."""

    customer_id: int
    amount_micros: int
    request_key: str
    method: str | None = None
    payment_method_id: str | None = None
    purpose: str = "balance"
    invoice_number: str | None = None
    accepted_fee_micros: int = 0
    save_method: bool = False
    redirect_url: str | None = None
    consent_by: GivenBy | None = None
    origin: Origin = "manual"


def find_top_up(top_up_id: str, customer_id: int | None = None) -> TopUp:
    """Raises UnknownTopUp, also when it is another customer's."""
    owner = customer_of(top_up_id)
    found = db.session.get(TopUp, (owner, top_up_id))
    if found is None or customer_id not in (None, owner):
        raise UnknownTopUp
    return found


def find_by_key(customer_id: int, request_key: str) -> TopUp | None:
    """The payment that this request key made, if it made one."""
    return db.session.scalars(
        select(TopUp).where(TopUp.customer_id == customer_id, TopUp.request_key == request_key)
    ).one_or_none()


def request(wish: Wish) -> TopUp:
    """Make the payment of this wish, or find it again by its request key.

    Raises AmountOutsideLimits, CustomerClosed, UnknownMethod, ConsentMissing, MandateRevoked,
    RequestKeyReused, PaymentRefused, PaymentsUnavailable. Without an answer from Mollie the status is
    `unknown` and `checkout_url` is None: a job finds out.
    """
    _check(wish)
    try:
        mollie_customer_id = ensure_psp_customer(wish.customer_id)
    except gateway.GatewayError as error:
        raise PaymentsUnavailable from error
    top_up_id, mine = in_unit_of_work(_insert, wish, mollie_customer_id)
    if mine:
        charging.ask_and_record(top_up_id)
    else:
        _wait_for_answer(top_up_id)
    top_up = find_top_up(top_up_id)
    if top_up.status is Status.FAILED and top_up.mollie_payment_id is None:
        raise PaymentRefused
    return top_up


def _check(wish: Wish) -> None:
    if wish.purpose == "method":
        _check_adding(wish)
    else:
        check_amount(wish.amount_micros, limited=wish.purpose == "balance")
    _refuse_when_closed(wish)
    if (wish.purpose == "invoice") != (wish.invoice_number is not None):
        raise ValueError("a payment for an invoice names it, any other does not")
    if wish.payment_method_id is None and wish.method not in METHODS_BY_HAND | {None}:
        raise UnknownMethod(field="method")
    if wish.save_method and wish.consent_by is None:
        raise ConsentMissing(field="save_method")


def _refuse_when_closed(wish: Wish) -> None:
    """Only what is owed may still be paid."""
    if wish.purpose != "invoice" and get_customer(wish.customer_id).status == "closed":
        raise CustomerClosed


def _check_adding(wish: Wish) -> None:
    """A method is added by a first payment of nothing, and only where the method allows that."""
    if wish.amount_micros != 0 or not wish.save_method:
        raise ValueError("a method is added by paying nothing and saving it")
    if wish.method not in METHODS_FOR_NOTHING:
        raise UnknownMethod(field="method")


def _insert(wish: Wish, mollie_customer_id: str) -> tuple[str, bool]:
    """Step one: the row with key and body, or the row that this request key made before."""
    lock_balance(wish.customer_id)
    existing = find_by_key(wish.customer_id, wish.request_key)
    if existing is not None:
        same = (existing.amount_micros, existing.purpose, existing.invoice_number) == (
            wish.amount_micros,
            wish.purpose,
            wish.invoice_number,
        )
        if not same:
            raise RequestKeyReused
        return existing.top_up_id, False
    # Looked at again under the lock: a customer may be closed at this very moment.
    _refuse_when_closed(wish)
    mandate: PaymentMethod | None = None
    if wish.payment_method_id is not None:
        mandate = mandates.chargeable_method(wish.customer_id, wish.payment_method_id)
    fee = _accepted_fee(wish, mandate.method if mandate else wish.method)
    now = utc_now()
    top_up = TopUp(
        customer_id=wish.customer_id,
        top_up_id=new_public_id("tu", wish.customer_id),
        origin=wish.origin,
        purpose=wish.purpose,
        invoice_number=wish.invoice_number,
        amount_micros=wish.amount_micros,
        fee_micros=fee.gross_micros,
        fee_vat_micros=fee.vat_micros,
        currency=settings().currency,
        method=mandate.method if mandate else wish.method,
        sequence_type="recurring" if mandate else "first" if wish.save_method else "oneoff",
        payment_method_id=wish.payment_method_id,
        request_key=wish.request_key,
        return_url=wish.redirect_url,
        status=Status.REQUESTED,
        idempotency_key=uuid.uuid4(),
        provisional_micros=0,
        refunded_micros=0,
        charged_back_micros=0,
        created_at=now,
        looks=0,
    )
    if wish.save_method and wish.consent_by is not None:
        top_up.consent_id = consents.record(wish.customer_id, "save_method", wish.consent_by).consent_id
    db.session.add(top_up)
    charging.submit(top_up, mollie_customer_id, mandate, now)
    db.session.flush()
    if mandate is not None and mandate.method == "directdebit":
        top_up.expected_on = expected_debit_day(local_date(now))
        notices.debit_announced(top_up, mandate)
    if wish.origin == "manual":
        _note(top_up)
    return top_up.top_up_id, True


def _note(top_up: TopUp) -> None:
    """Who asked for it; what becomes of it is the payment's own history."""
    audit.note(
        "payment.requested",
        Subject("payment", top_up.top_up_id, top_up.customer_id),
        after={
            "amount_micros": top_up.amount_micros,
            "purpose": top_up.purpose,
            "method": top_up.method,
            "invoice_number": top_up.invoice_number,
        },
    )


def _accepted_fee(wish: Wish, method: str | None) -> Fee:
    """The fee of this payment, when it is the one that the payer has accepted. Raises FeeNotAccepted.

    An invoice may be paid without: only who was shown a fee and accepted it pays one.
    """
    if wish.purpose == "method" or (wish.purpose == "invoice" and not wish.accepted_fee_micros):
        return NO_FEE
    fee = fee_of(get_customer(wish.customer_id), method, wish.amount_micros)
    if fee.gross_micros != wish.accepted_fee_micros:
        raise FeeNotAccepted(field="accepted_fee", fee=Money(fee.gross_micros).to_json())
    return fee


def _wait_for_answer(top_up_id: str) -> None:
    """A double click: the other request is calling Mollie right now; wait a moment for what it hears."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with unit_of_work():
            if find_top_up(top_up_id).status is not Status.SUBMITTING:
                return
        time.sleep(0.1)

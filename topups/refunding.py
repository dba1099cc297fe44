"""Refunds that we ask for: of a whole payment or a part, always to the method it was paid with.

The same three steps as a charge: commit `submitting` with our own key and the exact body, call Mollie, commit
what it said; a call without an answer is repeated with the same key or searched for, never made anew. The
money leaves the balance when the refund is first seen at Mollie, by Mollie's id; until then it is reserved by
its row, so that two requests at once cannot send the same euro back twice.
"""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext
from sqlalchemy import func, select

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.i18n import in_locale
from app.ledger.service import Balance, lock_balance
from app.public_ids import customer_of, new_public_id
from topups import crediting, gateway, provisional, reversals
from topups.charging import CALL_LASTS_AT_MOST, KEY_LIFE
from topups.errors import (
    NotRefundable,
    RefundAboveBalance,
    RefundAbovePayment,
    RefundRefused,
    RequestKeyReused,
    UnknownRefund,
    WholeRefundWithAmount,
    check_amount,
)
from topups.facts import RefundFacts
from topups.looks import next_try
from topups.models import Refund, TopUp
from topups.payment_body import amount_value
from topups.states import REFUND_UNANSWERED, REFUND_VOID, RefundStatus, Status, refund_moved


@dataclass(frozen=True, kw_only=True)
class RefundWish:
    """Money to send back; without `amount_micros` all that is left of what the payment credited.

    `with_fee` sends back all that is left of the payment with its fee, so no amount goes with it. `forced`
    lets the provider's staff go below what is available, when the customer has used it already.
    """

    top_up_id: str
    request_key: str
    amount_micros: int | None = None
    with_fee: bool = False
    forced: bool = False


@dataclass(frozen=True, kw_only=True)
class _Order:
    """One call to make."""

    payment_id: str
    body: dict[str, Any]
    key: str
    may_send: bool


def find_refund(refund_id: str) -> Refund:
    """Raises UnknownRefund."""
    found = db.session.get(Refund, (customer_of(refund_id), refund_id))
    if found is None:
        raise UnknownRefund
    return found


def refunds_by_payment(customer_id: int) -> dict[str, list[Refund]]:
    """All refunds of a customer by the payment that they give back."""
    found: dict[str, list[Refund]] = {}
    for refund in db.session.scalars(select(Refund).where(Refund.customer_id == customer_id)):
        found.setdefault(refund.top_up_id, []).append(refund)
    return found


def refunds_of(top_up: TopUp) -> list[Refund]:
    """All refunds of a payment, the oldest first, those that came to nothing included."""
    return list(
        db.session.scalars(
            select(Refund)
            .where(Refund.customer_id == top_up.customer_id, Refund.top_up_id == top_up.top_up_id)
            .order_by(Refund.created_at, Refund.refund_id)
        )
    )


def refundable_micros(
    top_up: TopUp, *, with_fee: bool = False, refunds: Iterable[Refund] | None = None
) -> int:
    """What is left of a paid payment: neither refunded, on its way back, nor charged back.

    What has left was the credited amount first, so the fee is what is left last. `refunds`: the payment's,
    where they have been read already.
    """
    if top_up.status is not Status.PAID:
        return 0
    gone = top_up.charged_back_micros + sum(
        refund.amount_micros
        for refund in (refunds_of(top_up) if refunds is None else refunds)
        if refund.status not in REFUND_VOID
    )
    return max(0, (top_up.paid_micros if with_fee else top_up.amount_micros) - gone)


def spare_micros(balance: Balance) -> int:
    """What of the balance is money that may go back: not promised to holds, to the bank or to a refund."""
    # What a refund takes above the credited amount comes from the fee, not from the balance.
    of_balance = func.least(Refund.amount_micros, TopUp.amount_micros)
    reserved = (
        select(func.sum(of_balance))
        .join(TopUp, (TopUp.customer_id == Refund.customer_id) & (TopUp.top_up_id == Refund.top_up_id))
        .where(Refund.customer_id == balance.customer_id, Refund.status.in_(REFUND_UNANSWERED))
    ).scalar_subquery()
    given = provisional.outstanding(balance.customer_id).scalar_subquery()
    promised = db.session.scalar(select(func.coalesce(reserved, 0) + func.coalesce(given, 0)))
    held_from_money = max(0, balance.held_micros - balance.promo_micros)
    return max(0, balance.prepaid_micros - held_from_money - int(promised or 0))


def request_refund(wish: RefundWish) -> Refund:
    """Send money back, or find the refund that this request key made. Called outside a transaction.

    Raises UnknownTopUp, NotRefundable, WholeRefundWithAmount, RefundAbovePayment, RefundAboveBalance,
    AmountOutsideLimits, AmountNotWholeCents, RequestKeyReused, RefundRefused. Without an answer the status is
    `unknown`: a job finds out.
    """
    refund_id, mine = in_unit_of_work(_insert, wish)
    if mine:
        send(refund_id)
    refund = find_refund(refund_id)
    if refund.status is RefundStatus.REFUSED:
        raise RefundRefused(refund.failure_message)
    return refund


def send(refund_id: str) -> None:
    """Steps two and three, for a refund in `submitting` or `unknown`. Again is harmless."""
    order = in_unit_of_work(_order, refund_id)
    if order is None:
        return
    try:
        answer = _ask(order, refund_id)
    except gateway.NoAnswer:
        in_unit_of_work(_note_unknown, refund_id)
        return
    if isinstance(answer, RefundFacts):
        in_unit_of_work(_note_made, refund_id, answer)
    else:
        in_unit_of_work(_note_refusal, refund_id, answer)


def due(now: datetime, limit: int) -> list[str]:
    """Refunds of which nobody knows yet what became of them, and whose time to ask has come."""
    return list(
        db.session.scalars(
            select(Refund.refund_id).where(Refund.look_at <= now).order_by(Refund.look_at).limit(limit)
        )
    )


def _insert(wish: RefundWish) -> tuple[str, bool]:
    """Step one: the row with key and body, or the row that this request key made before."""
    top_up = crediting.lock_top_up(wish.top_up_id)
    balance = lock_balance(top_up.customer_id)
    existing = db.session.scalars(
        select(Refund).where(Refund.customer_id == top_up.customer_id, Refund.request_key == wish.request_key)
    ).one_or_none()
    if existing is not None:
        same_amount = wish.amount_micros in (None, existing.amount_micros)
        if existing.top_up_id != wish.top_up_id or not same_amount:
            raise RequestKeyReused
        return existing.refund_id, False
    amount_micros = _checked_amount(wish, top_up, balance)
    refund = new_refund(top_up, amount_micros, wish.request_key, forced=wish.forced)
    return refund.refund_id, True


def new_refund(top_up: TopUp, amount_micros: int, request_key: str, *, forced: bool = False) -> Refund:
    """Step one for a refund that has been found right. The balance and the top-up are locked."""
    now = utc_now()
    refund = Refund(
        customer_id=top_up.customer_id,
        refund_id=new_public_id("rf", top_up.customer_id),
        top_up_id=top_up.top_up_id,
        amount_micros=amount_micros,
        status=RefundStatus.SUBMITTING,
        request_key=request_key,
        idempotency_key=uuid.uuid4(),
        forced=forced,
        submitted_at=now,
        look_at=now + CALL_LASTS_AT_MOST,
        looks=0,
        created_at=now,
        updated_at=now,
    )
    refund.body = json.dumps(_body(get_customer(top_up.customer_id), top_up, refund))
    db.session.add(refund)
    db.session.flush()
    return refund


def _checked_amount(wish: RefundWish, top_up: TopUp, balance: Balance) -> int:
    left_micros = refundable_micros(top_up, with_fee=wish.with_fee)
    if top_up.status is not Status.PAID or top_up.mollie_payment_id is None:
        raise NotRefundable
    amount_micros = left_micros if wish.amount_micros is None else wish.amount_micros
    if wish.with_fee and wish.amount_micros not in (None, left_micros):
        raise WholeRefundWithAmount(field="amount")
    if amount_micros > left_micros or left_micros == 0:
        raise RefundAbovePayment(field="amount", left_micros=left_micros)
    check_amount(amount_micros, limited=False)
    # What settled an invoice is owed again once it is sent back; the balance has no part in that.
    of_balance = min(amount_micros, refundable_micros(top_up)) if top_up.purpose == "balance" else 0
    if not wish.forced and of_balance > spare_micros(balance):
        raise RefundAboveBalance(field="amount", spare_micros=spare_micros(balance))
    return amount_micros


def _body(customer: Customer, top_up: TopUp, refund: Refund) -> dict[str, Any]:
    """The id's tail makes two refunds of the same amount different for Mollie, as they are for us."""
    with in_locale(customer.locale):
        description = gettext(
            "%(provider)s refund %(number)s",
            provider=settings().provider.name,
            number=refund.refund_id.rpartition("_")[2][:8].upper(),
        )
    return {
        "amount": {"currency": top_up.currency, "value": amount_value(refund.amount_micros)},
        "description": str(description),
        "metadata": {"refund_id": refund.refund_id, "topup_id": top_up.top_up_id},
    }


def _lock_refund(refund_id: str) -> tuple[TopUp, Refund]:
    top_up = crediting.lock_top_up(find_refund(refund_id).top_up_id)
    key = (top_up.customer_id, refund_id)
    return top_up, db.session.get_one(Refund, key, populate_existing=True)


def _order(refund_id: str) -> _Order | None:
    top_up, refund = _lock_refund(refund_id)
    if refund.status not in REFUND_UNANSWERED or refund.body is None or refund.submitted_at is None:
        return None
    now = utc_now()
    # Nobody else asks while this call may be under way.
    refund.look_at = now + CALL_LASTS_AT_MOST
    return _Order(
        payment_id=str(top_up.mollie_payment_id),
        body=json.loads(refund.body),
        key=str(refund.idempotency_key),
        may_send=now - refund.submitted_at < KEY_LIFE,
    )


def _ask(order: _Order, refund_id: str) -> RefundFacts | str:
    """The refund, or why there is none. Raises NoAnswer when that cannot be known yet."""
    refusal = "not_reached"
    if order.may_send:
        try:
            return gateway.create_refund(order.payment_id, order.body, order.key)
        except (gateway.Gone, gateway.Declined) as error:
            refusal = str(error)
    # Refused, or too late to repeat: the refund may exist all the same.
    try:
        seen = gateway.get_payment(order.payment_id).refunds
    except (gateway.Gone, gateway.Declined):
        return refusal
    return next((facts for facts in seen if facts.refund_id == refund_id), refusal)


def _note_made(refund_id: str, facts: RefundFacts) -> None:
    top_up, _ = _lock_refund(refund_id)
    reversals.apply(top_up, [facts])


def _note_unknown(refund_id: str) -> None:
    _, refund = _lock_refund(refund_id)
    if refund.status is RefundStatus.SUBMITTING:
        refund.status = refund_moved(refund.status, RefundStatus.UNKNOWN)
    if refund.status is RefundStatus.UNKNOWN:
        refund.look_at = next_try(refund.looks, utc_now())
        refund.looks += 1


def _note_refusal(refund_id: str, message: str) -> None:
    _, refund = _lock_refund(refund_id)
    if refund.status in REFUND_UNANSWERED:
        refund.status = refund_moved(refund.status, RefundStatus.REFUSED)
        refund.failure_message, refund.look_at, refund.updated_at = message[:500], None, utc_now()

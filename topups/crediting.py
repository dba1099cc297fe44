"""Applying what Mollie says: the only place where a top-up changes its status and money is credited.

Always under the balance row's lock, then the top-up's. Only the transaction that makes the move acts, so a
second webhook, a reload or a late answer credits nothing. Nothing is credited before amount, currency, mode,
customer and metadata have been found to be ours.
"""

from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import select

from app.clock import utc_now
from app.db import db
from app.i18n import local_date
from app.jobs import enqueue
from app.ledger.service import lock_balance, post_once
from app.ledger.sides import Posting, Side
from app.public_ids import customer_of
from topups import auto, fees, gateway, provisional, receipts, reversals, subscriptions, telling
from topups.business_days import expected_debit_day
from topups.errors import UnknownTopUp
from topups.facts import PaymentFacts
from topups.looks import next_look
from topups.models import TopUp
from topups.psp_customers import known_psp_customer
from topups.states import ENDED, LOST, Status, follows, moved

_log = structlog.get_logger("topups")


def lock_top_up(top_up_id: str) -> TopUp:
    """The top-up, its customer's balance locked first. Raises UnknownTopUp."""
    customer_id = customer_of(top_up_id)
    lock_balance(customer_id)
    top_up = db.session.scalars(
        select(TopUp)
        .where(TopUp.customer_id == customer_id, TopUp.top_up_id == top_up_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if top_up is None:
        raise UnknownTopUp
    return top_up


def mismatch(top_up: TopUp, facts: PaymentFacts) -> str | None:
    """Why these facts are not about this top-up; None when they are."""
    checks = (
        ("other_metadata", facts.top_up_id == top_up.top_up_id),
        ("other_payment", top_up.mollie_payment_id in (None, facts.payment_id)),
        ("other_amount", facts.amount_micros == top_up.paid_micros),
        ("other_currency", facts.currency == top_up.currency),
        ("other_mode", facts.mode == gateway.mode()),
        ("other_customer", facts.customer_id == known_psp_customer(top_up.customer_id)),
    )
    return next((problem for problem, holds in checks if not holds), None)


def apply(top_up_id: str, facts: PaymentFacts) -> TopUp:
    """Make the top-up what Mollie says it is. In a unit of work; again is harmless."""
    top_up = lock_top_up(top_up_id)
    problem = mismatch(top_up, facts)
    if problem is not None:
        _log.error(
            "payment_does_not_match", top_up_id=top_up_id, payment_id=facts.payment_id, problem=problem
        )
        top_up.problem = problem
        note_look(top_up)
        return top_up
    top_up.problem = None
    top_up.mollie_payment_id = facts.payment_id
    top_up.mollie_mandate_id = facts.mandate_id or top_up.mollie_mandate_id
    top_up.checkout_url = facts.checkout_url or top_up.checkout_url
    top_up.expires_at = facts.expires_at or top_up.expires_at
    news = follows(top_up.status, facts.status)
    if news:
        top_up.looks = 0
        _ACTIONS[facts.status](top_up, facts)
    if top_up.status is Status.PAID:
        news = reversals.apply(top_up, facts.refunds, facts.chargebacks) or news
    note_look(top_up)
    if news:
        auto.refresh_marks(top_up.customer_id)
    return top_up


def note_look(top_up: TopUp) -> None:
    """Remember that Mollie was asked, and when to ask again."""
    now = utc_now()
    top_up.looked_at = now
    top_up.look_at = next_look(top_up.status, top_up.method, top_up.created_at, top_up.looks, now)
    if top_up.status in ENDED and top_up.mollie_payment_id is None:
        # There is nothing to look at; should a payment turn up after all, reconciliation finds it.
        top_up.look_at = None
    top_up.looks += 1


def lose(top_up: TopUp, code: str, message: str | None = None) -> None:
    """End a top-up that never became a payment, or that Mollie refused to make."""
    top_up.failure_code = code
    top_up.failure_message = message[:500] if message else None
    _end(top_up, Status.FAILED)


def _opened(top_up: TopUp, facts: PaymentFacts) -> None:
    top_up.status = moved(top_up.status, facts.status)


def _pending(top_up: TopUp, facts: PaymentFacts) -> None:
    top_up.status = moved(top_up.status, facts.status)
    top_up.method = facts.method or top_up.method
    if top_up.method == "directdebit":
        top_up.expected_on = top_up.expected_on or expected_debit_day(local_date(utc_now()))
    provisional.give(top_up)


def _paid(top_up: TopUp, facts: PaymentFacts) -> None:
    provisional.take_back(top_up)
    top_up.status = moved(top_up.status, Status.PAID)
    top_up.method = facts.method or top_up.method
    top_up.failure_code = top_up.failure_message = None
    top_up.ended_at = utc_now()
    if top_up.sequence_type == "first":
        enqueue("topups.jobs.sync_mandates", top_up.customer_id)
    if top_up.purpose == "method":
        return
    credited = post_once(
        Posting(
            customer_id=top_up.customer_id,
            kind="top_up",
            debit=Side.PSP,
            credit=Side.PREPAID,
            amount_micros=top_up.amount_micros,
            reference=f"topup-{top_up.top_up_id}-paid",
        )
    )
    if credited is None:
        raise AssertionError(f"{top_up.top_up_id} was credited before it was paid")
    fees.post_paid(top_up)
    subscriptions.money_arrived(top_up.customer_id, top_up.top_up_id, top_up.amount_micros)
    auto.payment_arrived(top_up)
    receipts.promise(top_up)
    telling.top_up_paid(top_up)


def _lost(top_up: TopUp, facts: PaymentFacts) -> None:
    top_up.method = facts.method or top_up.method
    top_up.failure_code = facts.failure_code
    top_up.failure_message = facts.failure_message[:500] if facts.failure_message else None
    _end(top_up, facts.status)


def _end(top_up: TopUp, status: Status) -> None:
    provisional.take_back(top_up)
    top_up.status = moved(top_up.status, status)
    top_up.ended_at = utc_now()
    if top_up.sequence_type == "recurring":
        auto.payment_failed(top_up)
    if top_up.purpose != "method":
        telling.top_up_failed(top_up)
    auto.refresh_marks(top_up.customer_id)


_ACTIONS: Final[dict[Status, Callable[[TopUp, PaymentFacts], None]]] = {
    Status.OPEN: _opened,
    Status.PENDING: _pending,
    Status.PAID: _paid,
    **dict.fromkeys(LOST, _lost),
}

"""Reconciliation: Mollie's own lists against ours, so that a lost webhook loses nothing.

Walks payments, refunds and chargebacks, the newest first; syncs whatever differs and names what is not ours.
Again is harmless.
"""

from typing import Final

from sqlalchemy import select

from app.db import db
from app.errors import NotFound
from topups import gateway
from topups.facts import PaymentFacts
from topups.models import TopUp
from topups.payments import find_top_up
from topups.states import follows
from topups.syncing import look, sync_payment

WALK_PAYMENTS: Final = 1000


def reconcile(newest: int = WALK_PAYMENTS) -> list[str]:
    """What was changed or found, one sentence each. Called outside a transaction. Raises NoAnswer."""
    changes: list[str] = []
    for facts in gateway.list_payments(newest):
        change = _compare(facts)
        if change is not None:
            changes.append(change)
    for payment_id in gateway.recent_reversals(newest):
        change = _compare_reversals(payment_id)
        if change is not None:
            changes.append(change)
    return changes


def _compare(facts: PaymentFacts) -> str | None:
    if facts.top_up_id is None:
        return f"{facts.payment_id}: not made by us ({facts.status})"
    try:
        top_up = find_top_up(facts.top_up_id)
    except NotFound:
        return f"{facts.payment_id}: names the unknown top-up {facts.top_up_id} ({facts.status})"
    before = top_up.status
    news = top_up.mollie_payment_id is None or follows(before, facts.status)
    if not news:
        return None
    look(facts.top_up_id, facts.payment_id)
    after = find_top_up(facts.top_up_id).status
    return f"{facts.payment_id}: {before} → {after}" if after is not before else None


def _compare_reversals(payment_id: str) -> str | None:
    top_up_id = db.session.scalar(select(TopUp.top_up_id).where(TopUp.mollie_payment_id == payment_id))
    if top_up_id is None:
        return f"{payment_id}: a refund or chargeback of a payment that is not ours"
    before = _reversed(top_up_id)
    sync_payment(top_up_id)
    after = _reversed(top_up_id)
    return f"{payment_id}: refunds and chargebacks {before} → {after} micros" if after != before else None


def _reversed(top_up_id: str) -> int:
    top_up = find_top_up(top_up_id)
    db.session.refresh(top_up)
    return top_up.refunded_micros + top_up.charged_back_micros

"""Jobs of the top-ups: each takes ids, may run twice, and can be found again from rows by the sweep."""

from datetime import timedelta

import structlog
from sqlalchemy import select, update

from app.clock import utc_now
from app.customers.service import get_customers
from app.db import db, in_unit_of_work
from app.errors import NotFound
from app.jobs import enqueue
from app.ledger.service import customers_wanting_attention
from topups import auto, charging, gateway, leaving, mandates, receipts, reconciliation, refunding, syncing
from topups.models import TopUp, WebhookCall

SWEEP_LIMIT = 500
_RESENT_AFTER = timedelta(minutes=2)
_WEBHOOK_WAITS = timedelta(seconds=30)
_log = structlog.get_logger("topups.jobs")


def charge(top_up_id: str) -> None:
    """Charge the mandate of a requested top-up."""
    charging.charge(top_up_id)


def sync(top_up_id: str) -> None:
    """Look at Mollie. While it does not answer, the sweep comes back by itself."""
    try:
        syncing.sync_payment(top_up_id)
    except gateway.NoAnswer:
        _log.warning("sync_postponed", top_up_id=top_up_id)
    except NotFound:
        _log.warning("sync_of_unknown_top_up", top_up_id=top_up_id)


def send_refund(refund_id: str) -> None:
    """Ask Mollie again about a refund that got no answer."""
    refunding.send(refund_id)


def send_receipt(top_up_id: str) -> None:
    """Print the receipt of a payment and mail it."""
    receipts.issue(top_up_id)


def evaluate(customer_id: int) -> None:
    """Decide whether to top up automatically now."""
    in_unit_of_work(auto.evaluate, int(customer_id))


def evaluate_after_credit(customer_id: int) -> None:
    """Money arrived: is it enough?"""
    in_unit_of_work(auto.evaluate, int(customer_id), quiet=True)


def sync_mandates(customer_id: int) -> None:
    """Mirror Mollie's mandates of a customer."""
    try:
        mandates.sync_mandates(int(customer_id))
    except gateway.NoAnswer:
        _log.warning("mandates_postponed", customer_id=customer_id)
        raise


def withdraw_mandates(customer_id: int) -> None:
    """Withdraw the mandates of a customer that was closed. What fails now is tried again every day."""
    leaving.withdraw_mandates(int(customer_id))


def sweep() -> None:
    """Find what was lost: looks that are due, webhooks that nobody handled, evaluations, pending mandates."""
    now = utc_now()
    due = list(
        db.session.execute(
            select(TopUp.customer_id, TopUp.top_up_id)
            .where(TopUp.look_at <= now)
            .order_by(TopUp.look_at)
            .limit(SWEEP_LIMIT)
        )
    )
    waiting = list(
        db.session.scalars(
            select(WebhookCall.top_up_id)
            .where(WebhookCall.handled_at.is_(None), WebhookCall.received_at < now - _WEBHOOK_WAITS)
            .distinct()
            .limit(SWEEP_LIMIT)
        )
    )
    evaluations = auto.due_for_evaluation(now)
    attention = customers_wanting_attention()
    pending = mandates.customers_with_pending_methods(now)
    for refund_id in refunding.due(now, SWEEP_LIMIT):
        enqueue("topups.jobs.send_refund", refund_id, job_id=f"refund-{refund_id}")
    for top_up_id in receipts.untold(now, SWEEP_LIMIT):
        enqueue("topups.jobs.send_receipt", top_up_id, queue="bulk", job_id=f"receipt-{top_up_id}")
    for customer_id, top_up_id in due:
        in_unit_of_work(_send_look, customer_id, top_up_id)
    for top_up_id in set(waiting) - {row.top_up_id for row in due}:
        enqueue("topups.jobs.sync", top_up_id)
    for customer_id in evaluations:
        in_unit_of_work(auto.note_evaluation_sent, customer_id, now)
    for customer_id in evaluations:
        enqueue("topups.jobs.evaluate", customer_id)
    # Some of these rose: that a balance is above its threshold is no news then.
    for customer_id in set(attention) - set(evaluations):
        enqueue("topups.jobs.evaluate_after_credit", customer_id)
    for customer_id in pending:
        enqueue("topups.jobs.sync_mandates", customer_id)


def _send_look(customer_id: int, top_up_id: str) -> None:
    """The look is sent once per couple of minutes, however long the queue is."""
    db.session.execute(
        update(TopUp)
        .where(TopUp.customer_id == customer_id, TopUp.top_up_id == top_up_id)
        .values(look_at=utc_now() + _RESENT_AFTER)
    )
    enqueue("topups.jobs.sync", top_up_id)


def reconcile() -> None:
    """Walk Mollie's newest payments, refunds and chargebacks and apply what was missed."""
    for line in reconciliation.reconcile():
        _log.warning("reconciled", change=line)


def mandates_daily() -> None:
    """Look at every customer's mandates once a day: they end without a webhook.

    A customer that was closed has none: what is left of them is withdrawn.
    """
    customer_ids = mandates.customers_with_methods()
    known = get_customers(customer_ids)
    for customer_id in customer_ids:
        gone = customer_id in known and known[customer_id].status == "closed"
        job = "topups.jobs.withdraw_mandates" if gone else "topups.jobs.sync_mandates"
        enqueue(job, customer_id, queue="bulk")

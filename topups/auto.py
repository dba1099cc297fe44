"""The automatic top-up engine: evaluates, requests charges, and stops when it must.

Everything here runs inside a unit of work under the balance's lock and makes no call: a decided charge is a
top-up row in `requested`, and a job takes it from there. What stops the engine is a row, not a timer.
"""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select, update

from app.clock import utc_now
from app.config import settings
from app.db import db
from app.i18n import local_date
from app.jobs import enqueue
from app.ledger.service import clear_attention, get_balance, lock_balance, set_marks
from app.public_ids import new_public_id
from topups import decision_log, notices, situation, subscriptions
from topups.business_days import add_business_days, expected_debit_day
from topups.calendar_day import begins_at, first_of_next_month
from topups.decisions import (
    FAILURES_BEFORE_PAUSE,
    RETRY_BUSINESS_DAYS,
    AfterFailure,
    Reason,
    Rule,
    Verdict,
    after_failure,
    decide,
)
from topups.models import AutoTopUp, PaymentMethod, TopUp, TopUpDecision
from topups.states import Status


def rule_of(row: AutoTopUp, now: datetime) -> Rule:
    return Rule(
        enabled=row.enabled,
        paused=row.paused_at is not None,
        threshold_micros=row.threshold_micros,
        amount_micros=row.amount_micros,
        target_micros=row.target_micros,
        monthly_maximum_micros=row.monthly_maximum_micros,
        calendar_due_micros=row.calendar_micros if calendar_is_due(row, now) else None,
    )


def calendar_is_due(row: AutoTopUp, now: datetime) -> bool:
    """Whether the first of the month has come and its top-up has not been charged yet."""
    return row.calendar_on is not None and row.calendar_on <= local_date(now)


def evaluate(customer_id: int, *, quiet: bool = False) -> TopUpDecision | None:
    """Decide now, and request a charge if that is the decision. None for a customer without a rule.

    When `quiet`, a balance above its threshold is no news and is not written down.
    """
    balance = lock_balance(customer_id)
    clear_attention(customer_id)
    now = utc_now()
    row = db.session.get(AutoTopUp, customer_id, populate_existing=True)
    if row is None:
        subscriptions.balance_seen(customer_id, is_being_filled=False)
        refresh_marks(customer_id)
        return None
    seen = situation.read(balance, now)
    verdict = decide(rule_of(row, now), seen, situation.limits())
    top_up = _request(row, verdict, now) if verdict.charges else None
    if quiet and verdict.reason is Reason.ABOVE_THRESHOLD:
        decision = decision_log.latest(customer_id)
    else:
        decision = decision_log.record(customer_id, verdict, seen, top_up, now)
    if top_up is not None and calendar_is_due(row, now):
        row.calendar_on = first_of_next_month(local_date(now))
    row.evaluate_at = _next_evaluation(row, verdict, now)
    db.session.flush()
    filling = (Reason.CHARGED, Reason.ABOVE_THRESHOLD, Reason.IN_FLIGHT)
    subscriptions.balance_seen(customer_id, is_being_filled=verdict.reason in filling)
    refresh_marks(customer_id)
    return decision


def _request(row: AutoTopUp, verdict: Verdict, now: datetime) -> TopUp:
    """The charge as a row; the announcement of a debit is queued in this same transaction."""
    top_up_id = new_public_id("tu", row.customer_id)
    top_up = TopUp(
        customer_id=row.customer_id,
        top_up_id=top_up_id,
        origin="automatic",
        purpose="balance",
        amount_micros=verdict.amount_micros,
        currency=settings().currency,
        sequence_type="recurring",
        payment_method_id=verdict.payment_method_id,
        consent_id=row.consent_id,
        request_key=f"automatic:{top_up_id}",
        status=Status.REQUESTED,
        idempotency_key=uuid.uuid4(),
        provisional_micros=0,
        refunded_micros=0,
        charged_back_micros=0,
        created_at=now,
        look_at=now + timedelta(seconds=20),
        looks=0,
    )
    db.session.add(top_up)
    method = db.session.get_one(PaymentMethod, (row.customer_id, verdict.payment_method_id))
    top_up.method = method.method
    if method.method == "directdebit":
        top_up.expected_on = expected_debit_day(local_date(now))
    db.session.flush()
    if method.method == "directdebit":
        notices.debit_announced(top_up, method)
    enqueue("topups.jobs.charge", top_up_id, queue="urgent")
    return top_up


def _next_evaluation(row: AutoTopUp, verdict: Verdict, now: datetime) -> datetime | None:
    """When to decide again by ourselves: a hindrance may be gone, or the first of a month has come."""
    again_at = _evaluate_again_at(row.customer_id, verdict, now)
    if not row.enabled or row.calendar_on is None or calendar_is_due(row, now):
        return again_at
    first_at = begins_at(row.calendar_on, settings().timezone)
    return min(again_at, first_at) if again_at is not None else first_at


def _evaluate_again_at(customer_id: int, verdict: Verdict, now: datetime) -> datetime | None:
    """When the reason why nothing happened may be gone by itself."""
    if verdict.reason is Reason.HOURLY_LIMIT:
        return _room_again_at(customer_id, timedelta(hours=1), settings().auto_hourly_limit, now)
    if verdict.reason is Reason.DAILY_LIMIT:
        return _room_again_at(customer_id, timedelta(days=1), settings().auto_daily_limit, now)
    if verdict.reason is Reason.MONTHLY_MAXIMUM:
        return situation.next_month_start(now)
    if verdict.reason is Reason.NO_VALID_METHOD:
        waiting = [m.blocked_until for m in situation.ordered_methods(customer_id) if m.blocked_until]
        return min((moment for moment in waiting if moment > now), default=None)
    return None


def _room_again_at(customer_id: int, window: timedelta, most: int, now: datetime) -> datetime:
    """When one of the charges within the window has left it, so that fewer than `most` remain."""
    made = situation.charges_since(customer_id, now - window)
    return made[-most] + window


def refresh_marks(customer_id: int) -> None:
    """Have the ledger watch for the next crossing: the nearest mark that the balance has yet to fall through.

    The marks are the threshold less what is on its way, the low mark, and those of others who look. When the
    balance is below all of them, the highest is next: a rise asks for a look of its own.
    """
    db.session.flush()
    low_mark_micros = settings().low_balance_micros
    row = db.session.get(AutoTopUp, customer_id)
    marks = [low_mark_micros, *subscriptions.marks(customer_id)]
    if row is not None and row.enabled:
        marks.append(row.threshold_micros - situation.in_flight_micros(customer_id))
    available_micros = get_balance(customer_id).available_micros
    next_mark_micros = max((mark for mark in marks if mark <= available_micros), default=max(marks))
    set_marks(customer_id, low_mark_micros=low_mark_micros, attention_mark_micros=next_mark_micros)


def payment_arrived(top_up: TopUp) -> None:
    """A paid top-up ends a run of failures; one paid by hand also ends a pause, whatever its cause."""
    row = db.session.get(AutoTopUp, top_up.customer_id)
    by_hand = top_up.origin == "manual"
    if top_up.payment_method_id is not None:
        method = db.session.get_one(PaymentMethod, (top_up.customer_id, top_up.payment_method_id))
        _unblock(method)
    if row is None:
        return
    row.failures_in_row = 0
    if row.paused_at is not None and (by_hand or row.paused_because == "failures"):
        start_again(row)
    enqueue("topups.jobs.evaluate_after_credit", top_up.customer_id)


def payment_failed(top_up: TopUp) -> None:
    """A charge of a mandate failed: what becomes of the method, and of the engine."""
    now = utc_now()
    method = db.session.get_one(PaymentMethod, (top_up.customer_id, top_up.payment_method_id))
    outcome = after_failure(method.method, top_up.failure_code, method.retries)
    method.last_failure_code = top_up.failure_code
    if outcome is AfterFailure.RETRY_AFTER_BUSINESS_DAYS:
        day = add_business_days(local_date(now), RETRY_BUSINESS_DAYS)
        method.blocked_until = now + timedelta(days=(day - local_date(now)).days)
        method.retries += 1
    elif outcome is AfterFailure.RETRY_AFTER_A_DAY:
        method.blocked_until = now + timedelta(days=1)
        method.retries += 1
    elif outcome is AfterFailure.DISABLE:
        disable_method(method, now)
    else:
        method.waits_for_customer = True
    row = db.session.get(AutoTopUp, top_up.customer_id)
    if row is None or top_up.origin != "automatic":
        notices.failed(top_up)
        return
    row.failures_in_row += 1
    if row.failures_in_row >= FAILURES_BEFORE_PAUSE:
        pause(row, "failures")
    else:
        if row.failures_in_row == 1:
            notices.automatic_failed(top_up)
        enqueue("topups.jobs.evaluate", top_up.customer_id, queue="urgent")


def charged_back(top_up: TopUp, reason_code: str | None) -> None:
    """Money was taken back: no more automatic charges until the customer says so."""
    row = db.session.get(AutoTopUp, top_up.customer_id)
    if row is not None and row.enabled and row.paused_at is None:
        pause(row, "chargeback")
    if top_up.payment_method_id is not None:
        method = db.session.get_one(PaymentMethod, (top_up.customer_id, top_up.payment_method_id))
        if after_failure(method.method, reason_code, method.retries) is AfterFailure.DISABLE:
            disable_method(method, utc_now())


def look_again(customer_id: int) -> None:
    """The balance fell by something else than usage: have a job decide, where there is a rule."""
    row = db.session.get(AutoTopUp, customer_id)
    if row is not None and row.enabled:
        enqueue("topups.jobs.evaluate", customer_id)


def pause(row: AutoTopUp, because: str) -> None:
    """Stop durably; only the customer, or money by hand, starts the engine again."""
    row.paused_at = utc_now()
    row.paused_because = because
    row.evaluate_at = None
    notices.paused(row)


def start_again(row: AutoTopUp) -> None:
    """End a pause and give every method a new chance."""
    row.paused_at = row.paused_because = None
    row.failures_in_row = 0
    unblock_methods(row.customer_id)


def unblock_methods(customer_id: int) -> None:
    for method in situation.ordered_methods(customer_id):
        _unblock(method)


def method_became_valid(customer_id: int) -> None:
    """A new mandate can be charged: the engine has something to work with again."""
    row = db.session.get(AutoTopUp, customer_id)
    if row is not None:
        start_again(row)
        enqueue("topups.jobs.evaluate", customer_id)


def disable_method(method: PaymentMethod, now: datetime) -> None:
    """The mandate is gone; the customer is told."""
    if method.status == "revoked":
        return
    was_valid = method.status == "valid"
    method.status = "revoked"
    method.revoked_at = now
    if was_valid:
        notices.mandate_revoked(method)


def due_for_evaluation(now: datetime, limit: int = 500) -> list[int]:
    """Customers whose reason for waiting may be gone by now."""
    return list(
        db.session.scalars(
            select(AutoTopUp.customer_id)
            .where(AutoTopUp.evaluate_at <= now)
            .order_by(AutoTopUp.evaluate_at)
            .limit(limit)
        )
    )


def note_evaluation_sent(customer_id: int, now: datetime) -> None:
    """Do not send the same evaluation again within minutes, however long the queue is."""
    db.session.execute(
        update(AutoTopUp)
        .where(AutoTopUp.customer_id == customer_id)
        .values(evaluate_at=now + timedelta(minutes=5))
    )


def _unblock(method: PaymentMethod) -> None:
    method.retries = 0
    method.blocked_until = None
    method.waits_for_customer = False

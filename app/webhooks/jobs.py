"""Delivering: one attempt at a time per delivery, however many workers hold the job.

An attempt is claimed by a lease in its row before the request and noted after it. A worker that dies
leaves the lease to run out, and the sweep sends the job again: a receiver may then see a message twice,
under the same id.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from app.clock import utc_now
from app.db import db, in_unit_of_work
from app.jobs import enqueue
from app.webhooks import endpoints, sending
from app.webhooks.messages import DELIVER
from app.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookMessage

# The pauses that the Standard Webhooks specification suggests: ten attempts in a little over three days.
PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
LEASE: Final = timedelta(seconds=90)
SWEEP_LIMIT: Final = 1000
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class _Attempt:
    number: int
    url: str
    message_id: str
    body: str
    secrets: list[str]
    at: datetime


def deliver(customer_id: int, delivery_id: str) -> None:
    """Make the attempt that is due, if nobody else does."""
    attempt = in_unit_of_work(_claim, int(customer_id), delivery_id)
    if attempt is None:
        return
    outcome = sending.send(
        attempt.url,
        message_id=attempt.message_id,
        body=attempt.body,
        secrets=attempt.secrets,
        at=attempt.at,
    )
    in_unit_of_work(_note, int(customer_id), delivery_id, attempt, outcome)


def sweep() -> None:
    """Send the attempts that are due: pauses that are over, jobs that were lost, workers that died."""
    due = db.session.execute(
        select(WebhookDelivery.customer_id, WebhookDelivery.delivery_id)
        .where(WebhookDelivery.status == "waiting", WebhookDelivery.next_attempt_at <= utc_now())
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(SWEEP_LIMIT)
    ).all()
    for customer_id, delivery_id in due:
        enqueue(DELIVER, customer_id, delivery_id, job_id=delivery_id, retry_seconds=())


def _claim(customer_id: int, delivery_id: str) -> _Attempt | None:
    delivery = _locked(customer_id, delivery_id)
    now = utc_now()
    if delivery is None or delivery.status != "waiting":
        return None
    if delivery.next_attempt_at is None or delivery.next_attempt_at > now:
        return None
    endpoint = db.session.get_one(WebhookEndpoint, delivery.endpoint_id)
    if endpoint.deleted_at is not None or endpoint.disabled_at is not None:
        delivery.status, delivery.next_attempt_at = "failed", None
        return None
    message = db.session.get_one(WebhookMessage, (customer_id, delivery.message_id))
    delivery.next_attempt_at = now + LEASE
    delivery.attempts += 1
    delivery.tries += 1
    return _Attempt(
        delivery.attempts,
        endpoint.url,
        message.message_id,
        message.body,
        endpoints.signing_secrets(endpoint),
        now,
    )


def _note(customer_id: int, delivery_id: str, attempt: _Attempt, outcome: sending.Outcome) -> None:
    delivery = _locked(customer_id, delivery_id)
    if delivery is None:
        return
    now = utc_now()
    db.session.add(
        WebhookAttempt(
            customer_id=customer_id,
            delivery_id=delivery_id,
            number=attempt.number,
            status_code=outcome.status_code,
            latency_ms=outcome.latency_ms,
            answer=outcome.answer,
            error=outcome.error,
            attempted_at=attempt.at,
        )
    )
    if outcome.succeeded:
        delivery.status, delivery.next_attempt_at = "delivered", None
        delivery.delivered_at = delivery.delivered_at or now
        endpoints.note_success(delivery.endpoint_id)
        return
    # A later attempt, or a replay that was asked for meanwhile, decides for itself.
    if delivery.attempts == attempt.number and delivery.status == "waiting" and delivery.tries > 0:
        _try_later(delivery, now)
    db.session.flush()
    endpoints.note_failure(delivery.endpoint_id, is_gone=outcome.status_code == GONE)


def _try_later(delivery: WebhookDelivery, now: datetime) -> None:
    if delivery.tries > len(PAUSES):
        delivery.status, delivery.next_attempt_at = "failed", None
        return
    pause = PAUSES[delivery.tries - 1]
    # A tenth of jitter, so that what failed together does not come back together.
    pause += timedelta(seconds=pause.total_seconds() * secrets.randbelow(100) / 1000)
    delivery.next_attempt_at = now + pause
    if pause < timedelta(minutes=1):
        enqueue(DELIVER, delivery.customer_id, delivery.delivery_id, retry_seconds=(), delay=pause)


def _locked(customer_id: int, delivery_id: str) -> WebhookDelivery | None:
    return db.session.get(
        WebhookDelivery, (customer_id, delivery_id), with_for_update=True, populate_existing=True
    )

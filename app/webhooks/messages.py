"""Messages and their deliveries: written in the transaction that causes them, listed, sent once more.

A message keeps its id through every attempt and replay, so a receiver can tell a repetition from news.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from flask_babel import lazy_gettext
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.clock import utc_now
from app.db import db
from app.errors import Conflict, NotFound
from app.i18n import in_locale
from app.jobs import enqueue
from app.public_ids import customer_of, new_public_id
from app.webhooks.endpoints import endpoints, find
from app.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookMessage

DELIVER: Final = "app.webhooks.jobs.deliver"
MAX_REPLAYED: Final = 10_000


class UnknownDelivery(NotFound):
    code = "unknown_webhook_delivery"
    title = lazy_gettext("There is no such webhook delivery.")


class EndpointDisabled(Conflict):
    code = "webhook_endpoint_disabled"
    title = lazy_gettext("This webhook endpoint is switched off. Switch it on first.")


def tell(
    event_type: str, data: Callable[[], dict[str, Any]], *, customer_id: int, dedupe_key: str
) -> str | None:
    """Tell whoever wants this event. Inside the unit of work that makes it true; sent after its commit.

    `data` makes the thing's own JSON, and is asked only when somebody wants it. Answers the message's id;
    None when nobody wants it, or when this key was told before.
    """
    wanting = [endpoint for endpoint in endpoints() if endpoint.wants(event_type)]
    if not wanting:
        return None
    now = utc_now()
    # Programs get one stable language, as from the API, whoever caused the event.
    with in_locale("en"):
        content = {"type": event_type, "timestamp": now.isoformat(), "data": data()}
    message_id: str | None = db.session.scalar(
        insert(WebhookMessage)
        .values(
            customer_id=customer_id,
            message_id=new_public_id("msg", customer_id),
            event_type=event_type,
            body=json.dumps(content, ensure_ascii=False, separators=(",", ":")),
            dedupe_key=f"{event_type}:{dedupe_key}",
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["customer_id", "dedupe_key"])
        .returning(WebhookMessage.message_id)
    )
    if message_id is None:
        return None
    for endpoint in wanting:
        if endpoint.disabled_at is None:
            _address(customer_id, message_id, event_type, endpoint, now)
    return message_id


def _address(
    customer_id: int, message_id: str, event_type: str, endpoint: WebhookEndpoint, now: datetime
) -> None:
    delivery = WebhookDelivery(
        customer_id=customer_id,
        delivery_id=new_public_id("wd", customer_id),
        message_id=message_id,
        event_type=event_type,
        endpoint_id=endpoint.endpoint_id,
        status="waiting",
        tries=0,
        attempts=0,
        next_attempt_at=now,
        created_at=now,
    )
    db.session.add(delivery)
    db.session.flush()
    enqueue(DELIVER, customer_id, delivery.delivery_id, retry_seconds=())


def find_delivery(delivery_id: str) -> WebhookDelivery:
    """Raises UnknownDelivery."""
    try:
        customer_id = customer_of(delivery_id)
    except NotFound as error:
        raise UnknownDelivery from error
    delivery = db.session.get(WebhookDelivery, (customer_id, delivery_id))
    if delivery is None:
        raise UnknownDelivery
    return delivery


def deliveries(
    *,
    endpoint_id: str | None = None,
    status: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[WebhookDelivery]:
    """The newest first; `before` is a delivery's number."""
    query = select(WebhookDelivery)
    if endpoint_id is not None:
        query = query.where(WebhookDelivery.endpoint_id == endpoint_id)
    if status is not None:
        query = query.where(WebhookDelivery.status == status)
    if before is not None:
        query = query.where(WebhookDelivery.number < before)
    return list(db.session.scalars(query.order_by(WebhookDelivery.number.desc()).limit(limit)))


def last_attempts(found: Iterable[WebhookDelivery]) -> dict[str, WebhookAttempt]:
    """The latest attempt of each of these deliveries, by delivery."""
    listed = list(found)
    rows = db.session.scalars(
        select(WebhookAttempt)
        .where(
            WebhookAttempt.customer_id.in_({one.customer_id for one in listed}),
            WebhookAttempt.delivery_id.in_([one.delivery_id for one in listed]),
        )
        .order_by(WebhookAttempt.number)
    )
    return {attempt.delivery_id: attempt for attempt in rows}


def replay(delivery_id: str) -> WebhookDelivery:
    """Send one delivery again, with the same message id. Raises UnknownDelivery, EndpointDisabled."""
    delivery = find_delivery(delivery_id)
    endpoint = find(delivery.endpoint_id)
    if endpoint.disabled_at is not None:
        raise EndpointDisabled
    db.session.refresh(delivery, with_for_update=True)
    _again(delivery)
    return delivery


def replay_since(endpoint_id: str, since: datetime) -> int:
    """Send an endpoint every message it wants since a moment, also those it never got. Answers how many.

    Raises UnknownEndpoint, EndpointDisabled.
    """
    endpoint = find(endpoint_id)
    if endpoint.disabled_at is not None:
        raise EndpointDisabled
    messages = db.session.execute(
        select(WebhookMessage.customer_id, WebhookMessage.message_id, WebhookMessage.event_type)
        .where(
            WebhookMessage.created_at >= since,
            WebhookMessage.event_type.in_(endpoint.events),
            WebhookMessage.body != "",  # what was forgotten cannot be sent
        )
        .order_by(WebhookMessage.created_at)
        .limit(MAX_REPLAYED)
    ).all()
    known = {
        delivery.message_id: delivery
        for delivery in db.session.scalars(
            select(WebhookDelivery)
            .where(
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.message_id.in_([message.message_id for message in messages]),
            )
            .order_by(WebhookDelivery.customer_id, WebhookDelivery.delivery_id)
            .with_for_update()
        )
    }
    now = utc_now()
    for customer_id, message_id, event_type in messages:
        if message_id in known:
            _again(known[message_id])
        else:
            _address(customer_id, message_id, event_type, endpoint, now)
    return len(messages)


def _again(delivery: WebhookDelivery) -> None:
    delivery.status, delivery.tries, delivery.next_attempt_at = "waiting", 0, utc_now()
    db.session.flush()
    enqueue(DELIVER, delivery.customer_id, delivery.delivery_id, retry_seconds=())


def to_json(delivery: WebhookDelivery, last: WebhookAttempt | None) -> dict[str, Any]:
    """The API's shape of a delivery, with its latest attempt."""
    return {
        "id": delivery.delivery_id,
        "message_id": delivery.message_id,
        "endpoint": delivery.endpoint_id,
        "event": delivery.event_type,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at.isoformat()
        if delivery.next_attempt_at and delivery.status == "waiting"
        else None,
        "delivered_at": delivery.delivered_at.isoformat() if delivery.delivered_at else None,
        "created_at": delivery.created_at.isoformat(),
        "last_attempt": {
            "at": last.attempted_at.isoformat(),
            "status_code": last.status_code,
            "latency_ms": last.latency_ms,
            "answer": last.answer,
            "error": last.error,
        }
        if last
        else None,
    }

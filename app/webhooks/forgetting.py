"""Forgetting: what was told long ago, and how telling went, goes after some months.

A message's key stays, so that what was told once is not told again; its body, deliveries and attempts go.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, tuple_, update

from app.clock import utc_now
from app.config import settings
from app.db import db, in_unit_of_work
from app.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookMessage

PAGE: Final = 1_000
_Keys = Sequence[tuple[int, str]]


def forget_old() -> int:
    """Job: forget the messages that are older than the setting and wait for nothing; answers how many."""
    forgotten = 0
    while keys := in_unit_of_work(_forget_page):
        forgotten += len(keys)
    return forgotten


def _forget_page() -> _Keys:
    waiting = select(WebhookDelivery.message_id).where(
        WebhookDelivery.customer_id == WebhookMessage.customer_id,
        WebhookDelivery.message_id == WebhookMessage.message_id,
        WebhookDelivery.status == "waiting",
    )
    rows = db.session.execute(
        select(WebhookMessage.customer_id, WebhookMessage.message_id)
        .where(
            WebhookMessage.created_at < utc_now() - timedelta(days=settings().webhook_log_days),
            WebhookMessage.body != "",
            ~waiting.exists(),
        )
        .order_by(WebhookMessage.customer_id, WebhookMessage.message_id)
        .limit(PAGE)
        .with_for_update(skip_locked=True)
    )
    keys = [(row.customer_id, row.message_id) for row in rows]
    if keys:
        _forget(keys)
    return keys


def _forget(keys: _Keys) -> None:
    deliveries = tuple_(WebhookDelivery.customer_id, WebhookDelivery.message_id).in_(keys)
    ids = select(WebhookDelivery.customer_id, WebhookDelivery.delivery_id).where(deliveries)
    statements = (
        delete(WebhookAttempt).where(tuple_(WebhookAttempt.customer_id, WebhookAttempt.delivery_id).in_(ids)),
        delete(WebhookDelivery).where(deliveries),
        update(WebhookMessage)
        .where(tuple_(WebhookMessage.customer_id, WebhookMessage.message_id).in_(keys))
        .values(body=""),
    )
    for statement in statements:
        db.session.execute(statement, execution_options={"synchronize_session": False})

"""Mollie's webhook: stored, queued, answered within milliseconds, never believed.

The body is unsigned and only says "look". Whatever it names, the answer is 200, so that nobody learns which
ids exist and Mollie does not repeat what we cannot use; only when our database is down does Mollie try again.
"""

import re
import uuid
from typing import Final

import structlog
from flask import Blueprint, request
from sqlalchemy import select

from app.clock import utc_now
from app.db import db, unit_of_work
from app.errors import NotFound
from app.jobs import enqueue
from app.public_ids import customer_of
from topups.models import TopUp, WebhookCall

blueprint = Blueprint("mollie", __name__)

MAX_BODY_BYTES: Final = 4096
_PAYMENT_ID: Final = re.compile(r"tr_[A-Za-z0-9]{1,60}")
_log = structlog.get_logger("topups.webhooks")


@blueprint.post("/webhooks/mollie/<top_up_id>")
def receive(top_up_id: str) -> tuple[str, int]:
    """A payment of ours may have changed."""
    request.max_content_length = MAX_BODY_BYTES
    payment_id = request.form.get("id", "")
    if not _PAYMENT_ID.fullmatch(payment_id) or not _remember(top_up_id, payment_id):
        _log.info("webhook_for_nothing_of_ours", top_up_id=top_up_id[:64], payment_id=payment_id[:64])
    return "", 200


def _remember(top_up_id: str, payment_id: str) -> bool:
    """Store the call and queue a look; False when there is no such top-up."""
    try:
        customer_id = customer_of(top_up_id)
    except NotFound:
        return False
    with unit_of_work():
        known = db.session.scalar(
            select(TopUp.top_up_id).where(TopUp.customer_id == customer_id, TopUp.top_up_id == top_up_id)
        )
        if known is None:
            return False
        db.session.add(
            WebhookCall(
                customer_id=customer_id,
                webhook_call_id=uuid.uuid4(),
                top_up_id=top_up_id,
                mollie_payment_id=payment_id,
                received_at=utc_now(),
            )
        )
        enqueue("topups.jobs.sync", top_up_id, queue="urgent")
    return True

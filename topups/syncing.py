"""Looking at Mollie: one way for webhook, return page and sweep alike.

The truth is fetched, never believed: a webhook only says that there is something to see.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select, update

from app.clock import utc_now
from app.db import db, in_unit_of_work, unit_of_work
from app.public_ids import customer_of
from topups import crediting, gateway
from topups.charging import CALL_LASTS_AT_MOST, ask_and_record, charge
from topups.models import TopUp, WebhookCall
from topups.payments import find_top_up
from topups.states import ENDED, GUARDED, Status

LOOK_AT_MOST_EVERY: Final = timedelta(seconds=2)
_log = structlog.get_logger("topups")


def sync_payment(top_up_id: str) -> TopUp:
    """Look at Mollie and apply what it says; again is harmless. Called outside a transaction.

    Raises UnknownTopUp; NoAnswer when Mollie cannot be asked now.
    """
    began_at = utc_now()
    with unit_of_work():
        top_up = find_top_up(top_up_id)
        status, payment_id = top_up.status, top_up.mollie_payment_id
        submitted_at = top_up.submitted_at
        hint = _webhook_hint(top_up)
    being_called = submitted_at is not None and began_at - submitted_at < CALL_LASTS_AT_MOST
    if payment_id is None and hint is not None and _adopt(top_up_id, hint):
        pass
    elif payment_id is not None:
        look(top_up_id, payment_id)
    elif status is Status.REQUESTED:
        charge(top_up_id)
    elif status is Status.UNKNOWN or (status is Status.SUBMITTING and not being_called):
        ask_and_record(top_up_id)
    in_unit_of_work(_close_webhooks, top_up_id, began_at)
    return find_top_up(top_up_id)


def look_again(top_up: TopUp) -> TopUp:
    """As `sync_payment`, for a page that is reloaded: not every time, and Mollie may be away."""
    recently = top_up.looked_at is not None and utc_now() - top_up.looked_at <= LOOK_AT_MOST_EVERY
    if recently or top_up.status in ENDED:
        return top_up
    top_up_id = top_up.top_up_id
    try:
        return sync_payment(top_up_id)
    except gateway.NoAnswer:
        return find_top_up(top_up_id)


def look(top_up_id: str, payment_id: str) -> None:
    """Fetch this payment and apply it to its top-up. Raises NoAnswer."""
    try:
        facts = gateway.get_payment(payment_id)
    except gateway.Gone:
        in_unit_of_work(_note_missing, top_up_id)
        return
    in_unit_of_work(crediting.apply, top_up_id, facts)


def _adopt(top_up_id: str, payment_id: str) -> bool:
    """A webhook that came before the create call's answer names a payment: take it if it is ours."""
    try:
        facts = gateway.get_payment(payment_id)
    except (gateway.Gone, gateway.Declined):
        return False
    if facts.top_up_id != top_up_id:
        return False
    in_unit_of_work(crediting.apply, top_up_id, facts)
    return True


def _note_missing(top_up_id: str) -> None:
    top_up = crediting.lock_top_up(top_up_id)
    top_up.problem = "gone_at_mollie"
    crediting.note_look(top_up)
    _log.error("payment_gone_at_mollie", top_up_id=top_up_id, payment_id=top_up.mollie_payment_id)


def _webhook_hint(top_up: TopUp) -> str | None:
    """The payment that an unhandled webhook names, for a top-up that does not know its payment yet."""
    return db.session.scalars(
        select(WebhookCall.mollie_payment_id)
        .where(
            WebhookCall.customer_id == top_up.customer_id,
            WebhookCall.top_up_id == top_up.top_up_id,
            WebhookCall.handled_at.is_(None),
        )
        .order_by(WebhookCall.received_at.desc())
        .limit(1)
    ).one_or_none()


def _close_webhooks(top_up_id: str, looked_from: datetime) -> None:
    """Calls received before we looked are answered by that look; later ones ask for another."""
    customer_id = customer_of(top_up_id)
    if find_top_up(top_up_id).status in GUARDED:
        # The payment that the call names may still turn out to be the one we wait for.
        return
    db.session.execute(
        update(WebhookCall)
        .where(
            WebhookCall.customer_id == customer_id,
            WebhookCall.top_up_id == top_up_id,
            WebhookCall.handled_at.is_(None),
            WebhookCall.received_at <= looked_from,
        )
        .values(handled_at=utc_now())
    )

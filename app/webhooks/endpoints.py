"""Endpoints: registered with the events they want, a secret that is shown once, switched off when dead."""

import base64
import secrets
from datetime import timedelta
from typing import Any, Final

from flask_babel import lazy_gettext
from sqlalchemy import select, update

from app import mail
from app.clock import utc_now
from app.config import settings
from app.db import db
from app.errors import Invalid, NotFound
from app.public_ids import new_public_id
from app.webhooks.models import WebhookDelivery, WebhookEndpoint
from app.webhooks.targets import check_url

EVENTS: Final = (
    "balance.low",
    "balance.exhausted",
    "balance.spending_limit",
    "top_up.paid",
    "top_up.failed",
    "top_up.charged_back",
    "auto_top_up.paused",
    "payment_method.valid",
    "payment_method.revoked",
    "invoice.requested",
    "invoice.issued",
    "invoice.paid",
    "invoice.overdue",
)
MAX_ENDPOINTS: Final = 20
SECRET_BYTES: Final = 32
BOTH_SECRETS_SIGN: Final = timedelta(hours=24)
FAILING_ENDS_AFTER: Final = timedelta(days=5)


class UnknownEndpoint(NotFound):
    code = "unknown_webhook_endpoint"
    title = lazy_gettext("There is no such webhook endpoint.")


class TooManyEndpoints(Invalid):
    code = "too_many_webhook_endpoints"
    title = lazy_gettext("There are enough webhook endpoints already. Delete one first.")


def endpoints() -> list[WebhookEndpoint]:
    """All that were not deleted, the oldest first; disabled ones too."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))
    return list(db.session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.endpoint_id)))


def find(endpoint_id: str) -> WebhookEndpoint:
    """Raises UnknownEndpoint."""
    endpoint = db.session.get(WebhookEndpoint, endpoint_id) if endpoint_id.isascii() else None
    if endpoint is None or endpoint.deleted_at is not None:
        raise UnknownEndpoint
    return endpoint


def register(url: object, events: object = None) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret. Without `events` it wants all. Raises InvalidUrl, Invalid."""
    checked, wanted = check_url(url), check_events(events)
    if len(endpoints()) >= MAX_ENDPOINTS:
        raise TooManyEndpoints(field="url")
    secret = _new_secret()
    endpoint = WebhookEndpoint(
        endpoint_id=new_public_id("we", mail.NO_CUSTOMER),
        url=checked,
        events=wanted,
        secret=secret,
        created_at=utc_now(),
    )
    db.session.add(endpoint)
    db.session.flush()
    return endpoint, secret


def check_events(events: object) -> list[str]:
    """The names of events, each once, in our order. Raises Invalid."""
    if events is None:
        return list(EVENTS)
    if not isinstance(events, list) or not events or not all(event in EVENTS for event in events):
        raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(EVENTS)), field="events")
    return [event for event in EVENTS if event in events]


def rotate(endpoint_id: str) -> tuple[WebhookEndpoint, str]:
    """A new secret; for a day the one before signs as well. Raises UnknownEndpoint."""
    endpoint = find(endpoint_id)
    endpoint.previous_secret, endpoint.secret = endpoint.secret, _new_secret()
    endpoint.previous_secret_until = utc_now() + BOTH_SECRETS_SIGN
    db.session.flush()
    return endpoint, endpoint.secret


def signing_secrets(endpoint: WebhookEndpoint) -> list[str]:
    until = endpoint.previous_secret_until
    if endpoint.previous_secret is None or until is None or until <= utc_now():
        return [endpoint.secret]
    return [endpoint.secret, endpoint.previous_secret]


def delete(endpoint_id: str) -> None:
    """No more messages; the log stays. Raises UnknownEndpoint."""
    endpoint = find(endpoint_id)
    endpoint.deleted_at = utc_now()
    endpoint.secret, endpoint.previous_secret = "", None
    _give_up_waiting(endpoint_id)


def enable(endpoint_id: str) -> WebhookEndpoint:
    """Send again; what was missed meanwhile can be replayed. Again is harmless. Raises UnknownEndpoint."""
    endpoint = find(endpoint_id)
    endpoint.disabled_at = endpoint.disabled_because = endpoint.failing_since = None
    db.session.flush()
    return endpoint


def note_success(endpoint_id: str) -> None:
    db.session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.endpoint_id == endpoint_id, WebhookEndpoint.failing_since.is_not(None))
        .values(failing_since=None)
    )


def note_failure(endpoint_id: str, *, is_gone: bool) -> None:
    """Remember since when nothing arrives; after days of that, or when the receiver says so, stop."""
    endpoint = db.session.get_one(WebhookEndpoint, endpoint_id, with_for_update=True, populate_existing=True)
    if endpoint.disabled_at is not None or endpoint.deleted_at is not None:
        return
    now = utc_now()
    endpoint.failing_since = endpoint.failing_since or now
    if is_gone:
        _disable(endpoint, "gone")
    elif now - endpoint.failing_since >= FAILING_ENDS_AFTER:
        _disable(endpoint, "failing")


def _disable(endpoint: WebhookEndpoint, because: str) -> None:
    endpoint.disabled_at, endpoint.disabled_because = utc_now(), because
    _give_up_waiting(endpoint.endpoint_id)
    mail.send(
        "webhook_disabled",
        to=settings().provider.support_email,
        locale=settings().default_locale,
        customer_id=None,
        context={"endpoint": endpoint},
        dedupe_key=f"webhook-disabled-{endpoint.endpoint_id}-{endpoint.disabled_at:%Y%m%d%H%M%S%f}",
    )


def _give_up_waiting(endpoint_id: str) -> None:
    db.session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.status == "waiting")
        .values(status="failed", next_attempt_at=None)
    )


def to_json(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """The API's shape, without the secret."""
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "events": endpoint.events,
        "status": "disabled" if endpoint.disabled_at else "enabled",
        "disabled_because": endpoint.disabled_because,
        "created_at": endpoint.created_at.isoformat(),
    }


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()

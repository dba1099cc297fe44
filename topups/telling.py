"""Top-ups told to the provider's programs: by outgoing webhook, once, in the transaction that makes it so."""

from typing import Any

from app.customers.service import get_customer
from app.webhooks import service as webhooks
from topups.api_json import auto_top_up_json, payment_method_json, top_up_json
from topups.models import AutoTopUp, PaymentMethod, TopUp


def top_up_paid(top_up: TopUp) -> None:
    _tell_top_up("top_up.paid", top_up, top_up.top_up_id)


def top_up_failed(top_up: TopUp) -> None:
    """Failed, expired or canceled: no money came."""
    _tell_top_up("top_up.failed", top_up, top_up.top_up_id)


def top_up_charged_back(top_up: TopUp, chargeback_id: str) -> None:
    _tell_top_up("top_up.charged_back", top_up, chargeback_id)


def automatic_paused(row: AutoTopUp) -> None:
    customer_id, because = row.customer_id, row.paused_because
    webhooks.tell(
        "auto_top_up.paused",
        lambda: _customer(customer_id) | auto_top_up_json(customer_id) | {"paused_because": because},
        customer_id=customer_id,
        dedupe_key=f"{row.paused_at:%Y%m%d%H%M%S%f}",
    )


def method_valid(method: PaymentMethod) -> None:
    _tell_method("payment_method.valid", method)


def method_revoked(method: PaymentMethod) -> None:
    _tell_method("payment_method.revoked", method)


def _tell_top_up(event: str, top_up: TopUp, dedupe_key: str) -> None:
    webhooks.tell(
        event,
        lambda: _customer(top_up.customer_id) | top_up_json(top_up),
        customer_id=top_up.customer_id,
        dedupe_key=dedupe_key,
    )


def _tell_method(event: str, method: PaymentMethod) -> None:
    webhooks.tell(
        event,
        lambda: _customer(method.customer_id) | payment_method_json(method),
        customer_id=method.customer_id,
        dedupe_key=method.payment_method_id,
    )


def _customer(customer_id: int) -> dict[str, Any]:
    return {"customer": get_customer(customer_id).reference}

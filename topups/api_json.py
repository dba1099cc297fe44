"""Top-ups, payment methods and the rule of automatic top-up in the API's JSON, also for outgoing webhooks."""

from typing import Any, Final

from app.db import db
from app.money import Money
from topups import situation
from topups.consents import consent_of
from topups.decision_log import latest
from topups.labels import method_label
from topups.models import AutoTopUp, PaymentMethod, TopUp
from topups.summary import summary as summary_of

# A rule as it is read; all of it may be sent back, and what only the service says is then ignored.
NO_RULE: Final[dict[str, Any]] = {
    "enabled": False,
    "threshold": None,
    "amount": None,
    "target": None,
    "monthly_maximum": None,
    "calendar_amount": None,
    "month_used": None,
    "month_in_flight": None,
    "payment_methods": [],
    "consent": None,
    "state": "off",
    "last_decision": None,
}


def top_up_json(top_up: TopUp) -> dict[str, Any]:
    return {
        "id": top_up.top_up_id,
        "status": top_up.status.value,
        "purpose": top_up.purpose,
        "invoice": top_up.invoice_number,
        "origin": top_up.origin,
        "amount": Money(top_up.amount_micros).to_json(),
        "fee": Money(top_up.fee_micros).to_json(),
        "refunded": Money(top_up.refunded_micros).to_json(),
        "charged_back": Money(top_up.charged_back_micros).to_json(),
        "method": top_up.method,
        "payment_method": top_up.payment_method_id,
        "mollie_payment_id": top_up.mollie_payment_id,
        "checkout_url": top_up.checkout_url,
        "failure_code": top_up.failure_code,
        "expected_on": top_up.expected_on.isoformat() if top_up.expected_on else None,
        "created_at": top_up.created_at.isoformat(),
    }


def payment_method_json(method: PaymentMethod) -> dict[str, Any]:
    return {
        "id": method.payment_method_id,
        "method": method.method,
        "status": method.status,
        "label": method_label(method),
        "mandate_reference": method.mandate_reference,
    }


def auto_top_up_json(customer_id: int) -> dict[str, Any]:
    row = db.session.get(AutoTopUp, customer_id)
    methods = situation.ordered_methods(customer_id)
    if row is None:
        return NO_RULE | {"payment_methods": [m.payment_method_id for m in methods]}
    summary = summary_of(customer_id)
    decision = latest(customer_id)
    return {
        "enabled": row.enabled,
        "threshold": Money(row.threshold_micros).to_json(),
        "amount": _money(row.amount_micros),
        "target": _money(row.target_micros),
        "monthly_maximum": Money(row.monthly_maximum_micros).to_json(),
        "calendar_amount": _money(row.calendar_micros),
        "month_used": Money(summary.month_used_micros).to_json(),
        "month_in_flight": Money(summary.month_in_flight_micros).to_json(),
        "payment_methods": [m.payment_method_id for m in methods],
        "consent": _consent_json(row),
        "state": summary.state,
        "last_decision": {
            "at": decision.decided_at.isoformat(),
            "outcome": "charged" if decision.top_up_id else "none",
            "reason": decision.reason.value,
        }
        if decision
        else None,
    }


def _consent_json(row: AutoTopUp) -> dict[str, Any] | None:
    consent = consent_of(row)
    if consent is None:
        return None
    return {
        "text_version": consent.text_version,
        "locale": consent.locale,
        "given_at": consent.given_at.isoformat(),
        "ip": consent.ip_address,
    }


def _money(micros: int | None) -> dict[str, str] | None:
    return Money(micros).to_json() if micros is not None else None

"""The desk's page of the audit log: who changed what, found by person, subject, act and day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from flask import Blueprint, render_template, request, url_for
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from app import audit
from app.audit import WATCHED, AuditEntry, Filters
from app.config import settings
from app.customers.auth import operator_required
from app.customers.models import Customer
from app.customers.service import find_customer, get_customers
from app.desk.acts import ACTS
from app.i18n import money

blueprint = Blueprint("desk_audit", __name__, url_prefix="/desk/audit", template_folder="templates")

PAGE: Final = 50
KINDS: Final[dict[str, LazyString]] = {
    "customer": lazy_gettext("Customer"),
    "user": lazy_gettext("Person"),
    "membership": lazy_gettext("Team member"),
    "invitation": lazy_gettext("Invitation"),
    "authenticator": lazy_gettext("Authenticator app"),
    "api_key": lazy_gettext("API key"),
    "meter": lazy_gettext("Meter"),
    "price": lazy_gettext("Price"),
    "plan": lazy_gettext("Plan"),
    "subscription": lazy_gettext("Subscription"),
    "webhook_endpoint": lazy_gettext("Webhook address"),
    "auto_top_up": lazy_gettext("Automatic top-up"),
    "auto_pay": lazy_gettext("Automatic payment"),
    "alert_rule": lazy_gettext("Alert"),
    "billing_terms": lazy_gettext("Billing terms"),
    "dunning_pause": lazy_gettext("Reminders paused"),
    "adjustment": lazy_gettext("Adjustment of a balance"),
    "addressee": lazy_gettext("Billing addressee"),
    "closing_wish": lazy_gettext("Wish to close the account"),
    "sign_in_identity": lazy_gettext("Single sign-on of a person"),
    "payment_method": lazy_gettext("Payment method"),
}
VERBS: Final[dict[str, LazyString]] = {
    "created": lazy_gettext("made"),
    "changed": lazy_gettext("changed"),
    "removed": lazy_gettext("removed"),
}
# Acts of services, whoever asks for them.
NAMED: Final[dict[str, LazyString]] = {
    "settings.changed": lazy_gettext("Settings changed"),
    "balance.suspended": lazy_gettext("Balance suspended"),
    "balance.unsuspended": lazy_gettext("Balance no longer suspended"),
    "balance.overdraft": lazy_gettext("Overdraft limit set"),
    "balance.granted": lazy_gettext("Promotional credit given"),
    "session.ended": lazy_gettext("Signed out"),
    "recovery_codes.made": lazy_gettext("Recovery codes made"),
    "credits.moved": lazy_gettext("Credits moved to the balance"),
    "invoice.sent_again": lazy_gettext("Invoice sent again"),
    "pay_link.made": lazy_gettext("Payment link made"),
    "pay_link.revoked": lazy_gettext("Payment link withdrawn"),
    "payment.requested": lazy_gettext("Payment asked for"),
}
ACTORS: Final[dict[str, LazyString]] = {
    "user": lazy_gettext("Person"),
    "key": lazy_gettext("API key"),
    "command": lazy_gettext("Command"),
    "job": lazy_gettext("Job"),
    "nobody": lazy_gettext("Not signed in"),
}
# The page that shows a subject, and the argument it is named by.
PAGES: Final = {
    "customer": ("desk.customer", "reference"),
    "meter": ("desk_meters.prices", "code"),
    "invoice": ("desk_invoices.invoice", "number"),
    "payment": ("desk_top_ups.payment", "top_up_id"),
    "bank_entry": ("desk_bank.entry", "entry_id"),
}
PLACES: Final = {
    "settings": "desk_settings.show",
    "adjustment": "desk_adjustments.approvals",
    "webhook_endpoint": "desk_webhooks.log",
    "api_key": "desk.api_keys",
    "mail": "desk.mails",
    "job": "desk.jobs",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entry as it is read: `changes` are (name, before, after) as text."""

    entry: AuditEntry
    action: str
    subject_url: str | None
    customer: Customer | None
    changes: list[tuple[str, str, str]]


@blueprint.get("")
@operator_required
def log() -> str:
    """All entries, or those of one customer."""
    reference = request.args.get("customer", "").strip()[:64]
    customer = find_customer(reference) if reference else None
    asked = _asked()
    found = audit.entries(
        _filters(asked, customer.customer_id if customer else None),
        before_id=request.args.get("before", type=int),
        limit=PAGE + 1,
    )
    shown = found[:PAGE]
    return render_template(
        "desk/audit.html",
        rows=_rows(shown),
        actors=ACTORS,
        actions=_actions(),
        asked={name: value for name, value in asked.items() if value},
        customer=customer,
        before=request.args.get("before", type=int),
        older=shown[-1].entry_id if len(found) > PAGE else None,
    )


def words(action: str) -> str:
    """An action's name for the reader."""
    kind, _, verb = action.partition(".")
    if kind in KINDS and verb in VERBS:
        return f"{KINDS[kind]}: {VERBS[verb]}"
    return str(NAMED.get(action) or ACTS.get(action) or action)


def _asked() -> dict[str, str]:
    names = ("who", "subject", "action", "from", "to")
    return {name: request.args.get(name, "").strip()[:100] for name in names}


def _filters(asked: dict[str, str], customer_id: int | None) -> Filters:
    first, last = _day(asked["from"]), _day(asked["to"])
    return Filters(
        actor=asked["who"],
        subject=asked["subject"],
        action=asked["action"],
        since=_midnight(first) if first else None,
        until=_midnight(last + timedelta(days=1)) if last else None,
        customer_id=customer_id,
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), settings().timezone).astimezone(UTC)


def _actions() -> list[tuple[str, str]]:
    watched = [f"{watch.kind}.{verb}" for watch in WATCHED.values() for verb in VERBS]
    return sorted(((name, words(name)) for name in (*watched, *ACTS, *NAMED)), key=lambda pair: pair[1])


def _rows(found: list[AuditEntry]) -> list[Row]:
    customers = get_customers([entry.customer_id for entry in found if entry.customer_id is not None])
    return [
        Row(
            entry=entry,
            action=words(entry.action),
            subject_url=_url(entry),
            customer=customers.get(entry.customer_id or 0),
            changes=_changes(entry),
        )
        for entry in found
    ]


def _url(entry: AuditEntry) -> str | None:
    if entry.subject_kind in PAGES and entry.subject:
        endpoint, argument = PAGES[entry.subject_kind]
        values: dict[str, Any] = {argument: entry.subject}
        return url_for(endpoint, **values)
    return url_for(PLACES[entry.subject_kind]) if entry.subject_kind in PLACES else None


def _changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    before, after = entry.before or {}, entry.after or {}
    changes = [(name, _text(before.get(name), name), _text(after.get(name), name)) for name in before | after]
    return [change for change in changes if change[1] != change[2]]


def _text(value: Any, name: str = "") -> str:
    """A value for people: amounts as money, and a dash for what is not there."""
    if value is None or value in ("", [], {}):
        return "–"
    if name.endswith("_micros") and isinstance(value, int):
        return money(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_text(part) for part in value)
    return str(value)

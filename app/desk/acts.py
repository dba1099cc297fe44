"""What the provider's staff does at the desk is noted: each act of a page that changes something.

The entry is written in the act's own transaction; an act without one (a job sent again) gets its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from flask import Flask, Response, g, request, session
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from sqlalchemy import event
from sqlalchemy.orm import Session

from app import audit
from app.audit import Subject
from app.customers.service import customer_ids_of
from app.db import after_commit, in_transaction, unit_of_work

# Every POST of the desk, in words; `tests/desk/test_acts.py` holds this complete.
ACTS: Final[Mapping[str, LazyString]] = {
    "desk.suspend": lazy_gettext("Customer suspended"),
    "desk.unsuspend": lazy_gettext("Suspension lifted"),
    "desk.retry_job": lazy_gettext("Job tried again"),
    "desk.settle_mail": lazy_gettext("E-mail noted as sent"),
    "desk.came_back": lazy_gettext("E-mail noted as come back"),
    "desk.resend_mail": lazy_gettext("E-mail sent again"),
    "desk.api_keys": lazy_gettext("API key made"),
    "desk.revoke_api_key": lazy_gettext("API key revoked"),
    "desk_accounts.make": lazy_gettext("Customer made"),
    "desk_accounts.change": lazy_gettext("Customer changed"),
    "desk_accounts.set_limits": lazy_gettext("Limits of a customer set"),
    "desk_team.invite": lazy_gettext("Customer's user invited"),
    "desk_team.send_again": lazy_gettext("Invitation sent again"),
    "desk_team.withdraw": lazy_gettext("Invitation withdrawn"),
    "desk_team.change_role": lazy_gettext("Role of a customer's user changed"),
    "desk_team.remove": lazy_gettext("Customer's user removed"),
    "desk_closing.close": lazy_gettext("Customer closed"),
    "desk_invoices.credit": lazy_gettext("Invoice credited"),
    "desk_invoices.check_again": lazy_gettext("E-invoice checked again"),
    "desk_invoices.send_without_xml": lazy_gettext("Invoice mailed without an e-invoice"),
    "desk_charges.put_plan": lazy_gettext("Plan put"),
    "desk_charges.subscribe": lazy_gettext("Subscription added"),
    "desk_charges.confirm": lazy_gettext("Subscription changed or cancelled"),
    "desk_charges.resume": lazy_gettext("Subscription resumed"),
    "desk_charges.charge": lazy_gettext("One-off charge added"),
    "desk_charges.withdraw": lazy_gettext("One-off charge withdrawn"),
    "desk_charges.set_terms": lazy_gettext("Billing terms changed"),
    "desk_dunning.pause": lazy_gettext("Dunning paused"),
    "desk_dunning.resume": lazy_gettext("Dunning resumed"),
    "desk_dunning.waive": lazy_gettext("Fee for paying late waived"),
    "desk_dunning.give_up": lazy_gettext("Invoice given up as uncollectible"),
    "desk_prices.tried": lazy_gettext("Price tried"),
    "desk_addressees.add": lazy_gettext("Billing addressee added"),
    "desk_addressees.change": lazy_gettext("Billing addressee changed"),
    "desk_addressees.remove": lazy_gettext("Billing addressee removed"),
    "desk_addressees.send_again": lazy_gettext("Invoice sent again"),
    "desk_vat.check": lazy_gettext("VAT number checked again"),
    "desk_bank.upload": lazy_gettext("Bank statement read"),
    "desk_bank.assign": lazy_gettext("Bank transfer matched"),
    "desk_bank.take_back": lazy_gettext("Bank transfer taken back"),
    "desk_bank.set_aside": lazy_gettext("Bank transfer set aside"),
    "desk_bank.undo": lazy_gettext("Bank transfer unmatched"),
    "desk_webhooks.register": lazy_gettext("Webhook address added"),
    "desk_webhooks.delete": lazy_gettext("Webhook address deleted"),
    "desk_webhooks.enable": lazy_gettext("Webhook address switched on"),
    "desk_webhooks.rotate": lazy_gettext("Webhook secret renewed"),
    "desk_webhooks.replay": lazy_gettext("Webhook sent again"),
    "desk_webhooks.replay_since": lazy_gettext("Webhooks sent again"),
    "desk_meters.make": lazy_gettext("Meter made"),
    "desk_meters.change": lazy_gettext("Meter changed"),
    "desk_meters.try_one": lazy_gettext("Price tried"),
    "desk_meters.publish": lazy_gettext("Price published"),
    "desk_runs.start": lazy_gettext("Invoice run started"),
    "desk_runs.retry": lazy_gettext("Invoice made again"),
    "desk_settings.save": lazy_gettext("Settings saved"),
    "desk_people.tie": lazy_gettext("Sign-in linked"),
    "desk_staff.invite": lazy_gettext("Colleague invited"),
    "desk_staff.change_role": lazy_gettext("Role of a colleague changed"),
    "desk_staff.remove": lazy_gettext("Colleague removed"),
    "desk_viewing.begin": lazy_gettext("Looked as the customer"),
    "desk_viewing.end": lazy_gettext("Stopped looking as the customer"),
    "desk_adjustments.request_adjustment": lazy_gettext("Adjustment asked for"),
    "desk_adjustments.approve": lazy_gettext("Adjustment approved"),
    "desk_adjustments.decline": lazy_gettext("Adjustment declined"),
    "desk_top_ups.look": lazy_gettext("Payment looked up again"),
    "desk_top_ups.refund": lazy_gettext("Payment refunded"),
    "desk_terms.invoicing": lazy_gettext("Invoicing of a customer changed"),
    "desk_terms.meter": lazy_gettext("Tax of a meter changed"),
}
# Which argument of an address says what the act is about, the first that is there.
SUBJECTS: Final = (
    ("reference", "customer"),
    ("number", "invoice"),
    ("adjustment_id", "adjustment"),
    ("top_up_id", "payment"),
    ("entry_id", "bank_entry"),
    ("endpoint_id", "webhook_endpoint"),
    ("key_id", "api_key"),
    ("code", "meter"),
    ("user_id", "user"),
    ("job_id", "job"),
    ("mail_id", "mail"),
)
UNSAID: Final = frozenset({"csrf_token", "token", "password", "submit"})


def init_app(app: Flask) -> None:
    app.after_request(_note_rest)


def is_act() -> bool:
    """Whether this request is a person's act at the desk."""
    return (
        request.method == "POST"
        and (request.blueprint or "").startswith("desk")
        and bool(current_user.is_authenticated and current_user.is_operator)
    )


def _note() -> None:
    audit.note(request.endpoint or "", _subject(), after=_said())


def _subject() -> Subject:
    given: dict[str, Any] = request.view_args or {}
    for argument, kind in SUBJECTS:
        if argument in given:
            name = str(given[argument])
            found = customer_ids_of([name]).get(name) if kind == "customer" else given.get("customer_id")
            return Subject(kind, name, found)
    return Subject("desk", "")


def _said() -> dict[str, Any]:
    """What the form said, and the address beside the subject."""
    form = {
        name: values[0] if len(values) == 1 else values
        for name, values in request.form.to_dict(flat=False).items()
        if name not in UNSAID and any(values)
    }
    files = {name: file.filename for name, file in request.files.items() if file.filename}
    return form | files


@event.listens_for(Session, "before_commit")
def _note_with_the_change(_session: Session) -> None:
    if not request or not in_transaction() or g.get("act_is_noted") or not is_act():
        return
    _note()
    after_commit(_noted)


def _noted() -> None:
    g.act_is_noted = True


def _note_rest(response: Response) -> Response:
    """An act that needed no transaction is noted in one of its own; one that was refused is none."""
    if response.status_code < 400 and request.endpoint and is_act() and not g.get("act_is_noted"):
        refused = any(kind == "danger" for kind, _ in session.get("_flashes", ()))
        if not refused:
            # Its commit comes by `_note_with_the_change`.
            with unit_of_work():
                pass
    return response

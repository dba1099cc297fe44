"""Charging: asking Mollie for a payment, and finding out what became of the call.

Three steps: commit `submitting` with our own key and the exact body, call Mollie, commit what it said. A call
without an answer is repeated with the same key within the hour, later the payment is searched for; none is
ever asked for a second time while the first may exist.
The functions here open their own transactions, since they call Mollie between them.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from app.clock import utc_now
from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.public_ids import customer_of
from topups import auto, crediting, gateway
from topups.facts import PaymentFacts
from topups.models import AutoTopUp, PaymentMethod, TopUp
from topups.payment_body import payment_body
from topups.psp_customers import ensure_psp_customer, known_psp_customer
from topups.states import UNANSWERED, Status, moved

# Mollie remembers a key for an hour; the last repetition must be over by then.
KEY_LIFE: Final = timedelta(minutes=55)
# A call takes 12 seconds at most; a `submitting` older than this has lost its process.
CALL_LASTS_AT_MOST: Final = timedelta(seconds=30)
_log = structlog.get_logger("topups")


@dataclass(frozen=True, kw_only=True)
class _Order:
    """One call to make: what to send under which key, and where to search when it is too late to repeat."""

    top_up_id: str
    body: str
    key: str
    mollie_customer_id: str
    may_send: bool


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    code: str
    message: str
    mandate_gone: bool


def submit(top_up: TopUp, mollie_customer_id: str, mandate: PaymentMethod | None, now: datetime) -> None:
    """Step one: what will be sent, and that it is about to be. The caller commits."""
    body = payment_body(
        get_customer(top_up.customer_id),
        top_up,
        mollie_customer_id,
        mandate.mollie_mandate_id if mandate else None,
    )
    top_up.status = moved(top_up.status, Status.SUBMITTING)
    top_up.body = json.dumps(body)
    top_up.first_submitted_at = top_up.submitted_at = now
    top_up.look_at = now + CALL_LASTS_AT_MOST
    top_up.looks = 0


def charge(top_up_id: str) -> None:
    """Charge a stored mandate for a top-up that the engine requested. Again is harmless."""
    try:
        ensure_psp_customer(customer_of(top_up_id))
    except gateway.GatewayError:
        # Nothing was sent for this top-up; the sweep comes back to it.
        return
    if in_unit_of_work(_begin_charge, top_up_id):
        ask_and_record(top_up_id)


def _begin_charge(top_up_id: str) -> bool:
    top_up = crediting.lock_top_up(top_up_id)
    if top_up.status is not Status.REQUESTED:
        return False
    method = db.session.get_one(PaymentMethod, (top_up.customer_id, top_up.payment_method_id))
    rule = db.session.get(AutoTopUp, top_up.customer_id)
    if rule is None or not rule.enabled:
        top_up.status = moved(top_up.status, Status.CANCELED)
        top_up.ended_at, top_up.look_at = utc_now(), None
        auto.refresh_marks(top_up.customer_id)
        return False
    if method.status != "valid":
        crediting.lose(top_up, "mandate_revoked")
        top_up.look_at = None
        return False
    mollie_customer_id = known_psp_customer(top_up.customer_id)
    if mollie_customer_id is None:
        raise AssertionError(f"{top_up_id} has a mandate without a customer at Mollie")
    submit(top_up, mollie_customer_id, method, utc_now())
    return True


def ask_and_record(top_up_id: str) -> None:
    """Steps two and three, for a top-up in `submitting` or `unknown`."""
    order = in_unit_of_work(_order, top_up_id)
    if order is None:
        return
    try:
        answer = _ask(order)
    except gateway.NoAnswer:
        in_unit_of_work(_note_unknown, top_up_id)
        return
    if isinstance(answer, PaymentFacts):
        in_unit_of_work(crediting.apply, top_up_id, answer)
    else:
        in_unit_of_work(_note_refusal, top_up_id, answer)


def _order(top_up_id: str) -> _Order | None:
    top_up = crediting.lock_top_up(top_up_id)
    mollie_customer_id = known_psp_customer(top_up.customer_id)
    if top_up.status not in UNANSWERED or top_up.body is None or top_up.first_submitted_at is None:
        return None
    if mollie_customer_id is None:
        return None
    now = utc_now()
    top_up.submitted_at = now
    return _Order(
        top_up_id=top_up_id,
        body=top_up.body,
        key=str(top_up.idempotency_key),
        mollie_customer_id=mollie_customer_id,
        may_send=now - top_up.first_submitted_at < KEY_LIFE,
    )


def _ask(order: _Order) -> PaymentFacts | _Refusal:
    """The payment, or why there is none. Raises NoAnswer when that cannot be known yet."""
    refusal = _Refusal(code="not_reached", message="", mandate_gone=False)
    if order.may_send:
        body = json.loads(order.body)
        try:
            return gateway.create_payment(body, order.key)
        except gateway.Gone as error:
            refusal = _Refusal(code="mandate_revoked", message=str(error), mandate_gone="mandateId" in body)
        except gateway.Declined as error:
            gone = error.field == "mandateId"
            code = "mandate_revoked" if gone else "refused"
            refusal = _Refusal(code=code, message=str(error), mandate_gone=gone)
    # Refused, or too late to repeat: the payment may exist all the same.
    try:
        return gateway.find_payment(order.mollie_customer_id, order.top_up_id) or refusal
    except (gateway.Gone, gateway.Declined):
        return refusal


def _note_unknown(top_up_id: str) -> None:
    top_up = crediting.lock_top_up(top_up_id)
    if top_up.status is Status.SUBMITTING:
        top_up.status = moved(top_up.status, Status.UNKNOWN)
        top_up.looks = 0
    if top_up.status is Status.UNKNOWN:
        crediting.note_look(top_up)
        _log.warning("payment_unknown", top_up_id=top_up_id, look_at=str(top_up.look_at))


def _note_refusal(top_up_id: str, refusal: _Refusal) -> None:
    top_up = crediting.lock_top_up(top_up_id)
    if top_up.status not in UNANSWERED:
        return
    if refusal.mandate_gone and top_up.payment_method_id is not None:
        method = db.session.get_one(PaymentMethod, (top_up.customer_id, top_up.payment_method_id))
        auto.disable_method(method, utc_now())
    crediting.lose(top_up, refusal.code, refusal.message)
    crediting.note_look(top_up)

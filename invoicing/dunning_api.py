"""`/v1`: the dunning of a customer and of an invoice: what was done, paused, resumed; giving up."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from msgspec import Meta, Struct

from app import api
from app.clock import utc_now
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid, NotFound
from app.i18n import local_date
from app.money import Money as Amount
from app.money import micros_of_cents
from app.reference.statements import Money, describe
from invoicing import api_shapes as shapes
from invoicing import dunning_cases, dunning_control, dunning_pauses, dunning_run, errors, service, write_offs
from invoicing.dunning_models import DunningPause
from invoicing.late_fee_claims import NoFeeToWaive
from invoicing.models import Invoice

blueprint = Blueprint("invoicing_dunning_api", __name__, url_prefix="/v1")
StepName = Literal["upcoming", "reminder", "second_reminder", "late_fee", "final_demand", "suspension"]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class StepDone(Struct):
    step: StepName
    done_at: datetime
    outstanding: Money
    fee: Annotated[Money | None, Meta(description="The fee that the letter named, or that was charged.")]


class NextStep(Struct):
    step: StepName
    on: date


class InvoiceDunning(Struct):
    late_fee: Money
    steps: list[StepDone]
    next: Annotated[NextStep | None, Meta(description="As far as can be foreseen.")]


class Pause(Struct):
    id: UUID
    invoice: Annotated[str | None, Meta(description="All of the customer's where it is null.")]
    reason: str
    until: date | None
    paused_at: datetime


class Pauses(Struct):
    data: list[Pause]


class NewPause(Struct, kw_only=True):
    reason: Reason
    invoice: Annotated[shapes.Number | None, Meta(description="Only this one of the customer's.")] = None
    until: Annotated[date | None, Meta(description="From this day on it is chased again.")] = None


class NewWriteOff(Struct):
    reason: Reason


@blueprint.get("/invoices/<number>/dunning")
@require_api_key
@describe(InvoiceDunning, problems=(errors.UnknownInvoice,))
def read_dunning(number: str) -> ResponseReturnValue:
    """Read what was done to get an invoice paid, and what comes next."""
    return jsonify(_dunning_json(service.find(number)))


@blueprint.post("/invoices/<number>/late-fee/waive")
@require_api_key
@api.idempotent(required=True)
@describe(InvoiceDunning, takes=NewWriteOff, problems=(errors.UnknownInvoice, NoFeeToWaive))
def waive_late_fee(number: str) -> ResponseReturnValue:
    """Waive the fee for paying an invoice late."""
    in_unit_of_work(dunning_control.waive_fee, number, _reason(api.read_object("reason")))
    return jsonify(_dunning_json(service.find(number)))


@blueprint.post("/invoices/<number>/uncollectible")
@require_api_key
@api.idempotent(required=True)
@describe(
    shapes.Invoice,
    takes=NewWriteOff,
    problems=(
        errors.UnknownInvoice,
        errors.NothingToPay,
        errors.PaymentUnderWay,
        write_offs.AlreadyWrittenOff,
    ),
)
def give_up(number: str) -> ResponseReturnValue:
    """Give up what is outstanding of an invoice as uncollectible."""
    reason = _reason(api.read_object("reason"))
    in_unit_of_work(lambda: dunning_control.write_off(number, reason).number)
    return jsonify(service.to_json(service.find(number)))


@blueprint.get("/customers/<reference>/dunning-pauses")
@require_api_key
@describe(Pauses, problems=(UnknownCustomer,))
def list_pauses(reference: str) -> ResponseReturnValue:
    """List the pauses of a customer's dunning that hold now."""
    customer_id = find_customer(reference).customer_id
    return jsonify(data=_pauses_json(customer_id))


@blueprint.post("/customers/<reference>/dunning-pauses")
@require_api_key
@api.idempotent(required=True)
@describe(Pauses, 201, takes=NewPause, problems=(UnknownCustomer, errors.UnknownInvoice))
def pause_dunning(reference: str) -> ResponseReturnValue:
    """Pause the dunning of a customer, or of one invoice."""
    body = api.read_object("reason", "invoice", "until")
    customer_id = find_customer(reference).customer_id
    number = body.get("invoice")
    if number is not None and not isinstance(number, str):
        raise errors.UnknownInvoice
    in_unit_of_work(
        dunning_control.pause, customer_id, _reason(body), number=number, until=_day(body.get("until"))
    )
    return jsonify(data=_pauses_json(customer_id)), 201


@blueprint.delete("/customers/<reference>/dunning-pauses/<pause_id>")
@require_api_key
@describe(Pauses, problems=(UnknownCustomer, NotFound))
def resume_dunning(reference: str, pause_id: str) -> ResponseReturnValue:
    """Resume dunning."""
    customer_id = find_customer(reference).customer_id
    try:
        wanted = UUID(pause_id)
    except ValueError as error:
        raise NotFound from error
    in_unit_of_work(dunning_control.resume, customer_id, wanted)
    return jsonify(data=_pauses_json(customer_id))


def _dunning_json(invoice: Invoice) -> dict[str, Any]:
    case = dunning_cases.case_of(invoice)
    ahead = dunning_run.next_on(case, local_date(utc_now()))
    return {
        "late_fee": Amount(micros_of_cents(invoice.late_fee_cents), invoice.currency).to_json(),
        "steps": [
            {
                "step": row.name,
                "done_at": row.done_at.isoformat(),
                "outstanding": Amount(row.outstanding_micros, invoice.currency).to_json(),
                "fee": Amount(micros_of_cents(row.fee_cents), invoice.currency).to_json()
                if row.fee_cents
                else None,
            }
            for row in case.steps
        ],
        "next": {"step": ahead[0].value, "on": ahead[1].isoformat()} if ahead else None,
    }


def _pauses_json(customer_id: int) -> list[dict[str, Any]]:
    rows = dunning_pauses.pauses_of(customer_id, local_date(utc_now())).rows
    return [_pause_json(row) for row in rows]


def _pause_json(row: DunningPause) -> dict[str, Any]:
    return {
        "id": str(row.pause_id),
        "invoice": dunning_pauses.number_of(row),
        "reason": row.reason,
        "until": row.until.isoformat() if row.until else None,
        "paused_at": row.paused_at.isoformat(),
    }


def _reason(body: dict[str, Any]) -> str:
    reason = body.get("reason")
    if not isinstance(reason, str):
        raise Invalid(lazy_gettext("This field is required."), field="reason")
    return reason


def _day(given: object) -> date | None:
    if given is None:
        return None
    try:
        return date.fromisoformat(str(given))
    except ValueError as error:
        raise Invalid(lazy_gettext("Give a day such as 2026-12-31."), field="until") from error

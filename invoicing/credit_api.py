"""`/v1`: crediting an invoice, and moving a customer's credits to the balance."""

import hashlib
from typing import Annotated

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from msgspec import Meta, Struct

from app import api
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid
from app.money import InvalidMoney
from app.money import Money as Amount
from app.reference.statements import Money, describe
from invoicing import api_shapes as shapes
from invoicing import errors, service
from invoicing.service import CreditWish

blueprint = Blueprint("invoicing_credit_api", __name__, url_prefix="/v1")


class NewCredit(Struct):
    """Without an amount all that is left of the invoice is credited."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    amount: Annotated[Money | None, Meta(description="VAT included.")] = None


class CreditsMove(Struct):
    """Without an amount all credits are moved."""

    amount: Money | None = None


class CreditsMoved(Struct):
    moved: Money


@blueprint.post("/invoices/<number>/credit")
@require_api_key
@api.idempotent(required=True)
@describe(
    shapes.Invoice,
    201,
    takes=NewCredit,
    problems=(errors.UnknownInvoice, errors.NothingToCredit, errors.CreditTooLarge, InvalidMoney),
)
def credit_invoice(number: str) -> ResponseReturnValue:
    """Credit an invoice, whole or in part."""
    body = api.read_object("reason", "amount")
    reason = body.get("reason")
    if not isinstance(reason, str):
        raise Invalid(lazy_gettext("This field is required."), field="reason")
    wish = CreditWish(
        number=number, reason=reason, amount_micros=_amount(body.get("amount")), request_key=_request_key()
    )
    note = in_unit_of_work(lambda: service.credit(wish).number)
    return jsonify(service.to_json(service.find(note))), 201


@blueprint.post("/customers/<reference>/credits/move")
@require_api_key
@api.idempotent(required=True)
@describe(
    CreditsMoved,
    201,
    takes=CreditsMove,
    problems=(UnknownCustomer, errors.NoCredits, errors.TooFewCredits, InvalidMoney),
)
def move_credits(reference: str) -> ResponseReturnValue:
    """Move a customer's credits to the balance."""
    customer_id = find_customer(reference).customer_id
    amount = _amount(api.read_object("amount").get("amount"))
    moved = in_unit_of_work(
        service.move_credits, customer_id, request_key=_request_key(), amount_micros=amount
    )
    return jsonify(moved=Amount(moved).to_json()), 201


def _amount(given: object) -> int | None:
    return None if given is None else Amount.from_json(given).micros


def _request_key() -> str:
    return "api:" + hashlib.sha256(str(g.idempotency_key).encode()).hexdigest()

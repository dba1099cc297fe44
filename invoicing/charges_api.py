"""`/v1/customers/…/charges`: one-off charges, their attachments, and taking one back before it is billed."""

import base64
import binascii
import hashlib
from datetime import date, datetime
from typing import Annotated, Any, Literal

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from msgspec import UNSET, Meta, Struct, UnsetType

from app import api
from app.customers.auth import require_api_key
from app.customers.models import Customer
from app.customers.service import HOUSE_REFERENCE, UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid, NotFound, TooLarge, UnsupportedMediaType
from app.money import MICROS_PER_CENT, InvalidMoney, micros_of_cents
from app.money import Money as Amount
from app.reference.statements import Listed, Money, Nothing, Paging, describe
from invoicing import charge_attachments, charges
from invoicing.charge_models import AT_ONCE, NEXT_INVOICE
from invoicing.charge_models import Charge as Row
from invoicing.charges import Billed, ChargeBilled, NewCharge, UnknownCharge
from invoicing.plans import PRODUCTS
from invoicing.tax_rates import Product

blueprint = Blueprint("invoicing_charges_api", __name__, url_prefix="/v1")

# A member named `date` hides the type within its class.
Day = date
ChargeId = Annotated[str, Meta(examples=["ch_rs_0123456789abcdefghij"])]
When = Annotated[
    Literal["next_invoice", "at_once"],
    Meta(description="On the next usage invoice, or an invoice of its own at once."),
]


class NewAttachment(Struct, forbid_unknown_fields=True):
    """A PDF, PNG or JPEG of at most 5 MB."""

    filename: Annotated[str, Meta(min_length=1, max_length=200)]
    content: Annotated[str, Meta(description="Base64.")]


class ChargeFacts(Struct, forbid_unknown_fields=True):
    """`amount` is net, in whole cents. Without `billed` it is billed as was agreed with the customer."""

    description: Annotated[str, Meta(min_length=1, max_length=200)]
    amount: Money
    date: Annotated[Day, Meta(description="The day it is for; today without.")] | UnsetType = UNSET
    tax_category: Literal["standard", "reduced", "zero"] = "standard"
    billed: When | UnsetType = UNSET
    attachment: NewAttachment | UnsetType = UNSET


class Charge(Struct):
    id: ChargeId
    description: str
    date: Day
    amount: Annotated[Money, Meta(description="Net.")]
    tax_category: Literal["standard", "reduced", "zero"]
    billed: When
    status: Literal["pending", "billed", "withdrawn"]
    invoice: Annotated[str | None, Meta(description="The number of the invoice that bills it.")]
    attachment: Annotated[str | None, Meta(description="Its file name.")]
    created_at: datetime


@blueprint.get("/customers/<reference>/charges")
@require_api_key
@describe(Listed[Charge], query=Paging, problems=(UnknownCustomer, UnknownCharge))
def list_charges(reference: str) -> ResponseReturnValue:
    """List a customer's one-off charges, the newest first."""
    customer_id = _customer(reference).customer_id
    found, cursor = charges.listed(customer_id, after=request.args.get("cursor"), limit=api.page_size())
    return jsonify(api.listed(_to_json(customer_id, found), cursor))


@blueprint.post("/customers/<reference>/charges")
@require_api_key
@api.idempotent(required=True)
@describe(
    Charge,
    201,
    takes=ChargeFacts,
    problems=(UnknownCustomer, InvalidMoney, TooLarge, UnsupportedMediaType),
)
def add_charge(reference: str) -> ResponseReturnValue:
    """Charge a customer once."""
    customer = _customer(reference)
    wish = _wish(api.read_object("description", "amount", "date", "tax_category", "billed", "attachment"))
    charge_id = in_unit_of_work(lambda: charges.add(customer, wish).charge_id)
    return jsonify(_one(customer, charge_id)), 201


@blueprint.get("/customers/<reference>/charges/<charge_id>")
@require_api_key
@describe(Charge, problems=(UnknownCustomer, UnknownCharge))
def read_charge(reference: str, charge_id: str) -> ResponseReturnValue:
    """Read a one-off charge."""
    return jsonify(_one(_customer(reference), charge_id))


@blueprint.post("/customers/<reference>/charges/<charge_id>/withdraw")
@require_api_key
@api.idempotent(required=False)
@describe(Charge, takes=Nothing, problems=(UnknownCustomer, UnknownCharge, ChargeBilled))
def withdraw_charge(reference: str, charge_id: str) -> ResponseReturnValue:
    """Take back a charge that has not been billed."""
    api.read_object()
    customer = _customer(reference)
    in_unit_of_work(charges.withdraw, customer.customer_id, charge_id)
    return jsonify(_one(customer, charge_id))


@blueprint.get("/customers/<reference>/charges/<charge_id>/attachment")
@require_api_key
@describe("application/octet-stream", problems=(UnknownCustomer, UnknownCharge, NotFound))
def read_charge_attachment(reference: str, charge_id: str) -> ResponseReturnValue:
    """Download a charge's attachment: a PDF, PNG or JPEG."""
    customer_id = _customer(reference).customer_id
    return charge_attachments.answer(customer_id, charges.find(customer_id, charge_id).charge_id)


def _one(customer: Customer, charge_id: str) -> dict[str, Any]:
    return _to_json(customer.customer_id, [charges.find(customer.customer_id, charge_id)])[0]


def _to_json(customer_id: int, found: list[Row]) -> list[dict[str, Any]]:
    numbers = charges.numbers_of(customer_id, found)
    files = charge_attachments.names_of(customer_id, [one.charge_id for one in found])
    return [
        {
            "id": one.charge_id,
            "description": one.description,
            "date": one.charged_on.isoformat(),
            "amount": Amount(micros_of_cents(one.net_cents)).to_json(),
            "tax_category": one.product,
            "billed": one.billed,
            "status": charges.status_of(one),
            "invoice": numbers.get(one.charge_id),
            "attachment": files.get(one.charge_id),
            "created_at": one.created_at.isoformat(),
        }
        for one in found
    ]


def _wish(body: dict[str, Any]) -> NewCharge:
    description = body.get("description")
    if not isinstance(description, str):
        raise Invalid(lazy_gettext("This field is required."), field="description")
    amount = Amount.from_json(body.get("amount"))
    if amount.micros % MICROS_PER_CENT:
        raise Invalid(lazy_gettext("Give an amount in whole cents, above zero."), field="amount")
    return NewCharge(
        description=description,
        charged_on=_day(body.get("date")),
        net_cents=amount.cents,
        product=_product(body.get("tax_category", "standard")),
        billed=_billed(body.get("billed")),
        attachment=_attachment(body.get("attachment")),
        request_key="api:" + hashlib.sha256(str(g.idempotency_key).encode()).hexdigest(),
        created_by="api",
    )


def _day(given: object) -> date:
    if given is None:
        return charges.today()
    try:
        if isinstance(given, str) and len(given) == len("2026-10-01"):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise Invalid(lazy_gettext("Give a day such as 2026-10-01."), field="date")


def _product(given: object) -> Product:
    for product in PRODUCTS:
        if given == product:
            return product
    choices = ", ".join(PRODUCTS)
    raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices=choices), field="tax_category")


def _billed(given: object) -> Billed | None:
    if given is None:
        return None
    if given == NEXT_INVOICE:
        return "next_invoice"
    if given == AT_ONCE:
        return "at_once"
    choices = f"{NEXT_INVOICE}, {AT_ONCE}"
    raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices=choices), field="billed")


def _attachment(given: object) -> charge_attachments.Upload | None:
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) != {"filename", "content"}:
        raise Invalid(lazy_gettext("Give an attachment as a file name and its content."), field="attachment")
    filename, content = given["filename"], given["content"]
    try:
        if isinstance(filename, str) and isinstance(content, str):
            return charge_attachments.checked(filename, base64.b64decode(content, validate=True))
    except (binascii.Error, ValueError):
        pass
    raise Invalid(lazy_gettext("The content is not valid Base64."), field="attachment")


def _customer(reference: str) -> Customer:
    if reference == HOUSE_REFERENCE:
        raise UnknownCustomer
    return find_customer(reference)

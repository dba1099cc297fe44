"""`/v1/customers/{reference}/addressees`: who gets a customer's invoices and what concerns their payment."""

from typing import Annotated, Literal
from uuid import UUID

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from msgspec import UNSET, Meta, Struct, UnsetType

from app import api
from app.customers import addressees
from app.customers.addressees import AddresseeTaken, TooManyAddressees, UnknownAddressee
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.reference.statements import Listed, Nothing, describe

blueprint = Blueprint("addressees_api", __name__, url_prefix="/v1")

Email = Annotated[str, Meta(extra_json_schema={"format": "email"})]
Name = Annotated[str, Meta(max_length=200)]
Locale = Literal["nl", "en"]
Role = Literal["payer", "bookkeeper", "other"]
Delivery = Annotated[
    Literal["documents", "notice"], Meta(description="With PDF and e-invoice attached, or as a link.")
]
Payments = Annotated[bool, Meta(description="Payments and reminders.")]


class Addressee(Struct):
    id: str
    email: Email
    name: Name
    locale: Annotated[Locale | None, Meta(description="The customer's where it is null.")]
    role: Role
    delivery: Delivery
    invoices: bool
    payments: Payments


class AddresseeChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays."""

    email: Email | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    locale: Locale | UnsetType | None = UNSET
    role: Role | UnsetType = UNSET
    delivery: Delivery | UnsetType = UNSET
    invoices: bool | UnsetType = UNSET
    payments: Payments | UnsetType = UNSET


class NewAddressee(Struct, kw_only=True, forbid_unknown_fields=True):
    """It gets at least one of invoices and payments."""

    email: Email
    name: Name = ""
    locale: Locale | None = None
    role: Role = "other"
    delivery: Delivery = "documents"
    invoices: bool = True
    payments: Payments = False


@blueprint.get("/customers/<reference>/addressees")
@require_api_key
@describe(Listed[Addressee], problems=(UnknownCustomer,))
def list_addressees(reference: str) -> ResponseReturnValue:
    """List a customer's addressees. Without one for a kind of mail the customer's own address gets it."""
    found = addressees.addressees_of(find_customer(reference).customer_id)
    return jsonify(api.listed([addressees.to_json(one) for one in found], None))


@blueprint.post("/customers/<reference>/addressees")
@require_api_key
@api.idempotent(required=False)
@describe(Addressee, 201, takes=NewAddressee, problems=(UnknownCustomer, AddresseeTaken, TooManyAddressees))
def add_addressee(reference: str) -> ResponseReturnValue:
    """Add an addressee."""
    facts = api.read_object(*addressees.FIELDS)
    customer_id = find_customer(reference).customer_id
    made = in_unit_of_work(lambda: addressees.to_json(addressees.add(customer_id, facts)))
    return jsonify(made), 201


@blueprint.patch("/customers/<reference>/addressees/<addressee_id>")
@require_api_key
@describe(Addressee, takes=AddresseeChange, problems=(UnknownCustomer, UnknownAddressee, AddresseeTaken))
def change_addressee(reference: str, addressee_id: str) -> ResponseReturnValue:
    """Change an addressee."""
    facts = api.read_object(*addressees.FIELDS)
    customer_id = find_customer(reference).customer_id
    return jsonify(
        in_unit_of_work(lambda: addressees.to_json(addressees.change(customer_id, _id(addressee_id), facts)))
    )


@blueprint.delete("/customers/<reference>/addressees/<addressee_id>")
@require_api_key
@describe(Nothing, problems=(UnknownCustomer, UnknownAddressee))
def remove_addressee(reference: str, addressee_id: str) -> ResponseReturnValue:
    """Remove an addressee."""
    in_unit_of_work(addressees.remove, find_customer(reference).customer_id, _id(addressee_id))
    return jsonify({})


def _id(text: str) -> UUID:
    """Raises UnknownAddressee."""
    try:
        return UUID(text)
    except ValueError as error:
        raise UnknownAddressee from error

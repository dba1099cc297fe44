"""`/v1/customers/{reference}/vat-number`: whether a customer's VAT number is in the register."""

from datetime import datetime
from typing import Annotated, Literal

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.reference.statements import describe
from invoicing import vat_numbers

blueprint = Blueprint("vat_api", __name__, url_prefix="/v1")


class VatNumber(Struct):
    """The answer that holds; `unconfirmed` until there is one, `not_checked` where no register is asked."""

    vat_number: str | None
    status: Literal["valid", "invalid", "unconfirmed", "not_checked"] | None
    checked_at: datetime | None
    consultation_number: Annotated[str | None, Meta(description="VIES's proof that it was asked.")]
    name: str | None
    address: str | None


@blueprint.get("/customers/<reference>/vat-number")
@require_api_key
@describe(VatNumber, problems=(UnknownCustomer,))
def read_vat_number(reference: str) -> ResponseReturnValue:
    """Read how a customer's VAT number stands at VIES."""
    standing = vat_numbers.standing_of(find_customer(reference))
    last = standing.last if standing else None
    return jsonify(
        vat_number=standing.vat_number if standing else None,
        status=standing.status if standing else None,
        checked_at=last.asked_at.isoformat() if last else None,
        consultation_number=(last.consultation_number or None) if last else None,
        name=(last.name or None) if last else None,
        address=(last.address or None) if last else None,
    )

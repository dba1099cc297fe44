"""`/v1/customers/{reference}/bank-transfer`: where a customer transfers money for its balance to."""

from typing import Annotated

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.reference.statements import describe
from topups import service as topups

blueprint = Blueprint("bank_api", __name__, url_prefix="/v1")


class TransferDetails(Struct):
    """What a transfer to the balance needs; the reference never changes, so it fits a standing order."""

    account_holder: str
    iban: str
    bic: str
    reference: Annotated[str, Meta(description="ISO 11649.", pattern="^RF[0-9]{2}[A-Z0-9]{1,21}$")]


@blueprint.get("/customers/<reference>/bank-transfer")
@require_api_key
@describe(TransferDetails, problems=(UnknownCustomer,))
def read_bank_transfer(reference: str) -> ResponseReturnValue:
    """Read how a customer fills its balance by bank transfer or standing order."""
    details = topups.transfer_details(find_customer(reference).customer_id)
    return jsonify(
        account_holder=details.account_holder,
        iban=details.iban,
        bic=details.bic,
        reference=details.reference,
    )

"""`/v1/customers/…/prices`: a customer's own price list, which overrides the provider's.

What the list has a price for costs that price, however specific the provider's is; all else costs what it
costs everybody. As everywhere, periods that have begun keep their prices.
"""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.customers.auth import require_api_key
from app.customers.service import HOUSE_REFERENCE, UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid
from app.reference.statements import Listed, describe
from metering import meters
from metering import own_price_shapes as shapes

blueprint = Blueprint("own_prices_api", __name__, url_prefix="/v1")


@blueprint.get("/customers/<reference>/prices")
@require_api_key
@describe(Listed[shapes.OwnPrice], problems=(UnknownCustomer,))
def list_own_prices(reference: str) -> ResponseReturnValue:
    """List the customer's own prices, the newest first."""
    return jsonify(api.listed(meters.list_own_prices(_customer_id(reference)), None))


@blueprint.post("/customers/<reference>/prices")
@require_api_key
@api.idempotent(required=False)
@describe(
    shapes.OwnPrice,
    201,
    takes=shapes.NewOwnPrice,
    problems=(UnknownCustomer, meters.UnknownMeter, meters.PriceAmbiguous, meters.CurrencyNotSupported),
)
def publish_own_price(reference: str) -> ResponseReturnValue:
    """Publish a price for this customer alone.

    Where it applies it overrides the provider's prices, from the customer's next period on.
    """
    document = api.read_object("meter", *meters.PRICE_FIELDS)
    code = document.pop("meter", None)
    if not isinstance(code, str):
        raise Invalid(lazy_gettext("Name the meter by its code."), field="meter")
    customer_id = _customer_id(reference)
    price = in_unit_of_work(meters.publish_price, code, document, customer_id)
    return jsonify({"meter": code} | price), 201


def _customer_id(reference: str) -> int:
    if reference == HOUSE_REFERENCE:
        raise UnknownCustomer
    return find_customer(reference).customer_id

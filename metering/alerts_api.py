"""`/v1/customers/{reference}/alerts`: what a customer wants to be warned of."""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app import api
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.money import InvalidMoney
from app.reference.statements import describe
from metering import alert_shapes as shapes
from metering import alerts

blueprint = Blueprint("alerts_api", __name__, url_prefix="/v1")


@blueprint.get("/customers/<reference>/alerts")
@require_api_key
@describe(shapes.Alerts, problems=(UnknownCustomer,))
def read_alerts(reference: str) -> ResponseReturnValue:
    """Read what a customer is warned of, and what is below its mark now."""
    return jsonify(shapes.alerts_json(find_customer(reference).customer_id))


@blueprint.put("/customers/<reference>/alerts")
@require_api_key
@describe(shapes.Alerts, takes=shapes.NewAlerts, problems=(UnknownCustomer, InvalidMoney))
def change_alerts(reference: str) -> ResponseReturnValue:
    """Replace what a customer is warned of."""
    # What was read may be sent back; what only the service says is then ignored.
    body = api.read_object("amounts", "percentages", "days_left", "spending_limit", "month_spent", "crossed")
    customer_id = find_customer(reference).customer_id
    rules = shapes.rules_from(body)

    def save() -> dict[str, Any]:
        alerts.save(customer_id, rules)
        return shapes.alerts_json(customer_id)

    return jsonify(in_unit_of_work(save))

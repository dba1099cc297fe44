"""One-off charges as the customer meets them: the file that came with one, from the invoice's page."""

from flask import Blueprint, Response, g

from app.customers.auth import customer_required
from invoicing import charge_attachments, charges

blueprint = Blueprint("charges", __name__, url_prefix="/charges")


@blueprint.get("/<charge_id>/attachment")
@customer_required
def attachment(charge_id: str) -> Response:
    charge = charges.find(g.customer.customer_id, charge_id)
    return charge_attachments.answer(charge.customer_id, charge.charge_id)

"""The customer's own download of the events behind usage and invoices."""

from flask import Blueprint, Response, g

from app.customers.auth import customer_required
from metering.usage_api import csv_response, wanted_events

blueprint = Blueprint("usage", __name__)


@blueprint.get("/usage/events.csv")
@customer_required
def export() -> Response:
    """The events as CSV, with the filters of the API."""
    return csv_response(g.customer.reference, wanted_events(g.customer.customer_id))

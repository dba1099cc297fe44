"""The customer's payments in a table, each with its receipt."""

from typing import Final

from flask import Blueprint, g, render_template, request

from app.customers.auth import customer_required
from app.tables import Order
from topups import receipts, service

blueprint = Blueprint("payments", __name__, url_prefix="/payments", template_folder="templates")

PAGE: Final = 25


@blueprint.get("")
@customer_required
def listed() -> str:
    """What was paid or tried, the newest first unless sorted otherwise."""
    customer_id = g.customer.customer_id
    before = request.args.get("before")
    order = Order.asked(service.COLUMNS, request.args.get("sort"))
    found = service.top_ups(customer_id, before_id=before, limit=PAGE + 1, order=order)
    shown = found[:PAGE]
    return render_template(
        "topups/payments.html",
        payments=shown,
        receipts=receipts.promised(customer_id, [one.top_up_id for one in shown]),
        statuses=service.STATUSES,
        method_name=service.method_name,
        order=order,
        before=before,
        older=shown[-1].top_up_id if len(found) > PAGE else None,
    )

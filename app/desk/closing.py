"""The desk's page that closes a customer: what is paid back and what stays is shown before it happens."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.customers import closing
from app.customers.auth import operator_required
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import AppError
from app.i18n import money
from topups import service as topups

blueprint = Blueprint("desk_closing", __name__, url_prefix="/desk", template_folder="templates")


@blueprint.get("/customers/<reference>/close")
@operator_required
def show(reference: str) -> str:
    """What closing would do, and the button that does it."""
    customer = find_customer(reference)
    prospect = topups.leaving_prospect(customer.customer_id)
    return render_template(
        "desk/close_customer.html",
        customer=customer,
        prospect=prospect,
        wish=closing.wish_of(customer.customer_id),
    )


@blueprint.post("/customers/<reference>/close")
@operator_required
def close(reference: str) -> ResponseReturnValue:
    """Close; again sends back what has come in since."""
    customer = find_customer(reference)
    try:
        leaving = in_unit_of_work(topups.close_customer, customer.customer_id)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return redirect(url_for("desk_closing.show", reference=reference), code=303)
    flash(
        gettext("This customer is closed. Going back: %(amount)s.", amount=money(leaving.going_back_micros)),
        "ok",
    )
    return redirect(url_for("desk.customer", reference=reference), code=303)

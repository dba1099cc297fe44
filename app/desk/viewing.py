"""The desk's way into a customer's pages and out again; both are in the audit log."""

from flask import Blueprint, flash, redirect, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.customers import viewing
from app.customers.auth import operator_required, support_too
from app.customers.service import find_customer

blueprint = Blueprint("desk_viewing", __name__, url_prefix="/desk", template_folder="templates")


@blueprint.post("/customers/<reference>/view-as")
@operator_required
@support_too
def begin(reference: str) -> Response:
    viewing.begin(find_customer(reference))
    return redirect(url_for("portal.dashboard"), code=303)


@blueprint.post("/viewing/end")
@operator_required
@support_too
def end() -> Response:
    seen = viewing.viewing()
    viewing.end()
    flash(gettext("You no longer look as a customer."), "ok")
    if seen is None:
        return redirect(url_for("desk.customers"), code=303)
    return redirect(url_for("desk.customer", reference=seen["reference"]), code=303)

"""The desk's page of VAT numbers: those that do not exist, those not confirmed yet, and every answer."""

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response

from app.customers.auth import operator_required
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import NotFound
from app.jobs import enqueue
from invoicing import vat_numbers, vies

blueprint = Blueprint("desk_vat", __name__, url_prefix="/desk", template_folder="templates")

PAGE: Final = 50
TABS: Final[dict[str, LazyString]] = {
    "invalid": lazy_gettext("Not in the register"),
    "waiting": lazy_gettext("Unconfirmed"),
    "valid": lazy_gettext("Confirmed"),
}
STATUSES: Final[dict[str, tuple[str, LazyString]]] = {
    "invalid": ("lost", lazy_gettext("Not in the register")),
    "unconfirmed": ("look", lazy_gettext("Unconfirmed")),
    "not_checked": ("quiet", lazy_gettext("Not checked")),
    "valid": ("ok", lazy_gettext("Confirmed")),
    "unavailable": ("look", lazy_gettext("No answer")),
}


@blueprint.get("/vat-numbers")
@operator_required
def listed() -> str:
    status = request.args.get("show", "invalid")
    after = request.args.get("after", 0, type=int)
    if status not in TABS:
        raise NotFound
    found = vat_numbers.page(status, after_id=after, limit=PAGE)
    return render_template(
        "desk/vat_numbers.html",
        found=found,
        tabs=TABS,
        show=status,
        after=after,
        next_after=found[-1].customer.customer_id if len(found) == PAGE else None,
        statuses=STATUSES,
        is_configured=vies.is_configured(),
    )


@blueprint.get("/customers/<reference>/vat-number")
@operator_required
def customer(reference: str) -> str:
    """One customer's number, and what the register said whenever it was asked."""
    found = find_customer(reference)
    return render_template(
        "desk/vat_number.html",
        customer=found,
        standing=vat_numbers.standing_of(found),
        checks=vat_numbers.checks_of(found.customer_id),
        statuses=STATUSES,
        is_configured=vies.is_configured(),
    )


@blueprint.post("/customers/<reference>/vat-number/check")
@operator_required
def check(reference: str) -> Response:
    """Ask again now."""
    found = find_customer(reference)
    if found.vat_number and vies.is_configured():
        in_unit_of_work(vat_numbers.ask_again, found.customer_id, found.vat_number)
        enqueue("invoicing.vat_jobs.check", found.customer_id, queue="default", retry_seconds=())
        flash(gettext("The VAT number is being checked."), "ok")
    return redirect(url_for("desk_vat.customer", reference=reference), code=303)

"""Invoices as the customer sees them: the list, the invoice that explains itself, its PDF, and paying it."""

import secrets
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from app.customers.auth import customer_required
from app.db import in_unit_of_work
from app.errors import AppError, Forbidden, NotFound
from app.i18n import money
from app.ledger import service as ledger
from invoicing import history, pages, service, wording
from invoicing.api import file_response, itemised_response
from invoicing.references import spaced
from invoicing.service import Filters, Status
from invoicing.shapes import payment_reference

blueprint = Blueprint("invoicing", __name__, url_prefix="/invoices", template_folder="templates")

PAGE: Final = 25
TAGS: Final[dict[Status, tuple[str, LazyString]]] = {
    "open": ("look", lazy_gettext("Open")),
    "in_progress": ("info", lazy_gettext("In progress")),
    "paid": ("ok", lazy_gettext("Paid")),
    "overdue": ("lost", lazy_gettext("Overdue")),
    "credited": ("info", lazy_gettext("Credited")),
}


@dataclass(frozen=True)
class Tab:
    """A tab of the list and the statuses it shows."""

    name: str
    label: LazyString
    statuses: frozenset[Status] | None


TABS: Final = (
    Tab("all", lazy_gettext("All"), None),
    Tab("open", lazy_gettext("Open"), frozenset({"open", "overdue"})),
    Tab("in_progress", lazy_gettext("In progress"), frozenset({"in_progress"})),
    Tab("paid", lazy_gettext("Paid"), frozenset({"paid", "credited"})),
)


@blueprint.get("")
@customer_required
def invoices() -> ResponseReturnValue:
    """The customer's invoices, the newest first, by tab."""
    name = request.args.get("show", "all")
    tab = next((tab for tab in TABS if tab.name == name), TABS[0])
    after = request.args.get("after")
    if after is not None and not service.is_number(after):
        raise NotFound
    filters = Filters(customer_id=g.customer.customer_id, statuses=tab.statuses)
    found, more = service.page(filters, after=after, limit=PAGE)
    due = service.due(g.customer.customer_id)
    return render_template(
        "invoicing/invoices.html",
        found=found,
        due_micros=sum(one.outstanding_micros for one in due if one.status != "in_progress"),
        overdue=any(one.status == "overdue" for one in due),
        tabs=TABS,
        tab=tab,
        more=more,
        credits_micros=ledger.get_balance(g.customer.customer_id).credits_micros,
        move_key=secrets.token_hex(16),
        after=after,
        tags=TAGS,
        w=wording,
    )


@blueprint.get("/upcoming")
@customer_required
def upcoming() -> ResponseReturnValue:
    """The coming invoice as it would be now."""
    draft = service.upcoming(g.customer)
    groups = pages.groups_of(draft) if draft else []
    return render_template("invoicing/upcoming.html", invoice=draft, groups=groups, w=wording)


@blueprint.post("/credits/move")
@customer_required
def move_credits() -> ResponseReturnValue:
    """All credits to the balance; a double click on the same form moves them once."""
    if g.role == "viewer":
        raise Forbidden(lazy_gettext("You can view this, not change it."))
    key = f"page-{request.form.get('move_key', '')[:64]}"
    try:
        moved = in_unit_of_work(service.move_credits, g.customer.customer_id, request_key=key)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("%(amount)s has been moved to your balance.", amount=money(moved)), "ok")
    return redirect(url_for("invoicing.invoices"))


@blueprint.get("/<number>")
@customer_required
def invoice(number: str) -> ResponseReturnValue:
    """One invoice: how its amount came to be, what is to be paid, what happened to it."""
    found = service.find(number, g.customer.customer_id)
    status = service.status_now(found)
    return render_template(
        "invoicing/invoice.html",
        invoice=found,
        status=status,
        tag=TAGS[status],
        groups=pages.groups_of(found),
        history=history.events_of(found),
        kinds=service.stored_kinds(found),
        reference=spaced(payment_reference(found) or ""),
        pay_key=secrets.token_hex(16),
        w=wording,
    )


@blueprint.get("/<number>.pdf")
@customer_required
def pdf(number: str) -> Response:
    return file_response(number, service.PDF, g.customer.customer_id)


@blueprint.get("/<number>.xml")
@customer_required
def xml(number: str) -> Response:
    return file_response(number, service.XML, g.customer.customer_id)


@blueprint.get("/<number>.csv")
@customer_required
def itemised_usage(number: str) -> Response:
    return itemised_response(number, g.customer.customer_id)


@blueprint.get("/<number>/paid.pdf")
@customer_required
def paid_copy(number: str) -> Response:
    return file_response(number, service.PAID_PDF, g.customer.customer_id)


@blueprint.post("/<number>/pay")
@customer_required
def pay(number: str) -> ResponseReturnValue:
    """On to the payment page; a double click on the same form leads to the same payment."""
    back = url_for("invoicing.invoice", number=number)
    if g.role == "viewer":
        raise Forbidden(lazy_gettext("You can view this, not change it."))
    try:
        checkout = service.pay(
            g.customer,
            number,
            request_key=f"invoice-{request.form.get('pay_key', '')[:80]}",
        )
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return redirect(back)
    if checkout is None:
        flash(gettext("We are waiting for your bank. Please don't pay again."), "message")
    return redirect(checkout or back)

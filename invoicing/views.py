"""Invoices as the customer sees them: the list, the invoice that explains itself, its PDF, and paying it."""

import secrets
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from app.customers.auth import customer_required, permitted
from app.customers.roles import may
from app.db import in_unit_of_work
from app.errors import AppError, NotFound
from app.i18n import money
from app.ledger import service as ledger
from app.tables import Order
from invoicing import archive, charges, history, pages, service, wording
from invoicing.api import file_response, itemised_response
from invoicing.pay_form import PayForm
from invoicing.payment_orders import Payable
from invoicing.reading import COLUMNS
from invoicing.references import spaced
from invoicing.service import Filters, Listed, Status
from invoicing.shapes import payment_reference
from topups import consents

blueprint = Blueprint("invoicing", __name__, url_prefix="/invoices", template_folder="templates")

PAGE: Final = 25
TAGS: Final[dict[Status, tuple[str, LazyString]]] = {
    "open": ("look", lazy_gettext("Open")),
    "in_progress": ("info", lazy_gettext("In progress")),
    "paid": ("ok", lazy_gettext("Paid")),
    "overdue": ("lost", lazy_gettext("Overdue")),
    "credited": ("info", lazy_gettext("Credited")),
    # What the provider gave up is nothing the customer need be told.
    "uncollectible": ("quiet", lazy_gettext("Closed")),
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


@dataclass(frozen=True)
class Wanted:
    """Which documents the address of a list asks for."""

    tab: Tab
    search: str
    order: Order
    after: str | None

    def page(self, customer_id: int | None, limit: int) -> tuple[list[Listed], str | None]:
        """Of one customer, or of all."""
        filters = Filters(customer_id=customer_id, statuses=self.tab.statuses, search=self.search)
        return service.page(filters, order=self.order, after=self.after, limit=limit, with_lines=False)


def asked() -> Wanted:
    """Raises NotFound where a page is to begin after something that is no document."""
    name, after = request.args.get("show"), request.args.get("after")
    if after is not None and not service.is_number(after):
        raise NotFound
    return Wanted(
        tab=next((tab for tab in TABS if tab.name == name), TABS[0]),
        search=request.args.get("search", "").strip()[:100],
        order=Order.asked(COLUMNS, request.args.get("sort")),
        after=after,
    )


@blueprint.get("")
@customer_required
def invoices() -> ResponseReturnValue:
    """The customer's invoices by tab, search and order, the newest first."""
    wanted = asked()
    found, more = wanted.page(g.customer.customer_id, limit=PAGE)
    due = service.due(g.customer.customer_id)
    return render_template(
        "invoicing/invoices.html",
        found=found,
        wanted=wanted,
        due_micros=sum(one.payable_micros for one in due),
        overdue=any(one.status == "overdue" for one in due),
        payable=[one.number for one in due if one.payable_micros],
        tabs=TABS,
        more=more,
        credits_micros=ledger.get_balance(g.customer.customer_id).credits_micros,
        move_key=secrets.token_hex(16),
        tags=TAGS,
        years=archive.years(g.customer.customer_id),
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
@permitted("pay")
def move_credits() -> ResponseReturnValue:
    """All credits to the balance; a double click on the same form moves them once."""
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
    listed = next(service.with_status([found]))
    payable = Payable(found, listed.under_way_micros)
    form = PayForm(formdata=None) if payable.micros and may("pay") else None
    if form is not None:
        form.offer(g.customer, [payable])
    return render_template(
        "invoicing/invoice.html",
        invoice=found,
        status=listed.status,
        tag=TAGS[listed.status],
        payable=payable,
        form=form,
        numbers=[number],
        most_micros=payable.micros,
        consent=consents.short_text("save_method"),
        consent_text=consents.full_text("save_method"),
        groups=pages.groups_of(found),
        attachments=charges.attached_to(found),
        history=history.events_of(found),
        kinds=service.stored_kinds(found),
        reference=spaced(payment_reference(found) or ""),
        w=wording,
    )


@blueprint.get("/<number>.pdf")
@customer_required
def pdf(number: str) -> Response:
    return file_response(number, service.PDF, g.customer.customer_id)


@blueprint.get("/<number>/request.pdf")
@customer_required
def request_pdf(number: str) -> Response:
    """What asked for the money before the invoice was issued."""
    return file_response(number, service.REQUEST_PDF, g.customer.customer_id)


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

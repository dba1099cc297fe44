"""The desk's pages of invoices: all documents, those that are held, and crediting one, whole or in part."""

import secrets
from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.customers.auth import operator_required
from app.customers.service import find_customer
from app.db import in_unit_of_work, unit_of_work
from app.desk.forms import CreditForm
from app.desk.status_tags import TAGS
from app.errors import AppError
from app.jobs import enqueue
from invoicing import api, pages, resending, service, views, wording
from invoicing.service import CreditWish

blueprint = Blueprint("desk_invoices", __name__, url_prefix="/desk/invoices", template_folder="templates")

PAGE: Final = 50


@blueprint.get("")
@operator_required
def listed() -> str:
    """All documents by tab, search and order, the newest first; above them those that are held."""
    wanted = views.asked()
    found, more = wanted.page(None, limit=PAGE)
    return render_template(
        "desk/invoices.html",
        found=found,
        wanted=wanted,
        tabs=views.TABS,
        more=more,
        held=service.held_documents(),
        tags=TAGS,
        w=wording,
    )


@blueprint.get("/<number>")
@operator_required
def invoice(number: str) -> str:
    return _page(number, CreditForm(formdata=None, token=secrets.token_hex(16)))


@blueprint.get("/<number>.pdf")
@operator_required
def pdf(number: str) -> Response:
    return api.file_response(number, service.PDF)


@blueprint.post("/<number>/credit")
@operator_required
def credit(number: str) -> Response | tuple[str, int]:
    """A double click on the same form makes one credit note."""
    form = CreditForm()
    if not form.validate_on_submit():
        return _page(number, form), 422
    wish = CreditWish(
        number=number,
        reason=form.reason.data or "",
        amount_micros=form.amount.data,
        request_key=f"desk-{form.token.data}",
    )
    try:
        note = in_unit_of_work(lambda: service.credit(wish).number)
    except AppError as error:
        form.amount.errors = [str(error.detail or error.title)]
        return _page(number, form), error.status
    flash(gettext("Credit note %(number)s has been made.", number=note), "ok")
    return redirect(url_for("desk_invoices.invoice", number=note), code=303)


@blueprint.post("/<number>/check-again")
@operator_required
def check_again(number: str) -> Response:
    """By a job: the rules take a second to load, and memory that a page's process need not have."""
    enqueue("invoicing.jobs.check_again", service.find(number).number)
    flash(gettext("The document is being checked again. If it is right now, it is mailed."), "ok")
    return redirect(url_for("desk_invoices.invoice", number=number), code=303)


@blueprint.post("/<number>/send-without-xml")
@operator_required
def send_without_xml(number: str) -> Response:
    with unit_of_work():
        service.send_without_xml(number)
    flash(gettext("The PDF is being mailed without an e-invoice."), "ok")
    return redirect(url_for("desk_invoices.invoice", number=number), code=303)


def _page(number: str, form: CreditForm) -> str:
    found = service.find(number)
    status = service.status_now(found)
    return render_template(
        "desk/invoice.html",
        invoice=found,
        form=form,
        groups=pages.groups_of(found),
        held=next((held for one, held in service.held_documents() if one.number == number), None),
        left_cents=service.creditable_cents(found),
        tag=TAGS[status],
        send_to=resending.choices(find_customer(found.buyer["reference"])),
        send_token=secrets.token_hex(16),
        w=wording,
    )

"""The customer's page of pay links: made for an amount or an invoice, seen what became of them, withdrawn."""

from dataclasses import dataclass

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from app.customers.auth import customer_required, permitted
from app.db import in_unit_of_work
from app.errors import AppError
from app.portal.pay_links_api import address
from invoicing import service as invoicing
from topups import service as topups
from topups.amounts import parse_amount
from topups.service import PayLink

blueprint = Blueprint("pay_links", __name__, url_prefix="/pay-links", template_folder="templates")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A link as its maker reads it."""

    link: PayLink
    url: str
    paid: bool


@blueprint.get("")
@customer_required
def show() -> str:
    return _page()


@blueprint.post("")
@permitted("pay")
def make() -> ResponseReturnValue:
    """A link for an amount, or for an open invoice."""
    customer_id, number = g.customer.customer_id, request.form.get("invoice")
    amount = None if number else parse_amount(request.form.get("amount", ""))
    try:
        if number:
            invoicing.find(number, customer_id)
        in_unit_of_work(
            topups.make_pay_link,
            customer_id,
            amount_micros=None if number else amount or 0,
            invoice_number=number or None,
            made_by_user_id=current_user.user_id,
        )
    except AppError as error:
        return _page(request.form.get("amount", ""), str(error.detail or error.title)), error.status
    flash(gettext("The link is ready. Send it to whoever pays."), "success")
    return redirect(url_for("pay_links.show"))


@blueprint.post("/<pay_link_id>/revoke")
@permitted("pay")
def revoke(pay_link_id: str) -> ResponseReturnValue:
    in_unit_of_work(topups.revoke_pay_link, g.customer.customer_id, pay_link_id)
    flash(gettext("The link has been withdrawn. It no longer works."), "success")
    return redirect(url_for("pay_links.show"))


def _page(typed: str = "", wrong: str | None = None) -> str:
    customer_id = g.customer.customer_id
    links = topups.pay_links(customer_id)
    paid = topups.paid_pay_links(customer_id, links)
    linked = {link.invoice_number for link in links}
    return render_template(
        "portal/pay_links.html",
        rows=[Row(link=link, url=address(link), paid=link.pay_link_id in paid) for link in links],
        invoices=[due for due in invoicing.due(customer_id) if due.number not in linked],
        typed=typed,
        wrong=wrong,
    )

"""Subscriptions as the customer sees them: what runs, what it costs, changing and cancelling it.

What a change gives back and costs is shown first; who then confirms other amounts is asked again.
"""

import secrets
from typing import Final

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from app.customers.auth import customer_required, permitted
from app.customers.roles import Permission
from app.db import in_unit_of_work
from app.errors import AppError
from invoicing import subscription_changes, subscription_pages, subscriptions, wording
from invoicing.subscription_pages import ConfirmForm
from invoicing.subscription_steps import NothingChanges

blueprint = Blueprint("subscriptions", __name__, url_prefix="/subscriptions", template_folder="templates")

# Who may agree on what costs money month after month.
AGREES: Final[Permission] = "manage_account"


@blueprint.get("")
@customer_required
def listed() -> ResponseReturnValue:
    return render_template(
        "subscriptions/list.html", rows=subscription_pages.rows(g.customer), p=subscription_pages, w=wording
    )


@blueprint.get("/<subscription_id>")
@customer_required
def show(subscription_id: str) -> ResponseReturnValue:
    """One subscription: price, next invoice, what was agreed, and ways to change it."""
    row = subscription_pages.row(g.customer, subscription_id)
    return render_template(
        "subscriptions/one.html",
        row=row,
        form=subscription_pages.change_form(row),
        token=secrets.token_hex(16),
        p=subscription_pages,
        w=wording,
    )


@blueprint.get("/<subscription_id>/preview")
@permitted(AGREES)
def preview(subscription_id: str) -> ResponseReturnValue:
    """What a change or cancellation gives back and costs, before it is confirmed."""
    row = subscription_pages.row(g.customer, subscription_id)
    wish = subscription_pages.wish_of(request.args)
    try:
        if wish is None:
            raise NothingChanges
        quote = subscription_changes.quote(g.customer, row.subscription, wish, row.terms)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return redirect(url_for("subscriptions.show", subscription_id=subscription_id))
    return render_template(
        "subscriptions/preview.html",
        row=row,
        quote=quote,
        cancels=quote.ends_on is not None,
        form=subscription_pages.confirm_form(request.args, quote, secrets.token_hex(16)),
        p=subscription_pages,
        w=wording,
    )


@blueprint.post("/<subscription_id>/confirm")
@permitted(AGREES)
def confirm(subscription_id: str) -> ResponseReturnValue:
    """A double click on the same page carries it out once."""
    form, wish = ConfirmForm(), subscription_pages.wish_of(request.form)
    shown = redirect(url_for("subscriptions.show", subscription_id=subscription_id), code=303)
    if not form.validate_on_submit() or wish is None:
        flash(gettext("Reload this page and try again."), "danger")
        return shown
    try:
        in_unit_of_work(
            subscription_changes.carry_out,
            g.customer,
            subscription_id,
            wish,
            request_key=f"page-{form.token.data}",
            agreed_by=str(current_user.email),
            shown=form.shown,
        )
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("This has been agreed. What it comes to is being mailed."), "ok")
    return shown


@blueprint.post("/<subscription_id>/resume")
@permitted(AGREES)
def resume(subscription_id: str) -> ResponseReturnValue:
    try:
        in_unit_of_work(
            subscription_changes.resume,
            g.customer,
            subscriptions.find(g.customer.customer_id, subscription_id).subscription_id,
            request_key=f"page-{request.form.get('token', '')[:64]}",
            agreed_by=str(current_user.email),
        )
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("The subscription goes on."), "ok")
    return redirect(url_for("subscriptions.show", subscription_id=subscription_id), code=303)

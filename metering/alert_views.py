"""The customer's page of alerts and the month's spending limit."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.customers.auth import customer_required, permitted
from app.db import in_unit_of_work
from app.errors import AppError
from app.ledger.service import get_balance
from metering import alerts
from metering.alert_forms import AlertsForm

blueprint = Blueprint("alerts", __name__, template_folder="templates")


@blueprint.get("/alerts")
@customer_required
def show() -> str:
    return _page(AlertsForm.showing(alerts.rules_of(g.customer.customer_id)))


@blueprint.post("/alerts")
@permitted("manage_account")
def save() -> ResponseReturnValue:
    form = AlertsForm()
    if not form.validate_on_submit():
        return _page(form), 422
    customer_id = g.customer.customer_id
    try:
        in_unit_of_work(lambda: alerts.save(customer_id, form.rules(alerts.rules_of(customer_id))))
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return _page(form), error.status
    flash(gettext("Your alerts are saved."), "success")
    return redirect(url_for("alerts.show"))


def _page(form: AlertsForm) -> str:
    customer_id = g.customer.customer_id
    return render_template(
        "metering/alerts.html",
        form=form,
        email=g.customer.email,
        balance_micros=get_balance(customer_id).available_micros,
        spending=alerts.spending(customer_id),
    )

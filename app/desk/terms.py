"""The desk's pages of what invoices follow: how often a customer is invoiced, how what is sold is taxed."""

from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField
from wtforms.fields.choices import SelectChoice

from app.customers.auth import operator_required
from app.customers.cycles import HALF_MONTHLY, MONTHLY
from app.customers.service import change_customer, find_customer
from app.db import unit_of_work
from metering import service as metering

blueprint = Blueprint("desk_terms", __name__, url_prefix="/desk", template_folder="templates")

TAX_CATEGORIES: Final[dict[str, LazyString]] = {
    "standard": lazy_gettext("Standard rate"),
    "reduced": lazy_gettext("Reduced rate"),
    "zero": lazy_gettext("Zero rate"),
}


class InvoicingForm(FlaskForm):
    """Its names are those of the API."""

    billing_cycle = RadioField(
        lazy_gettext("How often?"),
        choices=[
            SelectChoice(MONTHLY, lazy_gettext("Every month")),
            SelectChoice(HALF_MONTHLY, lazy_gettext("Every two weeks: on the 16th and on the 1st")),
        ],
        description=lazy_gettext("A change holds from the next month on."),
    )
    invoice_empty_periods = BooleanField(lazy_gettext("Send an invoice also when nothing was used"))
    resells_telecom = BooleanField(
        lazy_gettext("Sells telecom on"),
        description=lazy_gettext("VAT on telecom is reverse-charged to a Dutch business with a VAT number."),
    )


class TaxForm(FlaskForm):
    tax_category = RadioField(
        lazy_gettext("VAT rate"),
        choices=[SelectChoice(category, text) for category, text in TAX_CATEGORIES.items()],
        description=lazy_gettext("A change holds from the next period on."),
    )
    is_telecom = BooleanField(lazy_gettext("This is telecom"))


@blueprint.route("/customers/<reference>/invoicing", methods=["GET", "POST"])
@operator_required
def invoicing(reference: str) -> ResponseReturnValue:
    """How often a customer is invoiced, and for what."""
    customer = find_customer(reference)
    form = InvoicingForm(obj=customer)
    if form.validate_on_submit():
        with unit_of_work():
            change_customer(
                find_customer(reference),
                {
                    "billing_cycle": form.billing_cycle.data,
                    "invoice_empty_periods": form.invoice_empty_periods.data,
                    "resells_telecom": form.resells_telecom.data,
                },
            )
        flash(gettext("Saved."), "ok")
        return redirect(url_for("desk.customer", reference=reference), code=303)
    return render_template("desk/customer_invoicing.html", customer=customer, form=form)


@blueprint.get("/meters")
@operator_required
def meters() -> str:
    """All meters with how they are taxed."""
    return render_template("desk/meters.html", meters=metering.list_meters(), categories=TAX_CATEGORIES)


@blueprint.route("/meters/<code>", methods=["GET", "POST"])
@operator_required
def meter(code: str) -> ResponseReturnValue:
    """How one meter is taxed."""
    found = metering.find_meter(code)
    form = TaxForm(data=found)
    if form.validate_on_submit():
        with unit_of_work():
            metering.tax_meter(code, form.tax_category.data, is_telecom=form.is_telecom.data)
        flash(gettext("Saved."), "ok")
        return redirect(url_for("desk_terms.meters"), code=303)
    return render_template("desk/meter.html", meter=found, form=form)

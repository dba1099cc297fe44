"""The desk's pages of meters and prices: making and changing a meter, trying and publishing a price."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext
from wtforms.fields.choices import SelectChoice

from app.customers.auth import operator_required
from app.customers.service import find_customer, get_customers
from app.db import in_unit_of_work
from app.desk.meter_forms import AGGREGATIONS, MODELS, MeterForm, PriceForm
from app.desk.prices import SHOWN, past_months
from app.errors import AppError
from app.i18n import number, unit_price
from metering import service as metering

blueprint = Blueprint("desk_meters", __name__, url_prefix="/desk", template_folder="templates")


@blueprint.app_template_filter("decimal_price")
def decimal_price(text: str) -> str:
    """An amount as a price's document has it, for the reader."""
    return unit_price(Decimal(text))


@blueprint.app_template_filter("decimal_number")
def decimal_number(text: str) -> str:
    return number(Decimal(text))


@dataclass(frozen=True, slots=True)
class Tried:
    """What customers would have paid; amounts with VAT."""

    rows: list[metering.PriceDifference]
    count: int
    now_micros: int
    tried_micros: int


@blueprint.get("/new-meter")
@operator_required
def new() -> str:
    return _meter_page(MeterForm(formdata=None), None)


@blueprint.post("/new-meter")
@operator_required
def make() -> ResponseReturnValue:
    form = MeterForm()
    if not form.validate_on_submit():
        return _meter_page(form, None), 422
    try:
        metering.find_meter(form.code.data)
    except metering.UnknownMeter:
        return _put(form, form.code.data, None)
    form.code.errors = [gettext("There is a meter with this code already.")]
    return _meter_page(form, None), 409


@blueprint.get("/meters/<code>/facts")
@operator_required
def facts(code: str) -> str:
    meter = metering.find_meter(code)
    form = MeterForm(formdata=None)
    form.show(meter)
    return _meter_page(form, meter)


@blueprint.post("/meters/<code>/facts")
@operator_required
def change(code: str) -> ResponseReturnValue:
    """How a meter counts cannot change after its first event; the rest can."""
    meter = metering.find_meter(code)
    form = MeterForm(code=code)
    del form.code
    if not form.validate_on_submit():
        return _meter_page(form, meter), 422
    return _put(form, code, meter)


@blueprint.get("/meters/<code>/prices")
@operator_required
def prices(code: str) -> str:
    """What a meter costs and cost, everybody and each customer with prices of its own."""
    return _prices_page(code, _price_form(None))


@blueprint.post("/meters/<code>/prices/try")
@operator_required
def try_one(code: str) -> ResponseReturnValue:
    """What customers would have paid with this price. Nothing changes."""
    form = _price_form(request.form)
    if not form.validate_on_submit():
        return _prices_page(code, form), 422
    try:
        found = metering.try_price(
            code, form.document(), date.fromisoformat(form.month.data), _customer_id(form)
        )
    except AppError as error:
        form.put_error(error)
        return _prices_page(code, form), error.status
    tried = Tried(
        found[:SHOWN],
        len(found),
        sum(one.gross_micros for one in found),
        sum(one.tried_gross_micros for one in found),
    )
    return _prices_page(code, form, tried)


@blueprint.post("/meters/<code>/prices")
@operator_required
def publish(code: str) -> ResponseReturnValue:
    """From the next period on; a meter's first price counts at once."""
    form = _price_form(request.form)
    if not form.validate_on_submit():
        return _prices_page(code, form), 422
    try:
        in_unit_of_work(metering.publish_price, code, form.document(), _customer_id(form))
    except AppError as error:
        form.put_error(error)
        return _prices_page(code, form), error.status
    flash(gettext("The price is published."), "ok")
    return redirect(url_for("desk_meters.prices", code=code), code=303)


def _put(form: MeterForm, code: str, meter: dict[str, Any] | None) -> ResponseReturnValue:
    try:
        in_unit_of_work(metering.put_meter, code, form.facts())
    except AppError as error:
        name = str(error.extra.get("field", "event_type"))
        name = {"name": "name_nl", "code": "code" if "code" in form else "event_type"}.get(name, name)
        form[name].errors = [str(error.detail or error.title)]
        return _meter_page(form, meter), error.status
    flash(gettext("Saved."), "ok")
    return redirect(url_for("desk_meters.prices", code=code), code=303)


def _customer_id(form: PriceForm) -> int | None:
    """Raises Invalid-like errors of an unknown customer, at its field."""
    if not form.customer.data:
        return None
    try:
        return find_customer(form.customer.data).customer_id
    except AppError as error:
        error.extra["field"] = "customer"
        raise


def _price_form(given: Any) -> PriceForm:
    form = PriceForm(formdata=given)
    form.month.choices = [
        SelectChoice(month.isoformat(), format_date(month, "MMMM yyyy")) for month in past_months()
    ]
    return form


def _meter_page(form: MeterForm, meter: dict[str, Any] | None) -> str:
    return render_template("desk/meter_facts.html", form=form, meter=meter)


def _prices_page(code: str, form: PriceForm, tried: Tried | None = None) -> str:
    own = metering.own_prices_of(code)
    return render_template(
        "desk/meter_prices.html",
        meter=metering.find_meter(code),
        prices=metering.list_prices(code),
        own=own,
        customers=get_customers({price["customer_id"] for price in own}),
        form=form,
        tried=tried,
        aggregations=AGGREGATIONS,
        models=MODELS,
    )

"""The desk's page on which a price is tried on a past month before it is published. It changes nothing."""

from datetime import date, timedelta
from typing import Any, Final

from flask import Blueprint, render_template
from flask_babel import format_date, gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import SelectField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired

from app.api import InvalidJson, decode_json
from app.clock import utc_now
from app.customers.auth import operator_required
from app.errors import AppError, Invalid
from app.i18n import current_locale, local_date
from metering import service as metering

blueprint = Blueprint("desk_prices", __name__, url_prefix="/desk/prices", template_folder="templates")

MONTHS: Final = 6
SHOWN: Final = 100
EXAMPLE: Final = '{"model": "per_unit", "unit_amount": "0.001"}'


class TryPriceForm(FlaskForm):
    """Which meter, which month, which price."""

    meter = SelectField(lazy_gettext("Meter"), choices=[])
    month = SelectField(lazy_gettext("Month"), choices=[])
    price = TextAreaField(
        lazy_gettext("Price"),
        description=lazy_gettext("As it would be sent to the API, such as %(example)s.", example=EXAMPLE),
        validators=[DataRequired(lazy_gettext("Enter a price."))],
        render_kw={"rows": 6, "spellcheck": "false", "maxlength": 10_000},
    )


@blueprint.get("/try")
@operator_required
def try_price() -> str:
    return _page(_form(), None)


@blueprint.post("/try")
@operator_required
def tried() -> str | tuple[str, int]:
    form = _form()
    if not form.validate_on_submit():
        return _page(form, None), 422
    try:
        found = metering.try_price(
            form.meter.data, _document(form.price.data or ""), date.fromisoformat(form.month.data)
        )
    except AppError as error:
        form.price.errors = [str(error.detail or error.title)]
        return _page(form, None), error.status
    return _page(form, found)


def _document(text: str) -> dict[str, Any]:
    """Raises Invalid, in words for a person: where JSON breaks is said in English only."""
    try:
        document = decode_json(text.encode())
    except InvalidJson as error:
        raise Invalid(gettext("This is no price as the API takes it. Look at the example below.")) from error
    if not isinstance(document, dict):
        raise Invalid(gettext("This is no price as the API takes it. Look at the example below."))
    return document


def _form() -> TryPriceForm:
    form = TryPriceForm()
    language = current_locale()
    form.meter.choices = [
        SelectChoice(meter["code"], meter["name"][language]) for meter in metering.list_meters()
    ]
    form.month.choices = [
        SelectChoice(month.isoformat(), format_date(month, "MMMM yyyy")) for month in past_months()
    ]
    return form


def past_months() -> list[date]:
    """The last months that have ended, the latest first."""
    months = []
    month = metering.period_of(local_date(utc_now())).start
    for _ in range(MONTHS):
        month = metering.period_of(month - timedelta(days=1)).start
        months.append(month)
    return months


def _page(form: TryPriceForm, found: list[metering.PriceDifference] | None) -> str:
    facts: dict[str, Any] = {"form": form, "found": None}
    if found is not None:
        facts |= {
            "found": found[:SHOWN],
            "customers": len(found),
            "now_micros": sum(one.gross_micros for one in found),
            "tried_micros": sum(one.tried_gross_micros for one in found),
            "more_micros": sum(one.more_micros for one in found),
        }
    return render_template("desk/try_price.html", **facts)

"""The desk's pages of dunning: who has not paid, what was done; pausing, waiving a fee, giving up."""

from collections.abc import Callable
from datetime import date
from typing import Final
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import DateField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, Optional

from app.customers.auth import operator_required
from app.db import in_unit_of_work
from app.desk.status_tags import TAGS
from app.errors import AppError, NotFound
from invoicing import dunning_control, dunning_overview, dunning_words, service, wording

blueprint = Blueprint("desk_dunning", __name__, url_prefix="/desk/dunning", template_folder="templates")

PAGE: Final = 50


class ReasonForm(FlaskForm):
    """Why something is decided; it stays with it."""

    reason = StringField(
        lazy_gettext("Why?"),
        validators=[
            DataRequired(lazy_gettext("Say why.")),
            Length(max=500, message=lazy_gettext("Use at most 500 characters.")),
        ],
        render_kw={"maxlength": 500, "autocomplete": "off"},
    )


class PauseForm(ReasonForm):
    about = RadioField(
        lazy_gettext("What is paused?"),
        choices=[
            SelectChoice("invoice", lazy_gettext("This invoice")),
            SelectChoice("customer", lazy_gettext("All invoices of this customer")),
        ],
        default="invoice",
    )
    until = DateField(
        lazy_gettext("Until"),
        description=lazy_gettext("Leave it empty to pause until you resume it."),
        validators=[Optional()],
    )


@blueprint.get("")
@operator_required
def listed() -> str:
    """Invoices past their due date, the longest overdue first."""
    after = request.args.get("after")
    if after is not None and not service.is_number(after):
        raise NotFound
    found, more = dunning_overview.late(after=after, limit=PAGE)
    return render_template(
        "desk/dunning.html", found=found, more=more, after=after, tags=TAGS, steps=dunning_words.STEPS
    )


@blueprint.get("/<number>")
@operator_required
def invoice(number: str) -> str:
    return _page(number)


@blueprint.post("/<number>/pause")
@operator_required
def pause(number: str) -> Response | tuple[str, int]:
    form = PauseForm(prefix="pause")
    if not form.validate_on_submit():
        return _page(number, pausing=form), 422
    customer_id = service.find(number).customer_id
    only = number if form.about.data == "invoice" else None

    def act() -> None:
        dunning_control.pause(
            customer_id,
            form.reason.data or "",
            number=only,
            until=_day(form.until.data),
            user_id=current_user.user_id,
        )

    return _done(number, act, gettext("The dunning is paused."), pausing=form)


@blueprint.post("/<number>/resume/<uuid:pause_id>")
@operator_required
def resume(number: str, pause_id: UUID) -> Response:
    in_unit_of_work(dunning_control.resume, service.find(number).customer_id, pause_id)
    flash(gettext("The dunning goes on."), "ok")
    return redirect(url_for("desk_dunning.invoice", number=number), code=303)


@blueprint.post("/<number>/waive")
@operator_required
def waive(number: str) -> Response | tuple[str, int]:
    form = ReasonForm(prefix="waive")
    if not form.validate_on_submit():
        return _page(number, waiving=form), 422
    return _done(
        number,
        lambda: dunning_control.waive_fee(number, form.reason.data or ""),
        gettext("The fee is waived."),
        waiving=form,
    )


@blueprint.post("/<number>/uncollectible")
@operator_required
def give_up(number: str) -> Response | tuple[str, int]:
    form = ReasonForm(prefix="give_up")
    if not form.validate_on_submit():
        return _page(number, giving_up=form), 422
    user_id = current_user.user_id

    def act() -> None:
        dunning_control.write_off(number, form.reason.data or "", user_id)

    return _done(number, act, gettext("This invoice is now uncollectible."), giving_up=form)


def _done(number: str, act: Callable[[], None], said: str, **forms: ReasonForm) -> Response | tuple[str, int]:
    """Act and say so, or show what was refused beside the reason."""
    try:
        in_unit_of_work(act)
    except AppError as error:
        (form,) = forms.values()
        form.reason.errors = [str(error.detail or error.title)]
        return _page(number, **forms), error.status
    flash(said, "ok")
    return redirect(url_for("desk_dunning.invoice", number=number), code=303)


def _page(
    number: str,
    *,
    pausing: ReasonForm | None = None,
    waiving: ReasonForm | None = None,
    giving_up: ReasonForm | None = None,
) -> str:
    found = dunning_overview.dossier(number)
    return render_template(
        "desk/dunning_invoice.html",
        dossier=found,
        invoice=found.invoice,
        tag=TAGS[found.status],
        steps=dunning_words.STEPS,
        pausing=pausing or PauseForm(formdata=None, prefix="pause"),
        waiving=waiving or ReasonForm(formdata=None, prefix="waive"),
        giving_up=giving_up or ReasonForm(formdata=None, prefix="give_up"),
        w=wording,
    )


def _day(given: object) -> date | None:
    return given if isinstance(given, date) else None

"""The desk's page of the staff: who works here, in which role; inviting, changing, removing."""

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Email, Length

from app.config import settings
from app.customers import staff
from app.customers.auth import operator_required
from app.customers.staff import STAFF_ROLES, StaffRole
from app.db import in_unit_of_work
from app.errors import AppError, NotFound
from app.i18n import current_locale

blueprint = Blueprint("desk_staff", __name__, url_prefix="/desk/staff", template_folder="templates")

ROLES: Final[dict[StaffRole, LazyString]] = {
    "operator": lazy_gettext("Operator"),
    "support": lazy_gettext("Support"),
}


class StaffForm(FlaskForm):
    name = StringField(
        lazy_gettext("Name"),
        filters=[lambda text: text.strip() if text else text],
        validators=[DataRequired(lazy_gettext("Enter a name.")), Length(max=200)],
        render_kw={"maxlength": 200, "autocomplete": "off"},
    )
    email = StringField(
        lazy_gettext("E-mail address"),
        filters=[lambda text: text.strip() if text else text],
        validators=[
            DataRequired(lazy_gettext("Enter an e-mail address.")),
            Email(lazy_gettext("This is not an e-mail address.")),
            Length(max=254),
        ],
        render_kw={"maxlength": 254, "autocomplete": "off", "inputmode": "email"},
    )
    role = RadioField(
        lazy_gettext("Role"),
        choices=[
            SelectChoice("operator", lazy_gettext("Operator: may do everything")),
            SelectChoice("support", lazy_gettext("Support: sees everything and sends e-mails again")),
        ],
        default="support",
    )


@blueprint.get("")
@operator_required
def listed() -> str:
    return _page(StaffForm(formdata=None))


@blueprint.post("")
@operator_required
def invite() -> Response | tuple[str, int]:
    """The person signs in with a code that is mailed; no password is made here."""
    form = StaffForm()
    if not form.validate_on_submit():
        return _page(form), 422
    url = settings().public_url.rstrip("/") + url_for("customers.request_code")
    try:
        in_unit_of_work(
            staff.invite,
            form.email.data or "",
            form.name.data or "",
            _role(form.role.data),
            locale=current_locale(),
            sign_in_url=url,
        )
    except AppError as error:
        form.email.errors = [str(error.detail or error.title)]
        return _page(form), error.status
    flash(gettext("%(email)s may sign in now. We have sent a mail.", email=form.email.data), "ok")
    return _back()


@blueprint.post("/<int:user_id>/role")
@operator_required
def change_role(user_id: int) -> Response:
    role, by = _role(request.form.get("role")), current_user.user_id
    try:
        in_unit_of_work(lambda: staff.change_role(user_id, role, by_user_id=by).name)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("The role is changed."), "ok")
    return _back()


@blueprint.post("/<int:user_id>/remove")
@operator_required
def remove(user_id: int) -> Response:
    by = current_user.user_id
    try:
        in_unit_of_work(lambda: staff.remove(user_id, by_user_id=by).name)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("This person no longer works at the desk."), "ok")
    return _back()


def _role(given: object) -> StaffRole:
    if given not in STAFF_ROLES:
        raise NotFound
    return given


def _back() -> Response:
    return redirect(url_for("desk_staff.listed"), code=303)


def _page(form: StaffForm) -> str:
    return render_template("desk/staff.html", form=form, staff=staff.staff(), roles=ROLES)

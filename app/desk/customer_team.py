"""The desk's page of a customer's people: who may sign in for it, inviting, changing, removing."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Email, Length

from app.clock import utc_now
from app.customers import team
from app.customers.auth import operator_required
from app.customers.forms import trimmed
from app.customers.roles import ROLES
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import AppError, Conflict, Invalid

blueprint = Blueprint("desk_team", __name__, url_prefix="/desk/customers", template_folder="templates")


class MemberForm(FlaskForm):
    email = StringField(
        lazy_gettext("E-mail address"),
        filters=[trimmed],
        validators=[
            DataRequired(lazy_gettext("Enter an e-mail address.")),
            Email(lazy_gettext("This is not an e-mail address.")),
            Length(max=254),
        ],
        render_kw={"maxlength": 254, "autocomplete": "off", "inputmode": "email"},
    )
    role = SelectField(lazy_gettext("Role"), choices=[])


@blueprint.get("/<reference>/people")
@operator_required
def show(reference: str) -> str:
    return _page(reference, MemberForm(formdata=None, role="owner"))


@blueprint.post("/<reference>/people")
@operator_required
def invite(reference: str) -> ResponseReturnValue:
    form = MemberForm()
    form.role.choices = _roles()
    if not form.validate_on_submit():
        return _page(reference, form), 422
    customer_id = find_customer(reference).customer_id
    try:
        in_unit_of_work(team.invite, customer_id, form.email.data, form.role.data, by=current_user)
    except team.AlreadyMember as error:
        form.email.errors = [gettext("This person may sign in for this customer already.")]
        return _page(reference, form), error.status
    except (Invalid, Conflict) as error:
        form.email.errors = [str(error.detail or error.title)]
        return _page(reference, form), error.status
    flash(gettext("An invitation is on its way to %(email)s.", email=form.email.data), "ok")
    return _back(reference)


@blueprint.post("/<reference>/people/invitations/<invitation_id>/again")
@operator_required
def send_again(reference: str, invitation_id: str) -> ResponseReturnValue:
    customer_id = find_customer(reference).customer_id
    try:
        in_unit_of_work(team.send_again, customer_id, invitation_id, by=current_user)
    except AppError as error:
        return _refused(reference, error)
    flash(gettext("The invitation is being sent again. The older link no longer works."), "ok")
    return _back(reference)


@blueprint.post("/<reference>/people/invitations/<invitation_id>/withdraw")
@operator_required
def withdraw(reference: str, invitation_id: str) -> ResponseReturnValue:
    in_unit_of_work(team.withdraw, find_customer(reference).customer_id, invitation_id)
    flash(gettext("The invitation is withdrawn. Its link no longer works."), "ok")
    return _back(reference)


@blueprint.post("/<reference>/people/<int:user_id>/role")
@operator_required
def change_role(reference: str, user_id: int) -> ResponseReturnValue:
    role = request.form.get("role", "")
    try:
        in_unit_of_work(team.change_role, find_customer(reference).customer_id, user_id, role)
    except (Conflict, Invalid) as error:
        return _refused(reference, error)
    flash(gettext("The role is changed."), "ok")
    return _back(reference)


@blueprint.post("/<reference>/people/<int:user_id>/remove")
@operator_required
def remove(reference: str, user_id: int) -> ResponseReturnValue:
    try:
        in_unit_of_work(team.remove, find_customer(reference).customer_id, user_id)
    except Conflict as error:
        return _refused(reference, error)
    flash(gettext("This person no longer has access."), "ok")
    return _back(reference)


def _refused(reference: str, error: AppError) -> ResponseReturnValue:
    flash(str(error.detail or error.title), "danger")
    return _page(reference, MemberForm(formdata=None, role="owner")), error.status


def _back(reference: str) -> ResponseReturnValue:
    return redirect(url_for("desk_team.show", reference=reference), code=303)


def _roles() -> list[tuple[str, str]]:
    return [(role, team.role_name(role)) for role in ROLES]


def _page(reference: str, form: MemberForm) -> str:
    customer = find_customer(reference)
    form.role.choices = _roles()
    return render_template(
        "desk/customer_team.html",
        customer=customer,
        form=form,
        members=team.members(customer.customer_id),
        invitations=team.invitations(customer.customer_id),
        roles=_roles(),
        role_name=team.role_name,
        now=utc_now(),
    )

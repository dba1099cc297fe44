"""The customer's team: members and their roles, invitations."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from app.clock import utc_now
from app.customers import team
from app.customers.auth import customer_required, permitted
from app.customers.roles import ROLES
from app.db import in_unit_of_work
from app.errors import AppError, Conflict, Invalid
from app.portal.account_forms import InviteForm
from app.throttle import throttle

blueprint = Blueprint("team", __name__, url_prefix="/team", template_folder="templates")

INVITATIONS_A_DAY = 50


@blueprint.get("")
@customer_required
def show() -> str:
    return _page(InviteForm(formdata=None, role="viewer"))


@blueprint.post("/invite")
@permitted("manage_team")
def invite() -> ResponseReturnValue:
    form = InviteForm()
    form.role.choices = _roles()
    if not form.validate_on_submit():
        return _page(form), 422
    throttle("invite", str(g.customer.customer_id), most=INVITATIONS_A_DAY, window_seconds=24 * 3600)
    try:
        in_unit_of_work(team.invite, g.customer.customer_id, form.email.data, form.role.data, by=current_user)
    except (Invalid, Conflict) as error:
        form.email.errors = [str(error.detail or error.title)]
        return _page(form), error.status
    flash(gettext("An invitation is on its way to %(email)s.", email=form.email.data), "ok")
    return _back()


@blueprint.post("/invitations/<invitation_id>/again")
@permitted("manage_team")
def send_again(invitation_id: str) -> ResponseReturnValue:
    try:
        in_unit_of_work(team.send_again, g.customer.customer_id, invitation_id, by=current_user)
    except Conflict as error:
        return _refused(error)
    flash(gettext("The invitation is being sent again. The older link no longer works."), "ok")
    return _back()


@blueprint.post("/invitations/<invitation_id>/withdraw")
@permitted("manage_team")
def withdraw(invitation_id: str) -> ResponseReturnValue:
    in_unit_of_work(team.withdraw, g.customer.customer_id, invitation_id)
    flash(gettext("The invitation is withdrawn. Its link no longer works."), "ok")
    return _back()


@blueprint.post("/<int:user_id>/role")
@permitted("manage_team")
def change_role(user_id: int) -> ResponseReturnValue:
    try:
        in_unit_of_work(team.change_role, g.customer.customer_id, user_id, request.form.get("role", ""))
    except (Conflict, Invalid) as error:
        return _refused(error)
    flash(gettext("The role is changed."), "ok")
    return _back()


@blueprint.post("/<int:user_id>/remove")
@permitted("manage_team")
def remove(user_id: int) -> ResponseReturnValue:
    try:
        in_unit_of_work(team.remove, g.customer.customer_id, user_id)
    except Conflict as error:
        return _refused(error)
    flash(gettext("This person no longer has access."), "ok")
    return redirect(url_for("portal.home"), code=303) if user_id == current_user.user_id else _back()


def _refused(error: AppError) -> ResponseReturnValue:
    flash(str(error.detail or error.title), "danger")
    return _page(InviteForm(formdata=None, role="viewer")), error.status


def _back() -> ResponseReturnValue:
    return redirect(url_for("team.show"), code=303)


def _roles() -> list[tuple[str, str]]:
    return [(role, team.role_name(role)) for role in ROLES]


def _page(form: InviteForm) -> str:
    form.role.choices = _roles()
    return render_template(
        "portal/team.html",
        form=form,
        members=team.members(g.customer.customer_id),
        invitations=team.invitations(g.customer.customer_id),
        roles=_roles(),
        role_name=team.role_name,
        sentences=[(team.role_name(role), team.role_sentence(role)) for role in ROLES],
        now=utc_now(),
    )

"""The page behind an invitation's link: accepted by who is signed in, or by making a password."""

from flask import Blueprint, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user, login_required

from app.customers import oidc, passwords, sign_in, team
from app.customers.auth import sign_in as sign_in_as
from app.customers.forms import JoinForm
from app.customers.people_models import Invitation
from app.customers.views import HOME, count_visitor
from app.db import in_unit_of_work, unit_of_work
from app.errors import Invalid
from app.i18n import current_locale

blueprint = Blueprint("invitations", __name__, url_prefix="/invitation", template_folder="templates")


@blueprint.get("/<token>")
def show(token: str) -> ResponseReturnValue:
    """Looking at the page accepts nothing."""
    return _page(token, JoinForm())


@blueprint.post("/<token>/accept")
@login_required
def accept(token: str) -> ResponseReturnValue:
    """By who is signed in, whatever their address: the link came to them."""
    invitation = in_unit_of_work(team.accept, token, current_user)
    return _inside(invitation)


@blueprint.post("/<token>/join")
def join(token: str) -> ResponseReturnValue:
    """By somebody new, who chooses a password."""
    form = JoinForm()
    if not form.validate_on_submit():
        return _page(token, form), 422
    count_visitor()
    try:
        passwords.check(form.password.data, "")
        with unit_of_work():
            invitation, _ = team.find_invitation(token)
            user = team.accept_as_new(token, form.name.data, form.password.data, locale=current_locale())
            sign_in_as(user, "invitation")
    except Invalid as error:
        form.password.errors = [str(error.detail)]
        return _page(token, form), 422
    return _inside(invitation)


def _inside(invitation: Invitation) -> ResponseReturnValue:
    session["customer_id"] = invitation.customer_id
    flash(gettext("Welcome. You are now part of the team."), "ok")
    return redirect(url_for(HOME), code=303)


def _page(token: str, form: JoinForm) -> str:
    invitation, customer = team.find_invitation(token)
    return render_template(
        "customers/invitation.html",
        token=token,
        form=form,
        invitation=invitation,
        customer=customer,
        role_name=team.role_name(invitation.role),
        role_sentence=team.role_sentence(invitation.role),
        is_known=sign_in.find_user(invitation.email) is not None,
        providers=oidc.providers(),
    )

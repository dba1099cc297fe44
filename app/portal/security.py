"""How one signs in, and where: password, authenticator, single sign-on, sessions. For staff as well."""

from typing import cast

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user, login_required, logout_user

from app.customers import authenticators, oidc, passwords, sign_in, single_sign_on, user_sessions
from app.customers.auth import acting_for
from app.customers.forms import ChangePasswordForm
from app.customers.models import User
from app.db import in_unit_of_work, unit_of_work
from app.errors import Invalid
from app.portal.account_forms import ConfirmForm

blueprint = Blueprint("security", __name__, url_prefix="/account/security", template_folder="templates")


@blueprint.before_request
def know_the_customer() -> None:
    """For the frame of the page; staff has none."""
    acting = acting_for(_person()) if current_user.is_authenticated else None
    if acting is not None:
        g.customer, g.role = acting


@blueprint.get("")
@login_required
def show() -> str:
    return _page(ChangePasswordForm(formdata=None))


@blueprint.post("/password")
@login_required
def change_password() -> ResponseReturnValue:
    """With the current one, where there is one; the other sessions end."""
    form = ChangePasswordForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        in_unit_of_work(
            passwords.change,
            _person(),
            form.current.data or "",
            form.password.data,
            session_id=g.session_id,
        )
    except passwords.WrongPassword as error:
        form.current.errors = [str(error.title)]
        return _page(form), error.status
    except Invalid as error:
        form.password.errors = [str(error.detail)]
        return _page(form), error.status
    flash(gettext("Your password is changed. You are signed out on your other devices."), "ok")
    return _back()


@blueprint.get("/authenticator")
@login_required
def authenticator() -> ResponseReturnValue:
    """The secret as a picture and as text, until a code has confirmed it."""
    if authenticators.is_on(current_user.user_id):
        return _back()
    return _authenticator_page(ConfirmForm(formdata=None))


@blueprint.post("/authenticator")
@login_required
def turn_on() -> ResponseReturnValue:
    """The recovery codes are shown in this answer, and never again."""
    if authenticators.is_on(current_user.user_id):
        return _back()
    form = ConfirmForm()
    if form.validate_on_submit():
        codes = in_unit_of_work(authenticators.confirm, _person(), form.code.data)
        if codes is not None:
            return render_template("portal/recovery_codes.html", codes=codes)
        form.code.errors = [gettext("This code is wrong. Look at the app and enter the newest one.")]
    return _authenticator_page(form), 422


@blueprint.post("/authenticator/codes")
@login_required
def new_codes() -> ResponseReturnValue:
    form = ConfirmForm()
    with unit_of_work():
        right = form.validate_on_submit() and authenticators.check(_person(), form.code.data)
        codes = authenticators.new_recovery_codes(_person()) if right else None
    if codes is None:
        return _wrong_code()
    return render_template("portal/recovery_codes.html", codes=codes)


@blueprint.post("/authenticator/off")
@login_required
def turn_off() -> ResponseReturnValue:
    form = ConfirmForm()
    with unit_of_work():
        right = form.validate_on_submit() and authenticators.check(_person(), form.code.data)
        if right:
            authenticators.turn_off(_person())
    if not right:
        return _wrong_code()
    flash(gettext("Signing in no longer asks for a code from your app."), "ok")
    return _back()


@blueprint.post("/disconnect")
@login_required
def disconnect() -> ResponseReturnValue:
    issuer, subject = request.form.get("issuer", ""), request.form.get("subject", "")
    in_unit_of_work(single_sign_on.disconnect, _person(), issuer, subject)
    flash(gettext("This way of signing in is disconnected."), "ok")
    return _back()


@blueprint.post("/sessions/end")
@login_required
def end_session() -> ResponseReturnValue:
    in_unit_of_work(user_sessions.end, current_user.user_id, request.form.get("session", ""))
    flash(gettext("This device is signed out."), "ok")
    return _back()


@blueprint.post("/sessions/end-others")
@login_required
def end_others() -> ResponseReturnValue:
    in_unit_of_work(user_sessions.end_all, current_user.user_id, but=g.session_id)
    flash(gettext("You are signed out on your other devices."), "ok")
    return _back()


@blueprint.post("/sessions/end-all")
@login_required
def end_everywhere() -> ResponseReturnValue:
    in_unit_of_work(sign_in.sign_out_everywhere, _person())
    logout_user()
    flash(gettext("You are signed out everywhere."), "ok")
    return redirect(url_for("customers.sign_in"), code=303)


def _person() -> User:
    """The row itself: a new transaction reads it anew."""
    return cast("User", current_user._get_current_object())  # noqa: SLF001 - the person behind the proxy


def _back() -> ResponseReturnValue:
    return redirect(url_for("security.show"), code=303)


def _wrong_code() -> ResponseReturnValue:
    flash(gettext("This code is wrong, or was used before. Wait for the next one."), "danger")
    return _back()


def _authenticator_page(form: ConfirmForm) -> str:
    with unit_of_work():
        row = authenticators.begin(_person())
        secret, picture = authenticators.secret_of(row) or "", authenticators.picture(_person(), row)
    spaced = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return render_template("portal/authenticator.html", form=form, picture=picture, secret=spaced)


def _page(form: ChangePasswordForm) -> str:
    user_id = current_user.user_id
    identities = single_sign_on.identities_of(user_id)
    labels = {provider.issuer: provider.label for provider in oidc.providers()}
    return render_template(
        "portal/security.html",
        form=form,
        confirm=ConfirmForm(formdata=None),
        has_password=current_user.password_hash is not None,
        authenticator_on=authenticators.is_on(user_id),
        codes_left=authenticators.codes_left(user_id),
        identities=[(one, labels.get(one.issuer, one.issuer)) for one in identities],
        providers=oidc.providers(),
        devices=user_sessions.devices(user_id, g.session_id),
    )

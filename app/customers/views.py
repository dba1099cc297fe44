"""Pages of signing in and out, and the switch of language.

What must stay true: no answer tells whether an address is known; a sign-in starts a fresh session; one is
sent on only to a page of our own.
"""

from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from app.customers import sign_in as signing_in
from app.customers.forms import AddressForm, CodeForm, PasswordForm
from app.customers.models import User
from app.db import unit_of_work
from app.i18n import LANGUAGES

blueprint = Blueprint("customers", __name__, template_folder="templates")

HOME: Final = "portal.home"
ADDRESS: Final = "sign_in_address"


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> str | Response:
    """By e-mail address and password."""
    if current_user.is_authenticated:
        return redirect(own_page(request.args.get("next")))
    form = PasswordForm(next=request.args.get("next", ""))
    if form.validate_on_submit():
        with unit_of_work():
            user = signing_in.authenticate(form.email.data, form.password.data)
        if user is not None:
            return _welcome(user, form.next.data)
        form.password.errors = [gettext("The e-mail address or password is wrong.")]
    return render_template("customers/sign_in.html", form=form)


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
def request_code() -> str | Response:
    """Asks for the address a sign-in code is mailed to."""
    if current_user.is_authenticated:
        return redirect(own_page(request.args.get("next")))
    form = AddressForm(next=request.args.get("next", ""), email=request.args.get("email", ""))
    if form.validate_on_submit():
        with unit_of_work():
            signing_in.send_sign_in_code(form.email.data)
        session[ADDRESS] = form.email.data
        return redirect(url_for("customers.enter_code", next=form.next.data or None))
    return render_template("customers/request_code.html", form=form)


@blueprint.route("/sign-in/code/enter", methods=["GET", "POST"])
def enter_code() -> str | Response:
    """Takes the code. The page is the same whether or not one was sent."""
    address = session.get(ADDRESS)
    if address is None:
        return redirect(url_for("customers.request_code", next=request.args.get("next")))
    form = CodeForm(next=request.args.get("next", ""))
    if form.validate_on_submit():
        with unit_of_work():
            user = signing_in.redeem_sign_in_code(address, form.code.data)
        if user is not None:
            return _welcome(user, form.next.data)
        form.code.errors = [gettext("This code is wrong or has expired. Request a new one.")]
    return render_template("customers/enter_code.html", form=form, address=address)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    locale = session.get("locale")
    logout_user()
    session.clear()
    if locale:
        session["locale"] = locale
    flash(gettext("You are signed out."), "ok")
    return redirect(url_for("customers.sign_in"))


@blueprint.post("/language")
def set_language() -> Response:
    """Keeps the page; a signed-in person keeps the language too."""
    chosen = request.form.get("locale", "")
    if chosen in LANGUAGES:
        session["locale"] = chosen
        if current_user.is_authenticated:
            with unit_of_work():
                current_user.locale = chosen
    return redirect(own_page(request.form.get("next")), code=303)


def own_page(target: str | None) -> str:
    """`target` when it is a path of ours, else home: other hosts are refused in every spelling."""
    home = url_for(HOME)
    if not target or not target.startswith("/") or len(target) > 2000:
        return home
    if target[1:2] in ("/", "\\") or any(ord(c) < 33 or c == "\\" for c in target):
        return home
    parts = urlsplit(target)
    return home if parts.scheme or parts.netloc else target


def _welcome(user: User, target: str | None) -> Response:
    """A fresh session for this user: nothing that was there before the sign-in lives on in it."""
    session.clear()
    session.permanent = True
    session["locale"] = user.locale
    login_user(user)
    return redirect(own_page(target), code=303)

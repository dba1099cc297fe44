"""Pages of signing in and out, and the switch of language.

What must stay true: no answer tells whether an address is known; a sign-in starts a fresh session; one is
sent on only to a page of our own.
"""

from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_login import current_user, logout_user
from werkzeug.wrappers import Response

from app.clock import utc_now
from app.customers import authenticators, oidc, single_sign_on, user_sessions
from app.customers import sign_in as signing_in
from app.customers.auth import sign_in as sign_in_as
from app.customers.forms import AddressForm, CodeForm, PasswordForm, SecondForm
from app.customers.models import User
from app.customers.user_sessions import Way
from app.db import in_unit_of_work, unit_of_work
from app.i18n import LANGUAGES
from app.throttle import throttle

blueprint = Blueprint("customers", __name__, template_folder="templates")

HOME: Final = "portal.home"
ADDRESS: Final = "sign_in_address"
WAITING: Final = "sign_in_waiting"
TRIES_PER_PLACE: Final = 100
SECOND_LIFE_SECONDS: Final = 10 * 60


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> str | Response:
    """By e-mail address and password."""
    if current_user.is_authenticated:
        return redirect(own_page(request.args.get("next")))
    form = PasswordForm(next=request.args.get("next", ""))
    if form.validate_on_submit():
        count_visitor()
        with unit_of_work():
            user = signing_in.authenticate(form.email.data, form.password.data)
        if user is not None:
            return welcome(user, "password", form.next.data)
        form.password.errors = [gettext("The e-mail address or password is wrong.")]
    return render_template("customers/sign_in.html", form=form, providers=oidc.providers())


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
def request_code() -> str | Response:
    """Asks for the address a sign-in code is mailed to."""
    if current_user.is_authenticated:
        return redirect(own_page(request.args.get("next")))
    form = AddressForm(next=request.args.get("next", ""), email=request.args.get("email", ""))
    if form.validate_on_submit():
        count_visitor()
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
        count_visitor()
        with unit_of_work():
            user = signing_in.redeem_sign_in_code(address, form.code.data)
        if user is not None:
            return welcome(user, "code", form.next.data)
        form.code.errors = [gettext("This code is wrong or has expired. Request a new one.")]
    return render_template("customers/enter_code.html", form=form, address=address)


@blueprint.route("/sign-in/second", methods=["GET", "POST"])
def second() -> str | Response:
    """The code of the authenticator app, or a recovery code, after the password or the mailed code.

    After single sign-on too, where an identity is new: it is tied to the person with the code.
    """
    waiting = _waiting()
    if waiting is None:
        return redirect(url_for("customers.sign_in", next=request.args.get("next")))
    user, way, target, new = waiting
    form = SecondForm()
    if form.validate_on_submit():
        count_visitor()
        with unit_of_work():
            if authenticators.check(user, form.code.data):
                if new is not None:
                    single_sign_on.tie_to(user, *new)
                sign_in_as(user, way)
                return redirect(own_page(target), code=303)
        form.code.errors = [gettext("This code is wrong, or was used before. Wait for the next one.")]
    return render_template("customers/second.html", form=form)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    locale = session.get("locale")
    if current_user.is_authenticated:
        in_unit_of_work(user_sessions.end, current_user.user_id, g.session_id)
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


def count_visitor() -> None:
    """However many addresses are tried from one place. Raises TooManyRequests."""
    throttle("sign-in-from", request.remote_addr or "", most=TRIES_PER_PLACE, window_seconds=15 * 60)


def welcome(user: User, way: Way, target: str | None) -> Response:
    """Signed in, or first on to the authenticator's code where that is asked for as well."""
    if way != "single_sign_on" and authenticators.is_on(user.user_id):
        return ask_second(user, way, target)
    with unit_of_work():
        sign_in_as(user, way)
    return redirect(own_page(target), code=303)


def ask_second(user: User, way: Way, target: str | None, *, new: tuple[str, str] | None = None) -> Response:
    """Nobody is signed in yet: only who passed the first step is noted, for a few minutes.

    `new`: issuer and subject of a sign-in that becomes theirs with the code.
    """
    locale = session.get("locale")
    session.clear()
    if locale:
        session["locale"] = locale
    session[WAITING] = [user.get_id(), way, target or "", int(utc_now().timestamp()), new]
    return redirect(url_for("customers.second"), code=303)


def _waiting() -> tuple[User, Way, str, tuple[str, str] | None] | None:
    """Who passed the first step a moment ago, on this device."""
    name, way, target, at, new = session.get(WAITING, ("", "", "", 0, None))
    if utc_now().timestamp() - at > SECOND_LIFE_SECONDS:
        return None
    user = signing_in.user_of_session(name)
    return (user, way, target, tuple(new) if new else None) if user is not None else None

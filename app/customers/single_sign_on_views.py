"""The way to another provider's sign-in and back."""

from flask import Blueprint, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_login import current_user, login_required

from app.config import settings
from app.customers import oidc, single_sign_on
from app.customers.auth import NoCustomer
from app.customers.oidc import Claims
from app.customers.views import ask_second, count_visitor, own_page, welcome
from app.db import in_unit_of_work
from app.i18n import current_locale

blueprint = Blueprint("single_sign_on", __name__, template_folder="templates")

ERRAND = "single_sign_on_errand"


class UnknownSignIn(NoCustomer):
    code = "unknown_sign_in"
    title = lazy_gettext(
        "We do not know this sign-in yet. Ask a colleague to invite you. Have you signed in here before? "
        "Sign in that way and connect this under Security."
    )


@blueprint.get("/sign-in/with/<provider_key>")
def depart(provider_key: str) -> ResponseReturnValue:
    """To the provider, for a sign-in or to accept an invitation."""
    count_visitor()
    session[ERRAND] = {
        "next": request.args.get("next", "")[:2000],
        "invitation": request.args.get("invitation", "")[:200],
    }
    return _leave_for(provider_key)


@blueprint.post("/account/security/connect/<provider_key>")
@login_required
def connect(provider_key: str) -> ResponseReturnValue:
    """To the provider, to sign in that way from now on."""
    session[ERRAND] = {"connect": current_user.user_id}
    return _leave_for(provider_key)


@blueprint.get("/sign-in/with/<provider_key>/done")
def arrive(provider_key: str) -> ResponseReturnValue:
    """Where the provider sends people back to."""
    count_visitor()
    errand = session.pop(ERRAND, {})
    provider = oidc.provider_of(provider_key)
    claims = oidc.arrive(provider)
    if "connect" in errand:
        return _connected(claims, provider.label, errand["connect"])
    locale, token, target = current_locale(), errand.get("invitation"), own_page(errand.get("next"))
    if token:
        arrival = in_unit_of_work(single_sign_on.accept_invitation, claims, token, locale=locale)
    else:
        found = in_unit_of_work(single_sign_on.person_of, claims, locale=locale)
        if found is None:
            raise UnknownSignIn
        arrival = found
    if not arrival.is_tied:
        # An invitation is still to be accepted then, by who is signed in.
        target = url_for("invitations.show", token=token) if token else target
        return ask_second(arrival.user, "single_sign_on", target, new=(claims.issuer, claims.subject))
    return welcome(arrival.user, "single_sign_on", target)


def _connected(claims: Claims, label: str, user_id: int) -> ResponseReturnValue:
    if not current_user.is_authenticated or current_user.user_id != user_id:
        raise oidc.SignInRefused
    in_unit_of_work(single_sign_on.connect, claims, current_user)
    flash(gettext("From now on you can sign in with %(provider)s.", provider=label), "ok")
    return redirect(url_for("security.show"), code=303)


def _leave_for(provider_key: str) -> ResponseReturnValue:
    provider = oidc.provider_of(provider_key)
    back = settings().public_url.rstrip("/") + url_for("single_sign_on.arrive", provider_key=provider_key)
    return oidc.depart(provider, back)

"""Adding a payment method without topping up: a first payment of nothing, where the method allows that.

A card or PayPal gives its mandate at the checkout for €0.00. An account behind iDEAL or Bancontact
cannot; there the first payment is a top-up. Consent is asked and kept as with any saved method.
"""

import re
import secrets
from typing import Final

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_login import current_user

from app.customers.auth import customer_required, permitted
from app.errors import AppError, Invalid
from topups import consents, service
from topups.methods import METHODS_FOR_NOTHING

blueprint = Blueprint("adding", __name__, url_prefix="/payment-methods/add", template_folder="templates")

_TOKEN: Final = re.compile(r"[a-f0-9]{32}")


@blueprint.get("")
@customer_required
def show() -> str:
    """Choose what to add."""
    return _page()


@blueprint.post("")
@permitted("manage_methods")
def start() -> ResponseReturnValue:
    """On to the checkout, where nothing is paid; the same page sent twice adds one method."""
    try:
        made = _add()
    except AppError as error:
        if error.extra.get("field") == "save_method":
            return _page(str(error.detail or error.title)), error.status
        flash(str(error.detail or error.title), "danger")
        return _page(), error.status
    return redirect(made.checkout_url or url_for("topups.payment", top_up_id=made.top_up_id))


def _add() -> service.TopUp:
    form_token = request.form.get("token", "")
    if not _TOKEN.fullmatch(form_token):
        raise Invalid(lazy_gettext("Reload this page and try again."))
    agreed = bool(request.form.get("save_method"))
    user_id = current_user.user_id
    return service.request_top_up(
        g.customer,
        0,
        request_key=f"adding:{form_token}",
        method=request.form.get("method"),
        purpose="method",
        save_method=True,
        consent_by=consents.GivenBy(ip_address=request.remote_addr, user_id=user_id) if agreed else None,
    )


def _page(wrong: str | None = None) -> str:
    chosen = request.form.get("method")
    offered = [m for m in service.ways_to_pay(0, save_method=True) if m.method_id in METHODS_FOR_NOTHING]
    return render_template(
        "topups/add_method.html",
        ways=offered,
        chosen=chosen if chosen in METHODS_FOR_NOTHING else None,
        form_token=secrets.token_hex(16),
        consent=consents.short_text("save_method"),
        consent_text=consents.full_text("save_method"),
        wrong=wrong,
        title=gettext("Add payment method"),
    )

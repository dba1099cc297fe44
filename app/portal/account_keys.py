"""The customer's own API keys: each reads, or records usage, for this customer alone."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from app.customers import auth
from app.customers.auth import customer_required, permitted
from app.db import in_unit_of_work, unit_of_work
from app.errors import Conflict
from app.portal.account_forms import KeyForm

blueprint = Blueprint("account_keys", __name__, url_prefix="/account/api-keys", template_folder="templates")


@blueprint.get("")
@customer_required
def show() -> str:
    return _page(KeyForm(formdata=None))


@blueprint.post("")
@permitted("manage_keys")
def make() -> ResponseReturnValue:
    """The new key is shown in this answer, and never again."""
    form = KeyForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        with unit_of_work():
            _key, made = auth.create_customer_key(
                g.customer.customer_id, form.name.data, form.scope.data, created_by=current_user
            )
    except Conflict as error:
        form.name.errors = [str(error.detail or error.title)]
        return _page(form), error.status
    return _page(KeyForm(formdata=None), made)


@blueprint.post("/<key_id>/revoke")
@permitted("manage_keys")
def revoke(key_id: str) -> ResponseReturnValue:
    in_unit_of_work(auth.revoke_api_key, key_id, customer_id=g.customer.customer_id)
    flash(gettext("The key is revoked. Programs that use it are refused within seconds."), "ok")
    return redirect(url_for("account_keys.show"), code=303)


def _page(form: KeyForm, made: str | None = None) -> str:
    return render_template(
        "portal/account_keys.html",
        form=form,
        made=made,
        keys=auth.api_keys(g.customer.customer_id),
        reference=g.customer.reference,
    )

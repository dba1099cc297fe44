"""The desk's page of people who signed in and act for no customer yet: staff ties them to one."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.customers import single_sign_on, team
from app.customers.auth import operator_required
from app.customers.roles import ROLES
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import AppError

blueprint = Blueprint("desk_people", __name__, url_prefix="/desk/people", template_folder="templates")


@blueprint.get("")
@operator_required
def listed() -> str:
    return _page()


@blueprint.post("")
@operator_required
def tie() -> ResponseReturnValue:
    """To the customer with this number, in a role."""
    form = request.form
    try:
        customer = find_customer(form.get("reference", "").strip())
        user = in_unit_of_work(
            single_sign_on.tie,
            form.get("issuer", ""),
            form.get("subject", ""),
            customer.customer_id,
            form.get("role", ""),
            locale=customer.locale,
        )
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return _page(form), error.status
    flash(gettext("%(email)s now acts for %(customer)s.", email=user.email, customer=customer.name), "ok")
    return redirect(url_for("desk_people.listed"), code=303)


def _page(tried: Mapping[str, str] = MappingProxyType({})) -> str:
    """With what was tried in vain still in its row."""
    return render_template(
        "desk/people.html",
        waiting=single_sign_on.waiting(),
        tried=tried,
        host_of=lambda issuer: urlsplit(issuer).hostname or issuer,
        roles=[(role, team.role_name(role)) for role in ROLES],
    )

"""The customer's page of who gets its invoices, and sending an invoice once more to one of them."""

import secrets
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.customers.auth import customer_required, permitted
from app.db import in_unit_of_work
from app.errors import AppError
from app.throttle import throttle
from invoicing import addressee_forms, reading, resending

blueprint = Blueprint("addressees", __name__, template_folder="templates")

AGAIN_AN_HOUR: Final = 10
_LAYOUT: Final[dict[str, Any]] = {"for_staff": False}


@blueprint.get("/addressees")
@customer_required
def show() -> str:
    return addressee_forms.page(g.customer, _address, _LAYOUT)


@blueprint.post("/addressees")
@permitted("pay")
def add() -> ResponseReturnValue:
    return addressee_forms.save(g.customer, None, _address, _LAYOUT)


@blueprint.get("/addressees/<uuid:addressee_id>")
@customer_required
def edit(addressee_id: UUID) -> str:
    return addressee_forms.edit_page(g.customer, addressee_id, _address, _LAYOUT)


@blueprint.post("/addressees/<uuid:addressee_id>")
@permitted("pay")
def change(addressee_id: UUID) -> ResponseReturnValue:
    return addressee_forms.save(g.customer, addressee_id, _address, _LAYOUT)


@blueprint.post("/addressees/<uuid:addressee_id>/remove")
@permitted("pay")
def remove(addressee_id: UUID) -> ResponseReturnValue:
    return addressee_forms.delete(g.customer, addressee_id, _address)


@blueprint.get("/invoices/<number>/send-again")
@permitted("pay")
def send_page(number: str) -> str:
    return render_template(
        "invoicing/send_again.html",
        number=reading.find(number, g.customer.customer_id).number,
        send_to=resending.choices(g.customer),
        send_token=secrets.token_hex(16),
    )


@blueprint.post("/invoices/<number>/send-again")
@permitted("pay")
def send_again(number: str) -> ResponseReturnValue:
    """To one of the customer's own addressees; a double click on the same form sends one mail."""
    try:
        throttle("send-again", str(g.customer.customer_id), most=AGAIN_AN_HOUR, window_seconds=3600)
        address = in_unit_of_work(resending.from_form, g.customer, number, request.form)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("%(number)s is being sent to %(address)s.", number=number, address=address), "ok")
    return redirect(url_for("invoicing.invoice", number=number), code=303)


def _address(what: str, addressee_id: UUID | None) -> str:
    values: dict[str, Any] = {} if addressee_id is None else {"addressee_id": addressee_id}
    return url_for(f"addressees.{what}", **values)

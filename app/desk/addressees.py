"""The desk's page of who gets a customer's mails, and sending a document once more to one of them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.customers.auth import operator_required
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import AppError
from invoicing import addressee_forms, resending, service

blueprint = Blueprint("desk_addressees", __name__, url_prefix="/desk", template_folder="templates")

_LAYOUT: dict[str, Any] = {"for_staff": True}


@blueprint.get("/customers/<reference>/addressees")
@operator_required
def show(reference: str) -> str:
    return addressee_forms.page(find_customer(reference), _addresses(reference), _LAYOUT)


@blueprint.post("/customers/<reference>/addressees")
@operator_required
def add(reference: str) -> ResponseReturnValue:
    return addressee_forms.save(find_customer(reference), None, _addresses(reference), _LAYOUT)


@blueprint.get("/customers/<reference>/addressees/<uuid:addressee_id>")
@operator_required
def edit(reference: str, addressee_id: UUID) -> str:
    return addressee_forms.edit_page(find_customer(reference), addressee_id, _addresses(reference), _LAYOUT)


@blueprint.post("/customers/<reference>/addressees/<uuid:addressee_id>")
@operator_required
def change(reference: str, addressee_id: UUID) -> ResponseReturnValue:
    return addressee_forms.save(find_customer(reference), addressee_id, _addresses(reference), _LAYOUT)


@blueprint.post("/customers/<reference>/addressees/<uuid:addressee_id>/remove")
@operator_required
def remove(reference: str, addressee_id: UUID) -> ResponseReturnValue:
    return addressee_forms.delete(find_customer(reference), addressee_id, _addresses(reference))


@blueprint.post("/invoices/<number>/send-again")
@operator_required
def send_again(number: str) -> ResponseReturnValue:
    """To any of its customer's addressees; a double click on the same form sends one mail."""
    customer = find_customer(service.find(number).buyer["reference"])
    try:
        address = in_unit_of_work(resending.from_form, customer, number, request.form)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("%(number)s is being sent to %(address)s.", number=number, address=address), "ok")
    return redirect(url_for("desk_invoices.invoice", number=number), code=303)


def _addresses(reference: str) -> Callable[[str, UUID | None], str]:
    def address(what: str, addressee_id: UUID | None) -> str:
        values: dict[str, Any] = {} if addressee_id is None else {"addressee_id": addressee_id}
        return url_for(f"desk_addressees.{what}", reference=reference, **values)

    return address

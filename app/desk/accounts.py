"""The desk's pages of a customer's account: making one, changing its details, and how far it may go."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.exc import IntegrityError

from app.customers import team
from app.customers.auth import operator_required
from app.customers.models import Customer
from app.customers.service import ReferenceTaken, change_customer, find_customer
from app.db import in_unit_of_work
from app.desk.account_forms import CustomerForm, LimitsForm, NewCustomerForm
from app.errors import Conflict, Invalid
from app.i18n import countries
from app.ledger.accounts import open_account
from app.ledger.service import get_balance, set_overdraft

blueprint = Blueprint("desk_accounts", __name__, url_prefix="/desk", template_folder="templates")


@blueprint.get("/new-customer")
@operator_required
def new() -> str:
    return _new_page(NewCustomerForm(formdata=None))


@blueprint.post("/new-customer")
@operator_required
def make() -> ResponseReturnValue:
    """The customer with its empty balance, and where asked for an invitation to its first owner."""
    form = NewCustomerForm()
    form.country.choices = countries()
    if not form.validate_on_submit():
        return _new_page(form), 422
    try:
        reference = in_unit_of_work(_open, form)
    except IntegrityError:
        # Two made it at the same moment; the other was first.
        form.refuse(ReferenceTaken(field="reference"))
        return _new_page(form), ReferenceTaken.status
    except (Invalid, Conflict) as error:
        form.refuse(error)
        return _new_page(form), error.status
    flash(gettext("%(customer)s is a customer now.", customer=form.name.data), "ok")
    return redirect(url_for("desk.customer", reference=reference), code=303)


@blueprint.get("/customers/<reference>/details")
@operator_required
def details(reference: str) -> str:
    customer = find_customer(reference)
    return _details_page(customer, CustomerForm.of(customer))


@blueprint.post("/customers/<reference>/details")
@operator_required
def change(reference: str) -> ResponseReturnValue:
    customer = find_customer(reference)
    form = CustomerForm()
    form.country.choices = countries()
    if not form.validate_on_submit():
        return _details_page(customer, form), 422
    try:
        in_unit_of_work(lambda: change_customer(find_customer(reference), form.facts()))
    except Invalid as error:
        form.refuse(error)
        return _details_page(find_customer(reference), form), error.status
    flash(gettext("Saved."), "ok")
    return redirect(url_for("desk.customer", reference=reference), code=303)


@blueprint.get("/customers/<reference>/limits")
@operator_required
def limits(reference: str) -> str:
    """How far below zero this customer may reserve, and how much is credited before it arrives."""
    customer = find_customer(reference)
    form = LimitsForm(
        formdata=None,
        overdraft=get_balance(customer.customer_id).overdraft_micros,
        provisional=customer.provisional_limit_micros,
    )
    return render_template("desk/customer_limits.html", customer=customer, form=form)


@blueprint.post("/customers/<reference>/limits")
@operator_required
def set_limits(reference: str) -> ResponseReturnValue:
    customer = find_customer(reference)
    form = LimitsForm()
    if not form.validate_on_submit():
        return render_template("desk/customer_limits.html", customer=customer, form=form), 422

    def save() -> None:
        set_overdraft(customer.customer_id, form.overdraft.data or 0)
        find_customer(reference).provisional_limit_micros = form.provisional.data or 0

    in_unit_of_work(save)
    flash(gettext("Saved."), "ok")
    return redirect(url_for("desk.customer", reference=reference), code=303)


def _open(form: NewCustomerForm) -> str:
    customer = open_account(form.facts() | {"reference": form.reference.data or ""})
    if form.invites.data:
        team.invite(customer.customer_id, customer.email, "owner", by=current_user)
    return customer.reference


def _new_page(form: NewCustomerForm) -> str:
    form.country.choices = countries()
    return render_template("desk/new_customer.html", form=form)


def _details_page(customer: Customer, form: CustomerForm) -> str:
    form.country.choices = countries()
    return render_template("desk/customer_details.html", customer=customer, form=form)

"""The form of an addressee, and its page: the same for the customer and for an operator."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from wtforms import BooleanField, EmailField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from app.customers import addressees
from app.customers.addressees import FIELDS, BillingAddressee
from app.customers.models import Customer
from app.customers.service import billing_email
from app.db import in_unit_of_work
from app.errors import AppError

ROLES: Final[dict[str, LazyString]] = {
    "payer": lazy_gettext("Payer"),
    "bookkeeper": lazy_gettext("Bookkeeper"),
    "other": lazy_gettext("Other"),
}
DELIVERIES: Final[dict[str, LazyString]] = {
    "documents": lazy_gettext("With PDF and e-invoice attached"),
    "notice": lazy_gettext("As a notice with a link"),
}
# Where this page and its forms are: by what they do, and to whom.
Address = Callable[[str, UUID | None], str]


def _strip(text: str | None) -> str | None:
    return text.strip() if text else text


class AddresseeForm(FlaskForm):
    email = EmailField(
        lazy_gettext("E-mail address"),
        filters=[_strip],
        validators=[DataRequired(lazy_gettext("Enter an e-mail address.")), Length(max=254)],
        render_kw={"maxlength": 254, "autocomplete": "off"},
    )
    name = StringField(
        lazy_gettext("Name"),
        filters=[_strip],
        validators=[Length(max=200)],
        render_kw={"maxlength": 200, "autocomplete": "off"},
    )
    role = SelectField(
        lazy_gettext("Who is it?"),
        choices=[SelectChoice(value, label) for value, label in ROLES.items()],
        default="bookkeeper",
    )
    locale = SelectField(
        lazy_gettext("Language"),
        choices=[
            SelectChoice("", lazy_gettext("As the customer's")),
            SelectChoice("nl", "Nederlands"),
            SelectChoice("en", "English"),
        ],
    )
    delivery = SelectField(
        lazy_gettext("How?"), choices=[SelectChoice(value, label) for value, label in DELIVERIES.items()]
    )
    invoices = BooleanField(lazy_gettext("Invoices and credit notes"))
    payments = BooleanField(lazy_gettext("Payments and reminders"))

    def facts(self) -> dict[str, Any]:
        return {name: getattr(self, name).data for name in FIELDS}


def page(customer: Customer, address: Address, layout: dict[str, Any], **shown: Any) -> str:
    """The list with its form: a new addressee, or the one that is being changed."""
    facts = {"form": AddresseeForm(formdata=None, invoices=True), "editing": None} | shown
    return render_template(
        "invoicing/addressees.html",
        customer=customer,
        own_email=billing_email(customer),
        addressees=addressees.addressees_of(customer.customer_id),
        bounces=addressees.bounces_of(customer.customer_id),
        address=address,
        roles=ROLES,
        deliveries=DELIVERIES,
        **layout,
        **facts,
    )


def edit_page(customer: Customer, addressee_id: UUID, address: Address, layout: dict[str, Any]) -> str:
    """Raises UnknownAddressee."""
    editing = addressees.find_addressee(customer.customer_id, addressee_id)
    form = AddresseeForm(formdata=None, obj=editing)
    form.locale.data = editing.locale or ""
    return page(customer, address, layout, form=form, editing=editing)


def save(
    customer: Customer, addressee_id: UUID | None, address: Address, layout: dict[str, Any]
) -> ResponseReturnValue:
    """Make or change an addressee as the form says; what is wrong is said beside its field."""
    customer_id, form = customer.customer_id, AddresseeForm()
    editing = addressees.find_addressee(customer_id, addressee_id) if addressee_id else None
    if not form.validate_on_submit():
        return page(customer, address, layout, form=form, editing=editing), 422
    try:
        in_unit_of_work(_save, customer_id, addressee_id, form.facts())
    except AppError as error:
        field = getattr(form, str(error.extra.get("field")), form.email)
        field.errors = [str(error.detail or error.title)]
        return page(customer, address, layout, form=form, editing=editing), error.status
    flash(gettext("The addressee is saved."), "ok")
    return redirect(address("show", None), code=303)


def delete(customer: Customer, addressee_id: UUID, address: Address) -> ResponseReturnValue:
    in_unit_of_work(addressees.remove, customer.customer_id, addressee_id)
    flash(gettext("The addressee is removed."), "ok")
    return redirect(address("show", None), code=303)


def _save(customer_id: int, addressee_id: UUID | None, facts: dict[str, Any]) -> BillingAddressee:
    if addressee_id is None:
        return addressees.add(customer_id, facts)
    return addressees.change(customer_id, addressee_id, facts)

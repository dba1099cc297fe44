"""The page on which a customer has invoices collected on their due date: which kinds, by whose authority."""

from typing import Final

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import BooleanField

from app.clock import utc_now
from app.customers.auth import customer_required, permitted
from app.db import in_unit_of_work
from app.errors import AppError
from invoicing import auto_pay
from invoicing.billing_terms import CHARGE_TYPES, ChargeType
from topups import consents
from topups import service as topups

blueprint = Blueprint(
    "auto_pay", __name__, url_prefix="/invoices/automatic-payment", template_folder="templates"
)
LABELS: Final[dict[ChargeType, LazyString]] = {
    "usage": lazy_gettext("Invoices of my usage"),
    "subscription": lazy_gettext("Invoices of subscriptions"),
    "one_off": lazy_gettext("Invoices of one-off charges"),
}


class AutoPayForm(FlaskForm):
    """What is collected, and the consent for it; the box starts empty."""

    usage = BooleanField(LABELS["usage"])
    subscription = BooleanField(LABELS["subscription"])
    one_off = BooleanField(LABELS["one_off"])
    consent = BooleanField()

    @property
    def chosen(self) -> frozenset[ChargeType]:
        return frozenset(kind for kind in CHARGE_TYPES if self[kind].data)


@blueprint.get("")
@customer_required
def show() -> str:
    """What is collected now, from which mandate."""
    chosen = auto_pay.choice_of(g.customer.customer_id).charge_types or frozenset(CHARGE_TYPES)
    return _page(AutoPayForm(formdata=None, data={kind: kind in chosen for kind in CHARGE_TYPES}))


@blueprint.post("")
@permitted("manage_methods")
def save() -> ResponseReturnValue:
    form = AutoPayForm()
    given_by = topups.GivenBy(ip_address=request.remote_addr, user_id=current_user.user_id)
    try:
        choice = in_unit_of_work(
            auto_pay.choose, g.customer.customer_id, form.chosen, given_by if form.consent.data else None
        )
    except AppError as error:
        message = str(error.detail or error.title)
        if error.extra.get("field") == "consent":
            form.consent.errors = [message]
        else:
            flash(message, "danger")
        return _page(form), error.status
    if choice:
        flash(gettext("Your choice is saved. Automatic payment is on."), "success")
    else:
        flash(gettext("Automatic payment is off."), "success")
    return redirect(url_for("auto_pay.show"))


@blueprint.post("/off")
@permitted("manage_methods")
def switch_off() -> ResponseReturnValue:
    in_unit_of_work(auto_pay.choose, g.customer.customer_id, (), None)
    flash(gettext("Automatic payment is off."), "success")
    return redirect(url_for("auto_pay.show"))


def _page(form: AutoPayForm) -> str:
    customer_id = g.customer.customer_id
    choice = auto_pay.choice_of(customer_id)
    methods = auto_pay.usable_methods(customer_id, utc_now())
    return render_template(
        "invoicing/auto_pay.html",
        form=form,
        choice=choice,
        labels=[LABELS[kind] for kind in CHARGE_TYPES if kind in choice.charge_types],
        method_label=topups.method_label(methods[0]) if methods else None,
        consent=consents.short_text("automatic_payment"),
        consent_text=consents.full_text("automatic_payment"),
    )

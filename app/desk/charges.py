"""The desk's pages of what is charged beside usage: plans, subscriptions, one-off charges, terms."""

import secrets
from typing import Any, Final, cast

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from app.customers.auth import operator_required
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.desk.charge_forms import ChargeForm, PlanForm, SubscriptionForm, TermsForm
from app.errors import AppError, NotFound
from app.i18n import translations_of
from invoicing import (
    billing_terms,
    charge_attachments,
    charges,
    plans,
    subscription_changes,
    subscription_pages,
    subscriptions,
    wording,
)
from invoicing.billing_terms import CHARGE_TYPES, ChargeType
from invoicing.charges import Billed, NewCharge
from invoicing.subscription_pages import ConfirmForm
from invoicing.subscription_steps import NothingChanges
from invoicing.subscriptions import NewSubscription
from invoicing.tax_rates import Product

blueprint = Blueprint("desk_charges", __name__, url_prefix="/desk", template_folder="templates")

SHOWN: Final = 25
Page = str | Response | tuple[str, int]


@blueprint.get("/plans")
@operator_required
def plans_listed() -> Page:
    """All plans; one of them may be opened to be changed."""
    opened = request.args.get("code")
    if opened is None:
        return _plans(PlanForm(formdata=None))
    plan = plans.find(opened)
    known = {"code": plan.code, "name_nl": plan.names["nl"], "name_en": plan.names["en"]}
    facts = plans.to_json(plan) | known
    facts.pop("name")
    return _plans(PlanForm(formdata=None, data=facts))


@blueprint.post("/plans")
@operator_required
def put_plan() -> Page:
    form = PlanForm()
    if not form.validate_on_submit():
        return _plans(form), 422
    facts = {
        "name": {"nl": form.name_nl.data, "en": form.name_en.data},
        "price": form.price.price,
        "interval": form.interval.data,
        "tax_category": form.tax_category.data,
        "offered": form.offered.data,
    }
    try:
        in_unit_of_work(lambda: plans.publish(form.code.data.strip(), facts)[1])
    except AppError as error:
        wrong = form[error.extra["field"]] if error.extra.get("field") in form else form.code
        wrong.errors = [str(error.detail or error.title)]
        return _plans(form), error.status
    flash(gettext("The plan has been saved."), "ok")
    return redirect(url_for("desk_charges.plans_listed"), code=303)


@blueprint.get("/customers/<reference>/charges")
@operator_required
def of_customer(reference: str) -> Page:
    """What a customer is charged beside usage, and the forms to add to it."""
    return _page(reference)


@blueprint.post("/customers/<reference>/charges/subscribe")
@operator_required
def subscribe(reference: str) -> Page:
    form = _subscription_form()
    if not form.validate_on_submit():
        return _page(reference, subscription_form=form), 422
    customer = find_customer(reference)
    try:
        wish = NewSubscription(
            plan_code=form.plan.data,
            quantity=form.quantity.data,
            starts_on=form.start.data,
            own_price=plans.read_price(form.own_price.price) if form.own_price.price else None,
            request_key=f"desk-{form.token.data}",
            agreed_by=_who(),
        )
        in_unit_of_work(lambda: subscriptions.start(customer, wish).subscription_id)
    except AppError as error:
        form.plan.errors = [str(error.detail or error.title)]
        return _page(reference, subscription_form=form), error.status
    flash(gettext("The subscription has been added."), "ok")
    return redirect(url_for("desk_charges.of_customer", reference=reference), code=303)


@blueprint.post("/customers/<reference>/charges/add")
@operator_required
def charge(reference: str) -> Page:
    form = ChargeForm()
    if not form.validate_on_submit():
        return _page(reference, charge_form=form), 422
    customer = find_customer(reference)
    try:
        file = form.attachment.data
        wish = NewCharge(
            description=form.description.data,
            charged_on=form.charged_on.data,
            net_cents=form.net_cents,
            product=cast("Product", form.tax_category.data),
            billed=cast("Billed", form.billed.data),
            attachment=charge_attachments.read(file.filename, file.stream) if file else None,
            request_key=f"desk-{form.token.data}",
            created_by=_who(),
        )
        in_unit_of_work(lambda: charges.add(customer, wish).charge_id)
    except AppError as error:
        wrong = form[error.extra["field"]] if error.extra.get("field") in form else form.description
        wrong.errors = [str(error.detail or error.title)]
        return _page(reference, charge_form=form), error.status
    flash(gettext("The charge has been added."), "ok")
    return redirect(url_for("desk_charges.of_customer", reference=reference), code=303)


@blueprint.post("/customers/<reference>/charges/<charge_id>/withdraw")
@operator_required
def withdraw(reference: str, charge_id: str) -> Page:
    try:
        in_unit_of_work(lambda: charges.withdraw(find_customer(reference).customer_id, charge_id).charge_id)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("The charge has been withdrawn."), "ok")
    return redirect(url_for("desk_charges.of_customer", reference=reference), code=303)


@blueprint.get("/customers/<reference>/charges/<charge_id>/attachment")
@operator_required
def attachment(reference: str, charge_id: str) -> Response:
    found = charges.find(find_customer(reference).customer_id, charge_id)
    return charge_attachments.answer(found.customer_id, found.charge_id)


@blueprint.post("/customers/<reference>/terms/<charge_type>")
@operator_required
def set_terms(reference: str, charge_type: str) -> Page:
    kind = next((known for known in CHARGE_TYPES if known == charge_type), None)
    if kind is None:
        raise NotFound
    form = TermsForm(prefix=kind)
    facts = {"term_days": form.term_days.data}
    if kind != "usage":
        facts |= {
            "is_separate": form.documents.data == "separate",
            "uses_balance": bool(form.uses_balance.data),
        }
    if form.term_days.validate(form):
        in_unit_of_work(billing_terms.set_terms, find_customer(reference).customer_id, kind, facts)
        flash(gettext("The terms have been saved."), "ok")
    else:
        flash(str(form.term_days.errors[0]), "danger")
    return redirect(url_for("desk_charges.of_customer", reference=reference), code=303)


@blueprint.get("/customers/<reference>/subscriptions/<subscription_id>")
@operator_required
def subscription(reference: str, subscription_id: str) -> Page:
    row = subscription_pages.row(find_customer(reference), subscription_id)
    return render_template(
        "desk/subscription.html",
        reference=reference,
        row=row,
        form=subscription_pages.change_form(row),
        token=secrets.token_hex(16),
        p=subscription_pages,
        w=wording,
    )


@blueprint.get("/customers/<reference>/subscriptions/<subscription_id>/preview")
@operator_required
def preview(reference: str, subscription_id: str) -> Page:
    """What a change gives back and costs, before it is confirmed: what the customer would see."""
    customer = find_customer(reference)
    row = subscription_pages.row(customer, subscription_id)
    wish = subscription_pages.wish_of(request.args)
    try:
        if wish is None:
            raise NothingChanges
        quote = subscription_changes.quote(customer, row.subscription, wish, row.terms)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return redirect(_address(reference, subscription_id))
    return render_template(
        "desk/subscription_preview.html",
        reference=reference,
        row=row,
        quote=quote,
        cancels=quote.ends_on is not None,
        form=subscription_pages.confirm_form(request.args, quote, secrets.token_hex(16)),
        p=subscription_pages,
        w=wording,
    )


@blueprint.post("/customers/<reference>/subscriptions/<subscription_id>/confirm")
@operator_required
def confirm(reference: str, subscription_id: str) -> Page:
    form, wish = ConfirmForm(), subscription_pages.wish_of(request.form)
    if form.validate_on_submit() and wish is not None:
        try:
            in_unit_of_work(
                subscription_changes.carry_out,
                find_customer(reference),
                subscription_id,
                wish,
                request_key=f"desk-{form.token.data}",
                agreed_by=_who(),
                shown=form.shown,
            )
        except AppError as error:
            flash(str(error.detail or error.title), "danger")
        else:
            flash(gettext("This has been agreed. What it comes to is being mailed."), "ok")
    return redirect(_address(reference, subscription_id), code=303)


@blueprint.post("/customers/<reference>/subscriptions/<subscription_id>/resume")
@operator_required
def resume(reference: str, subscription_id: str) -> Page:
    try:
        in_unit_of_work(
            subscription_changes.resume,
            find_customer(reference),
            subscription_id,
            request_key=f"desk-{request.form.get('token', '')[:64]}",
            agreed_by=_who(),
        )
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("The subscription goes on."), "ok")
    return redirect(_address(reference, subscription_id), code=303)


def _address(reference: str, subscription_id: str) -> str:
    return url_for("desk_charges.subscription", reference=reference, subscription_id=subscription_id)


def _who() -> str:
    return str(current_user.email)


def _plans(form: PlanForm) -> str:
    return render_template("desk/plans.html", plans=plans.listed(), form=form, p=subscription_pages)


def _subscription_form(*, empty: bool = False) -> SubscriptionForm:
    start = {"start": subscriptions.today(), "token": secrets.token_hex(16)}
    form = SubscriptionForm(formdata=None, data=start) if empty else SubscriptionForm()
    form.plan.choices = [
        (
            plan.code,
            f"{translations_of(plan.names)}, {subscription_pages.price_text(plan.price, plan.interval)}",
        )
        for plan in plans.listed(only_offered=True)
    ]
    return form


def _page(
    reference: str,
    *,
    subscription_form: SubscriptionForm | None = None,
    charge_form: ChargeForm | None = None,
) -> str:
    customer = find_customer(reference)
    found, _more = charges.listed(customer.customer_id, limit=SHOWN)
    terms = billing_terms.all_terms(customer.customer_id)
    facts: dict[str, Any] = {"charged_on": charges.today(), "token": secrets.token_hex(16)}
    facts["billed"] = "at_once" if terms["one_off"].is_separate else "next_invoice"
    return render_template(
        "desk/charges.html",
        customer=customer,
        rows=subscription_pages.rows(customer),
        charges=found,
        status_of=charges.status_of,
        numbers=charges.numbers_of(customer.customer_id, found),
        files=charge_attachments.names_of(customer.customer_id, [one.charge_id for one in found]),
        subscription_form=subscription_form or _subscription_form(empty=True),
        charge_form=charge_form or ChargeForm(formdata=None, data=facts),
        terms_forms=[(kind, _terms_form(kind, terms[kind])) for kind in CHARGE_TYPES],
        p=subscription_pages,
        w=wording,
    )


def _terms_form(kind: ChargeType, terms: billing_terms.Terms) -> TermsForm:
    return TermsForm(formdata=None, prefix=kind, data=billing_terms.to_json(terms))

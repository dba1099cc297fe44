"""The customer's account: details, which mails one gets, which customer one acts for, and leaving."""

from typing import cast

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from app.customers import closing, mailing
from app.customers.auth import customer_required, customers_of, permitted
from app.customers.models import User
from app.customers.service import change_customer, get_customer
from app.db import in_unit_of_work
from app.errors import AppError, Invalid, NotFound
from app.i18n import countries
from app.portal.account_forms import ClosingForm, DetailsForm, TopicsForm
from app.portal.links import link
from invoicing import vat_numbers
from topups import service as topups

blueprint = Blueprint("account", __name__, url_prefix="/account", template_folder="templates")


@blueprint.get("")
@customer_required
def show() -> str:
    customer = g.customer
    form = DetailsForm(
        formdata=None,
        name=customer.name,
        line1=customer.address_line1,
        postal_code=customer.postal_code,
        city=customer.city,
        country=customer.country,
        vat_number=customer.vat_number or "",
        purchase_order=customer.purchase_order or "",
        locale=customer.locale,
    )
    return _page(form)


@blueprint.post("")
@permitted("manage_account")
def save() -> ResponseReturnValue:
    form = DetailsForm()
    form.country.choices = countries()
    if not form.validate_on_submit():
        return _page(form), 422
    facts = {
        "name": form.name.data or "",
        "country": form.country.data,
        "locale": form.locale.data,
        "purchase_order": form.purchase_order.data or None,
        "address": {
            "line1": form.line1.data or "",
            "postal_code": form.postal_code.data or "",
            "city": form.city.data or "",
        },
    }
    if g.customer.kind == "business":
        facts["vat_number"] = form.vat_number.data or None
    customer_id = g.customer.customer_id
    try:
        in_unit_of_work(lambda: change_customer(get_customer(customer_id), facts))
    except Invalid as error:
        field = form[str(error.extra["field"])] if error.extra.get("field") in form else form.line1
        field.errors = [*field.errors, str(error.detail)]
        return _page(form), error.status
    flash(gettext("Your details are saved."), "ok")
    return redirect(url_for("account.show"), code=303)


@blueprint.post("/notifications")
@customer_required
def choose_mails() -> ResponseReturnValue:
    """One's own choice, whatever one's role."""
    topics = request.form.getlist("topics")
    in_unit_of_work(mailing.choose, g.customer.customer_id, current_user.user_id, topics)
    flash(gettext("Your choice is saved."), "ok")
    return redirect(url_for("account.show"), code=303)


@blueprint.post("/switch")
@customer_required
def switch() -> ResponseReturnValue:
    """Act for another of one's customers from now on."""
    chosen = request.form.get("reference", "")
    mine = {customer.reference: customer for customer, _ in customers_of(cast("User", current_user))}
    if chosen not in mine:
        raise NotFound
    session["customer_id"] = mine[chosen].customer_id
    return redirect(url_for("portal.home"), code=303)


@blueprint.get("/closing")
@permitted("manage_account")
def leave() -> str:
    """What closing would do, before it is asked."""
    return _closing_page(ClosingForm())


@blueprint.post("/closing")
@permitted("manage_account")
def ask_to_leave() -> ResponseReturnValue:
    form = ClosingForm()
    if not form.validate_on_submit():
        return _closing_page(form), 422
    in_unit_of_work(closing.ask, g.customer, form.reason.data or "", by=current_user)
    flash(gettext("We have your request. You hear from us within two working days."), "ok")
    return redirect(url_for("account.leave"), code=303)


@blueprint.post("/closing/withdraw")
@permitted("manage_account")
def stay() -> ResponseReturnValue:
    in_unit_of_work(closing.withdraw, g.customer.customer_id)
    flash(gettext("Your request is withdrawn. Nothing has changed."), "ok")
    return redirect(url_for("account.show"), code=303)


def _page(form: DetailsForm) -> str:
    form.country.choices = countries()
    topics = TopicsForm(formdata=None, topics=mailing.topics_of(g.customer.customer_id, current_user.user_id))
    topics.topics.choices = [(topic, str(label)) for topic, label in mailing.TOPICS.items()]
    return render_template(
        "portal/account.html",
        form=form,
        topics=topics,
        customer=g.customer,
        vat=vat_numbers.standing_of(g.customer),
        others=[c for c, _ in customers_of(cast("User", current_user)) if c is not g.customer],
        alerts_url=link("alerts.show"),
        addressees_url=link("addressees.show"),
    )


def _closing_page(form: ClosingForm) -> str:
    prospect = topups.leaving_prospect(g.customer.customer_id)
    obstacle: AppError | None = prospect.obstacle
    return render_template(
        "portal/account_closing.html",
        form=form,
        prospect=prospect,
        obstacle=str(obstacle.detail or obstacle.title) if obstacle else None,
        wish=closing.wish_of(g.customer.customer_id),
    )

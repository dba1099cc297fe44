"""Pages of a forgotten password: asking for the link, and the link's own page."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.customers import passwords
from app.customers.forms import AddressForm, ChoosePasswordForm
from app.customers.views import count_visitor
from app.db import in_unit_of_work, unit_of_work
from app.errors import Invalid

blueprint = Blueprint("passwords", __name__, url_prefix="/password", template_folder="templates")


@blueprint.route("/forgotten", methods=["GET", "POST"])
def ask() -> ResponseReturnValue:
    """Asks for the address. The answer is the same whether or not it is known."""
    form = AddressForm()
    if form.validate_on_submit():
        count_visitor()
        with unit_of_work():
            passwords.send_link(form.email.data)
        return render_template("customers/password_sent.html", address=form.email.data)
    return render_template("customers/password_ask.html", form=form)


@blueprint.route("/choose/<token>", methods=["GET", "POST"])
def choose(token: str) -> ResponseReturnValue:
    """Looking at the page uses nothing up: mail programs do that too."""
    passwords.find_link(token)
    form = ChoosePasswordForm()
    if form.validate_on_submit():
        try:
            in_unit_of_work(passwords.choose_by_link, token, form.password.data)
        except Invalid as error:
            form.password.errors = [str(error.detail)]
        else:
            flash(gettext("Your password is changed. Sign in with the new one."), "ok")
            return redirect(url_for("customers.sign_in"), code=303)
    return render_template("customers/password_choose.html", form=form, token=token)

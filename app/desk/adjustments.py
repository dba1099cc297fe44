"""The desk's pages of adjustments: asking for one with a reason, approving what a colleague asked for."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import DateField, HiddenField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, Optional, ValidationError

from app.config import settings
from app.customers.auth import operator_required
from app.customers.models import User
from app.customers.service import find_customer, get_customers
from app.customers.staff import people
from app.db import in_unit_of_work
from app.errors import AppError
from app.ledger import adjustments
from app.ledger.adjustment_models import Adjustment
from app.ledger.adjustments import Wish
from app.ledger.service import get_balance
from topups.forms import MoneyField

blueprint = Blueprint("desk_adjustments", __name__, url_prefix="/desk", template_folder="templates")

WAYS: Final[dict[str, LazyString]] = {
    "add": lazy_gettext("Add to the balance"),
    "take": lazy_gettext("Take off the balance"),
    "grant": lazy_gettext("Give promotional credit"),
}
STATUSES: Final[dict[str, tuple[str, LazyString]]] = {
    "pending": ("look", lazy_gettext("To be approved")),
    "done": ("ok", lazy_gettext("Done")),
    "declined": ("quiet", lazy_gettext("Declined")),
}


class AdjustmentForm(FlaskForm):
    """`token` is made with the page: sending the same page twice makes one adjustment."""

    way = RadioField(
        lazy_gettext("What is to happen?"),
        choices=[SelectChoice(way, text) for way, text in WAYS.items()],
        default="add",
    )
    amount = MoneyField(lazy_gettext("Amount"))
    expires_on = DateField(
        lazy_gettext("Promotional credit is good until and including"),
        description=lazy_gettext("Leave it empty if it does not expire."),
        validators=[Optional()],
    )
    reason = StringField(
        lazy_gettext("Why?"),
        description=lazy_gettext("Your colleagues read this, and it stands in the audit log."),
        filters=[lambda text: text.strip() if text else text],
        validators=[
            DataRequired(lazy_gettext("Say why.")),
            Length(max=200, message=lazy_gettext("Use at most 200 characters.")),
        ],
        render_kw={"maxlength": 200, "autocomplete": "off"},
    )
    token = HiddenField(validators=[DataRequired(), Length(max=64)])

    def validate_amount(self, field: MoneyField) -> None:
        if not field.data or field.data < 0:
            raise ValidationError(str(lazy_gettext("Enter an amount such as 25.00.")))

    def wish(self, customer_id: int) -> Wish:
        amount = self.amount.data or 0
        last = self.expires_on.data
        end = datetime.combine(last + timedelta(days=1), time(), settings().timezone) if last else None
        gives = self.way.data == "grant"
        return Wish(
            customer_id=customer_id,
            kind="grant" if gives else "balance",
            amount_micros=-amount if self.way.data == "take" else amount,
            reason=self.reason.data or "",
            request_key=self.token.data or "",
            expires_at=end.astimezone(UTC) if end and gives else None,
        )


@blueprint.get("/customers/<reference>/adjust")
@operator_required
def adjust(reference: str) -> str:
    return _page(reference, AdjustmentForm(formdata=None, token=secrets.token_hex(16)))


@blueprint.post("/customers/<reference>/adjust")
@operator_required
def request_adjustment(reference: str) -> Response | tuple[str, int]:
    """At once up to the limit; above it somebody else approves."""
    customer = find_customer(reference)
    form = AdjustmentForm()
    if not form.validate_on_submit():
        return _page(reference, form), 422
    wish, user_id = form.wish(customer.customer_id), current_user.user_id
    try:
        status = in_unit_of_work(lambda: adjustments.request(wish, by_user_id=user_id).status)
    except AppError as error:
        field = form.expires_on if error.extra.get("field") == "expires_on" else form.amount
        field.errors = [str(error.detail or error.title)]
        return _page(reference, form), error.status
    if status == "pending":
        flash(gettext("This is above your limit: somebody else must approve it."), "look")
    else:
        flash(gettext("The adjustment is done."), "ok")
    return redirect(url_for("desk_adjustments.adjust", reference=reference), code=303)


@blueprint.get("/approvals")
@operator_required
def approvals() -> str:
    """What waits for a second person, and what was decided lately."""
    waiting, decided = adjustments.pending(), adjustments.decided()
    return render_template(
        "desk/approvals.html",
        waiting=waiting,
        decided=decided,
        customers=get_customers({one.customer_id for one in (*waiting, *decided)}),
        people=_people_of((*waiting, *decided)),
        statuses=STATUSES,
    )


@blueprint.post("/approvals/<adjustment_id>/approve")
@operator_required
def approve(adjustment_id: str) -> Response:
    user_id = current_user.user_id
    try:
        in_unit_of_work(lambda: adjustments.approve(adjustment_id, by_user_id=user_id).status)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("Approved: the adjustment is done."), "ok")
    return redirect(url_for("desk_adjustments.approvals"), code=303)


@blueprint.post("/approvals/<adjustment_id>/decline")
@operator_required
def decline(adjustment_id: str) -> Response:
    user_id = current_user.user_id
    try:
        in_unit_of_work(lambda: adjustments.decline(adjustment_id, by_user_id=user_id).status)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
    else:
        flash(gettext("Declined: nothing has changed."), "ok")
    return redirect(url_for("desk_adjustments.approvals"), code=303)


def _people_of(found: Iterable[Adjustment]) -> dict[int, User]:
    ids = {one.requested_by_user_id for one in found} | {one.decided_by_user_id or 0 for one in found}
    return people(ids - {0})


def _page(reference: str, form: AdjustmentForm) -> str:
    customer = find_customer(reference)
    made = adjustments.of_customer(customer.customer_id)
    return render_template(
        "desk/adjust.html",
        form=form,
        customer=customer,
        balance=get_balance(customer.customer_id),
        made=made,
        people=_people_of(made),
        statuses=STATUSES,
        limit_micros=settings().adjustment_limit_micros,
    )

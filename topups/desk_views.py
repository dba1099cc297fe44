"""The desk's pages of payments: what a customer paid, and sending it back. For operators alone."""

import secrets
from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.customers.auth import operator_required
from app.customers.service import find_customer, get_customer
from app.errors import AppError
from app.i18n import money
from app.ledger.service import get_balance
from topups import service
from topups.forms import RefundForm

blueprint = Blueprint("desk_top_ups", __name__, url_prefix="/desk", template_folder="templates")

PAGE: Final = 50


@blueprint.get("/customers/<reference>/payments")
@operator_required
def listed(reference: str) -> str:
    """A customer's payments, the newest first."""
    customer = find_customer(reference)
    before = request.args.get("before")
    found = service.top_ups(customer.customer_id, before_id=before, limit=PAGE + 1)
    shown = found[:PAGE]
    return render_template(
        "topups/desk_payments.html",
        customer=customer,
        payments=shown,
        statuses=service.STATUSES,
        method_name=service.method_name,
        older=shown[-1].top_up_id if len(found) > PAGE else None,
    )


@blueprint.get("/payments/<top_up_id>")
@operator_required
def payment(top_up_id: str) -> str:
    """One payment with its refunds, and the form to refund what is left of it."""
    found = service.find_top_up(top_up_id)
    return _payment_page(found, RefundForm(formdata=None, amount=service.refundable_micros(found)))


@blueprint.post("/payments/<top_up_id>/refund")
@operator_required
def refund(top_up_id: str) -> ResponseReturnValue:
    """Send money back; a page sent twice makes one refund."""
    found = service.find_top_up(top_up_id)
    form = RefundForm()
    with_fee = "with_fee" in request.form
    if with_fee:
        # The whole payment goes back, whatever the field beside the other button says.
        form.amount.process_data(None)
        form.amount.validators = ()
    if not form.validate_on_submit():
        return _payment_page(found, form), 422
    wish = service.RefundWish(
        top_up_id=top_up_id,
        request_key=f"desk:{form.token.data}",
        amount_micros=None if with_fee else form.amount.data,
        with_fee=with_fee,
        forced=bool(form.forced.data),
    )
    try:
        made = service.request_refund(wish)
    except AppError as error:
        form.amount.errors = [str(error.detail or error.title)]
        return _payment_page(service.find_top_up(top_up_id), form), error.status
    flash(gettext("%(amount)s is on its way back.", amount=money(made.amount_micros)), "success")
    return redirect(url_for("desk_top_ups.payment", top_up_id=top_up_id), code=303)


def _payment_page(found: service.TopUp, form: RefundForm) -> str:
    form.token.data = secrets.token_hex(16)
    form.token.raw_data = None
    return render_template(
        "topups/desk_payment.html",
        form=form,
        top_up=found,
        customer=get_customer(found.customer_id),
        refunds=service.refunds_of(found),
        refundable_micros=service.refundable_micros(found),
        whole_micros=service.refundable_micros(found, with_fee=True),
        spare_micros=service.spare_micros(get_balance(found.customer_id)),
        statuses=service.STATUSES,
        refund_statuses=service.REFUND_STATUSES,
        method_name=service.method_name(found.method),
        failure=service.failure_text(found) if found.status in service.LOST else None,
    )

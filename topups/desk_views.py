"""The desk's pages of payments: what a customer paid, and sending it back. For operators alone."""

import secrets
from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from app.customers.auth import operator_required
from app.customers.service import find_customer, get_customer, get_customers
from app.errors import AppError
from app.i18n import money
from app.ledger.service import get_balance
from app.tables import Order
from topups import all_payments, service
from topups.all_payments import PROBLEMS, Show
from topups.forms import RefundForm
from topups.gateway import NoAnswer
from topups.states import ENDED

blueprint = Blueprint("desk_top_ups", __name__, url_prefix="/desk", template_folder="templates")

PAGE: Final = 50
MOST_PAGES: Final = 200
TABS: Final[dict[Show, LazyString]] = {
    "unclear": lazy_gettext("Unclear"),
    "under_way": lazy_gettext("In progress"),
    "received": lazy_gettext("Received"),
    "failed": lazy_gettext("Failed"),
    "taken_back": lazy_gettext("Charged back"),
}


@blueprint.get("/payments")
@operator_required
def every() -> ResponseReturnValue:
    """All customers' payments, by what is the matter; one is found by its reference."""
    search = request.args.get("search", "").strip()[:64]
    found = all_payments.by_reference(search) if search else None
    if found is not None:
        return redirect(url_for("desk_top_ups.payment", top_up_id=found.top_up_id))
    waiting = all_payments.unclear_count()
    asked = request.args.get("show", "unclear" if waiting else "received")
    show: Show = next((tab for tab in TABS if tab == asked), "received")
    page = min(max(1, request.args.get("page", 1, type=int)), MOST_PAGES)
    payments = all_payments.listed(show, skip=(page - 1) * PAGE, limit=PAGE + 1)
    return render_template(
        "topups/desk_all_payments.html",
        payments=payments[:PAGE],
        customers=get_customers({one.customer_id for one in payments}),
        more=len(payments) > PAGE and page < MOST_PAGES,
        page=page,
        show=show,
        tabs=TABS,
        waiting=waiting,
        search=search,
        statuses=service.STATUSES,
        problems=PROBLEMS,
        method_name=service.method_name,
        failure_text=service.failure_text,
    )


@blueprint.get("/customers/<reference>/payments")
@operator_required
def listed(reference: str) -> str:
    """A customer's payments, the newest first unless sorted otherwise."""
    customer = find_customer(reference)
    before = request.args.get("before")
    order = Order.asked(service.COLUMNS, request.args.get("sort"))
    found = service.top_ups(customer.customer_id, before_id=before, limit=PAGE + 1, order=order)
    shown = found[:PAGE]
    return render_template(
        "topups/desk_payments.html",
        customer=customer,
        payments=shown,
        statuses=service.STATUSES,
        method_name=service.method_name,
        order=order,
        before=before,
        older=shown[-1].top_up_id if len(found) > PAGE else None,
    )


@blueprint.get("/payments/<top_up_id>")
@operator_required
def payment(top_up_id: str) -> str:
    """One payment with its refunds, and the form to refund what is left of it."""
    found = service.find_top_up(top_up_id)
    return _payment_page(found, RefundForm(formdata=None, amount=service.refundable_micros(found)))


@blueprint.post("/payments/<top_up_id>/look")
@operator_required
def look(top_up_id: str) -> ResponseReturnValue:
    """Ask Mollie now what has become of a payment; again is harmless."""
    before = service.find_top_up(top_up_id).status
    try:
        after = service.sync_payment(top_up_id).status
    except NoAnswer:
        flash(gettext("Mollie does not answer. Try again in a moment."), "danger")
    else:
        changed = after is not before
        flash(gettext("The payment has moved on.") if changed else gettext("Nothing has changed."), "info")
    return redirect(url_for("desk_top_ups.payment", top_up_id=top_up_id), code=303)


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
        problem=PROBLEMS.get(found.problem) if found.problem else None,
        may_look=found.status not in ENDED or found.problem is not None,
    )

"""Pages on which a customer pays: one invoice or several, whole or in part, with the fee shown before."""

from dataclasses import dataclass

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from app.customers.auth import permitted
from app.customers.roles import require
from app.errors import AppError, NotFound
from invoicing import paying, service
from invoicing.pay_form import PayForm
from invoicing.paying import PayWish
from invoicing.payment_orders import MOST_AT_ONCE, Payable
from topups import consents, fee_page
from topups import service as topups
from topups.errors import FeeNotAccepted

blueprint = Blueprint("paying", __name__, url_prefix="/invoices/pay", template_folder="templates")
_ENDED = frozenset({topups.Status.PAID}) | topups.LOST


@dataclass(frozen=True, slots=True)
class Selection:
    """What the page pays, the oldest first."""

    payables: list[Payable]

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(one.invoice.number for one in self.payables)

    @property
    def most_micros(self) -> int:
        return sum(one.micros for one in self.payables)

    @property
    def under_way_micros(self) -> int:
        return sum(one.under_way_micros for one in self.payables)


@blueprint.get("")
@permitted("pay")
def show() -> ResponseReturnValue:
    """What is paid, how much of it, and how."""
    if not request.args.getlist("invoice"):
        flash(gettext("Choose the invoices that you want to pay."), "message")
        return redirect(url_for("invoicing.invoices", show="open"))
    return _page(_selection(request.args.getlist("invoice")), PayForm(formdata=None))


@blueprint.post("")
@permitted("pay")
def start() -> ResponseReturnValue:
    """Charge the mandate, or go on to the checkout; a page sent twice makes one payment."""
    selection = _selection(request.form.getlist("invoice"))
    form = PayForm()
    if not form.validate_on_submit():
        return _page(selection, form), 422
    if form.save_method.data:
        require("manage_methods")
    try:
        made = _pay(selection, form)
    except FeeNotAccepted:
        return _fee_page(selection, form)
    except AppError as error:
        _explain(form, error)
        return _page(selection, form), error.status
    if made.checkout_url is not None and made.status not in _ENDED:
        return redirect(made.checkout_url)
    return redirect(url_for("topups.payment", top_up_id=made.top_up_id))


def _pay(selection: Selection, form: PayForm) -> topups.TopUp:
    return paying.pay(
        g.customer,
        PayWish(
            numbers=selection.numbers,
            request_key=f"invoice-form:{form.token.data}",
            amount_micros=form.amount.data,
            method=form.checkout_method,
            payment_method_id=form.payment_method_id,
            accepted_fee_micros=form.accepted_fee_micros,
            save_method=bool(form.save_method.data) and form.payment_method_id is None,
            consent_by=topups.GivenBy(ip_address=request.remote_addr, user_id=current_user.user_id)
            if form.save_method.data
            else None,
        ),
    )


def _selection(numbers: list[str]) -> Selection:
    """Raises UnknownInvoice, also for another customer's; NotFound for what is no selection at all."""
    wanted = sorted(set(numbers))
    if not 1 <= len(wanted) <= MOST_AT_ONCE or not all(map(service.is_number, wanted)):
        raise NotFound
    customer_id = g.customer.customer_id
    return Selection(paying.payables(customer_id, service.find_all(wanted, customer_id)))


def _page(selection: Selection, form: PayForm) -> str:
    form.offer(g.customer, selection.payables)
    return render_template(
        "invoicing/pay.html",
        selection=selection,
        form=form,
        consent=consents.short_text("save_method"),
        consent_text=consents.full_text("save_method"),
    )


def _fee_page(selection: Selection, form: PayForm) -> str:
    """What paying this way costs."""
    method = form.checkout_method
    if form.payment_method_id is not None:
        method = topups.find_method(g.customer.customer_id, form.payment_method_id).method
    offered = fee_page.offer(g.customer, method, form.amount.data or 0)
    numbers = selection.numbers
    what = (
        gettext("Paid on your invoices")
        if len(numbers) > 1
        else gettext("Paid on invoice %(number)s", number=numbers[0])
    )
    return fee_page.page(
        offered,
        what=what,
        action=url_for("paying.start"),
        back=url_for("paying.show", invoice=numbers),
        fields=[*(("invoice", number) for number in numbers), *fee_page.fields_of(form, offered)],
    )


def _explain(form: PayForm, error: AppError) -> None:
    """The refusal beside the field it is about, else above the form."""
    field = getattr(form, str(error.extra.get("field")), None)
    message = str(error.detail or error.title)
    if field is not None and hasattr(field, "errors"):
        field.errors = [*field.errors, message]
    else:
        flash(message, "danger")

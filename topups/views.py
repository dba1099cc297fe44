"""Pages for the customer: top up, the payment's own page, automatic top-up, payment methods."""

import secrets
from typing import Any, Final, Literal

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext, lazy_gettext
from flask_login import current_user

from app.config import settings
from app.customers.auth import customer_required, permitted
from app.customers.roles import require
from app.db import in_unit_of_work
from app.errors import AppError
from app.ledger.service import get_balance
from topups import consents, decision_log, fee_page, gateway, service
from topups.amounts import parse_amount
from topups.decisions import Rule
from topups.errors import FeeNotAccepted
from topups.forms import RuleForm, TopUpForm
from topups.preview import Preview, preview
from topups.refunds_api import receipt_response
from topups.sentences import rule_sentence
from topups.states import ENDED, LOST, UNANSWERED
from topups.summary import decision_line

blueprint = Blueprint("topups", __name__, template_folder="templates")

PRESETS_MICROS: Final = (25_000_000, 50_000_000, 100_000_000)
REFRESH_SECONDS: Final = 3
SLOW_REFRESH_SECONDS: Final = 30
_PAYMENT_METHOD = "mandate:"


@blueprint.get("/top-up")
@customer_required
def top_up() -> str:
    """Choose amount and method."""
    asked = parse_amount(request.args.get("amount", ""))
    form = TopUpForm(formdata=None, amount=asked or settings().top_up_default_micros)
    return _top_up_page(form)


@blueprint.post("/top-up")
@permitted("pay")
def start_top_up() -> ResponseReturnValue:
    """Make the payment and send the payer to the checkout; a page sent twice makes one payment."""
    form = TopUpForm()
    if not form.validate_on_submit():
        return _top_up_page(form), 422
    if form.save_method.data:
        require("manage_methods")
    try:
        made = _pay(form)
    except FeeNotAccepted:
        return _fee_page(form)
    except AppError as error:
        _explain(form, error)
        return _top_up_page(form), error.status
    if made.checkout_url is not None and made.status not in ENDED:
        return redirect(made.checkout_url)
    return redirect(url_for("topups.payment", top_up_id=made.top_up_id))


@blueprint.get("/top-up/<top_up_id>")
@customer_required
def payment(top_up_id: str) -> str:
    """Where a payer comes back to: what is so, and what comes next. Success is never inferred."""
    customer_id = g.customer.customer_id
    found = service.look_again(service.find_top_up(top_up_id, customer_id))
    turns = min(request.args.get("turn", 0, type=int), 1000)
    rule = service.find_rule(customer_id)
    return render_template(
        "topups/payment.html",
        top_up=found,
        ended=found.status in ENDED,
        lost=found.status in LOST,
        waiting_for_payer=found.status is service.Status.OPEN,
        unanswered=found.status in UNANSWERED,
        method_name=service.method_name(found.method),
        failure=service.failure_text(found) if found.status in LOST else None,
        balance_micros=get_balance(customer_id).available_micros,
        refresh_seconds=REFRESH_SECONDS if turns < 40 else SLOW_REFRESH_SECONDS,
        turn=turns + 1,
        automatic_on=rule is not None and rule.enabled,
    )


@blueprint.get("/top-up/<top_up_id>/receipt.pdf")
@customer_required
def receipt(top_up_id: str) -> ResponseReturnValue:
    return receipt_response(service.find_receipt(service.find_top_up(top_up_id, g.customer.customer_id)))


@blueprint.get("/automatic-top-up")
@customer_required
def auto_top_up() -> str:
    """The rule as a sentence, its form, this month, the last decisions."""
    row = service.find_rule(g.customer.customer_id)
    fill = request.args.get("fill") or ("target" if row is not None and row.target_micros else "amount")
    form = RuleForm(
        formdata=None,
        fill=fill if fill == "target" else "amount",
        threshold=row.threshold_micros if row else 10_000_000,
        amount=(row.amount_micros if row else None) or settings().top_up_default_micros,
        target=(row.target_micros if row else None) or 50_000_000,
        monthly_maximum=row.monthly_maximum_micros if row else settings().auto_monthly_maximum_default_micros,
        calendar_amount=row.calendar_micros if row else None,
    )
    return _auto_page(form)


@blueprint.post("/automatic-top-up")
@permitted("manage_methods")
def save_auto_top_up() -> ResponseReturnValue:
    form = RuleForm()
    if not form.validate_on_submit():
        return _auto_page(form), 422
    wish = service.RuleWish(
        enabled=True,
        threshold_micros=form.threshold.data or 0,
        amount_micros=None if form.by_target else form.amount.data,
        target_micros=form.target.data if form.by_target else None,
        monthly_maximum_micros=form.monthly_maximum.data or 0,
        calendar_micros=form.calendar_amount.data,
        consent_by=_given_by(),
    )
    try:
        in_unit_of_work(service.save_rule, g.customer.customer_id, wish)
    except AppError as error:
        _explain(form, error)
        return _auto_page(form), error.status
    flash(gettext("Your rule is saved. Automatic top-up is on."), "success")
    if not form.by_target and (form.amount.data or 0) < (form.threshold.data or 0):
        flash(
            gettext("The top-up amount is below the threshold, so one top-up may not be enough."), "warning"
        )
    return redirect(url_for("topups.auto_top_up"))


@blueprint.post("/automatic-top-up/off")
@permitted("manage_methods")
def switch_off() -> ResponseReturnValue:
    in_unit_of_work(service.switch_off, g.customer.customer_id)
    flash(gettext("Automatic top-up is off."), "success")
    return redirect(url_for("topups.auto_top_up"))


@blueprint.post("/automatic-top-up/resume")
@permitted("manage_methods")
def resume() -> ResponseReturnValue:
    in_unit_of_work(service.resume, g.customer.customer_id)
    flash(gettext("Automatic top-up is on again."), "success")
    return redirect(url_for("topups.auto_top_up"))


@blueprint.get("/payment-methods")
@customer_required
def payment_methods() -> str:
    methods = service.payment_methods(g.customer.customer_id)
    return render_template("topups/payment_methods.html", methods=[_method_line(m) for m in methods])


@blueprint.post("/payment-methods/<payment_method_id>/<any(up, down, first):place>")
@permitted("manage_methods")
def place_method(payment_method_id: str, place: Literal["up", "down", "first"]) -> ResponseReturnValue:
    in_unit_of_work(service.place_method, g.customer.customer_id, payment_method_id, place)
    return redirect(url_for(_back_to()))


@blueprint.post("/payment-methods/<payment_method_id>/revoke")
@permitted("manage_methods")
def revoke(payment_method_id: str) -> ResponseReturnValue:
    try:
        service.revoke_method(g.customer.customer_id, payment_method_id)
    except gateway.GatewayError:
        flash(gettext("We cannot reach the bank right now. Try again in a moment."), "danger")
    else:
        flash(gettext("The mandate has been withdrawn."), "success")
    return redirect(url_for("topups.payment_methods"))


def _pay(form: TopUpForm) -> service.TopUp:
    chosen = form.method.data or ""
    request_key = f"form:{form.token.data}"
    if chosen.startswith(_PAYMENT_METHOD):
        return service.pay_with_mandate(
            g.customer,
            form.amount.data or 0,
            chosen.removeprefix(_PAYMENT_METHOD),
            request_key=request_key,
            accepted_fee_micros=form.accepted_fee_micros,
        )
    return service.request_top_up(
        g.customer,
        form.amount.data or 0,
        request_key=request_key,
        method=None if chosen == "any" else chosen,
        accepted_fee_micros=form.accepted_fee_micros,
        save_method=bool(form.save_method.data),
        consent_by=_given_by() if form.save_method.data else None,
    )


def _fee_page(form: TopUpForm) -> str:
    """What paying this way costs."""
    chosen = form.method.data or ""
    method: str | None = chosen
    if chosen.startswith(_PAYMENT_METHOD):
        mandate = service.find_method(g.customer.customer_id, chosen.removeprefix(_PAYMENT_METHOD))
        method = mandate.method
    amount_micros = form.amount.data or 0
    offered = fee_page.offer(g.customer, method, amount_micros)
    return fee_page.page(
        offered,
        what=gettext("Added to your balance"),
        action=url_for("topups.start_top_up"),
        back=url_for("topups.top_up", amount=amount_micros // 1_000_000),
        fields=fee_page.fields_of(form, offered),
    )


def _choice(method: service.MethodFacts, amount_micros: int) -> tuple[str, str]:
    """A way to pay, with a word of warning where it costs something."""
    if not service.fee_of(g.customer, method.method_id, amount_micros):
        return method.method_id, method.description
    return method.method_id, gettext("%(method)s (costs a fee)", method=method.description)


def _top_up_page(form: TopUpForm) -> str:
    """The page with a fresh token, unless what was typed is only being corrected."""
    customer_id = g.customer.customer_id
    amount_micros = form.amount.data or settings().top_up_default_micros
    mandates = [m for m in service.payment_methods(customer_id) if m.status == "valid"]
    choices = [(_PAYMENT_METHOD + m.payment_method_id, service.method_label(m)) for m in mandates]
    offered = service.ways_to_pay(amount_micros)
    choices += [_choice(m, amount_micros) for m in offered]
    if not offered:
        choices.append(("any", gettext("Choose on the payment page")))
    form.method.choices = choices
    if form.method.data not in dict(choices):
        form.method.data = choices[0][0]
    form.token.data = secrets.token_hex(16)
    form.token.raw_data = None
    return render_template(
        "topups/top_up.html",
        form=form,
        presets=PRESETS_MICROS,
        consent=consents.short_text("save_method"),
        consent_text=consents.full_text("save_method"),
        balance_micros=get_balance(customer_id).available_micros,
        under_way=[p for p in service.payments_under_way(customer_id) if p.purpose == "balance"],
        transfer=service.transfer_details(customer_id),
    )


def _auto_page(form: RuleForm) -> str:
    customer_id = g.customer.customer_id
    summary = service.summary(customer_id)
    looked_back = _preview(customer_id, form)
    methods = [m for m in service.payment_methods(customer_id) if m.position is not None]
    return render_template(
        "topups/auto_top_up.html",
        form=form,
        summary=summary,
        sentence=rule_sentence(form, summary.method_label),
        preview=looked_back,
        preview_month=format_date(looked_back.month, "LLLL") if looked_back else "",
        methods=[_method_line(m) for m in methods],
        decisions=[decision_line(d) for d in decision_log.last_decisions(customer_id)],
        consent=consents.short_text("automatic_top_up"),
        consent_text=consents.full_text("automatic_top_up"),
    )


def _preview(customer_id: int, form: RuleForm) -> Preview | None:
    """Last month under the rule that the form shows, if it shows one."""
    by_target = form.by_target
    filled = form.target.data if by_target else form.amount.data
    if form.threshold.data is None or form.monthly_maximum.data is None or filled is None:
        return None
    rule = Rule(
        enabled=True,
        paused=False,
        threshold_micros=form.threshold.data,
        amount_micros=None if by_target else filled,
        target_micros=filled if by_target else None,
        monthly_maximum_micros=form.monthly_maximum.data,
    )
    return preview(customer_id, rule, form.calendar_amount.data)


def _method_line(method: service.PaymentMethod) -> dict[str, Any]:
    states = {
        "valid": ("ok", lazy_gettext("valid")),
        "pending": ("look", lazy_gettext("not confirmed yet")),
        "revoked": ("lost", lazy_gettext("withdrawn")),
    }
    kind, text = states[method.status]
    if method.status == "valid" and method.waits_for_customer:
        kind, text = "look", lazy_gettext("refused last time")
    return {"method": method, "label": service.method_label(method), "tag_kind": kind, "tag_text": text}


def _explain(form: Any, error: AppError) -> None:
    """The service's refusal, beside the field it is about."""
    field = getattr(form, str(error.extra.get("field")), None)
    message = str(error.detail or error.title)
    if field is not None and hasattr(field, "errors"):
        field.errors = [*field.errors, message]
    else:
        flash(message, "danger")


def _given_by() -> consents.GivenBy:
    return consents.GivenBy(ip_address=request.remote_addr, user_id=current_user.user_id)


def _back_to() -> str:
    return "topups.auto_top_up" if request.form.get("next") == "auto" else "topups.payment_methods"

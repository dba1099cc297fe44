"""`/v1`: top-ups, automatic top-up and payment methods."""

import hashlib
from typing import Any

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from app import api
from app.customers import service as customers
from app.customers.auth import require_api_key
from app.db import in_unit_of_work
from app.i18n import in_locale
from app.money import InvalidMoney, Money
from app.reference.statements import Listed, Paging, describe
from topups import errors, posted, service, shapes
from topups.api_json import NO_RULE, auto_top_up_json, payment_method_json, top_up_json

blueprint = Blueprint("topups_api", __name__, url_prefix="/v1")


@blueprint.get("/customers/<reference>/top-ups")
@require_api_key
@describe(Listed[shapes.TopUp], query=Paging, problems=(customers.UnknownCustomer, errors.UnknownTopUp))
def list_top_ups(reference: str) -> ResponseReturnValue:
    """List a customer's top-ups, the newest first."""
    customer = customers.find_customer(reference)
    size = api.page_size()
    found = service.top_ups(customer.customer_id, before_id=request.args.get("cursor"), limit=size + 1)
    more = found[size - 1].top_up_id if len(found) > size else None
    return jsonify(api.listed([top_up_json(top_up) for top_up in found[:size]], more))


@blueprint.post("/customers/<reference>/top-ups")
@require_api_key
@api.idempotent(required=True)
@describe(
    shapes.TopUp,
    201,
    takes=shapes.NewTopUp,
    problems=(
        customers.UnknownCustomer,
        InvalidMoney,
        errors.AmountOutsideLimits,
        errors.AmountNotWholeCents,
        errors.UnknownMethod,
        errors.UnknownPaymentMethod,
        errors.MandateRevoked,
        errors.MandatePending,
        errors.RequestKeyReused,
        errors.FeeNotAccepted,
        errors.PaymentRefused,
        errors.PaymentsUnavailable,
    ),
)
def create_top_up(reference: str) -> ResponseReturnValue:
    """Request a top-up."""
    body = api.read_object(
        "amount", "method", "save_method", "payment_method", "redirect_url", "consent", "accepted_fee"
    )
    customer = customers.find_customer(reference)
    amount = Money.from_json(body.get("amount"), field="amount")
    accepted = body.get("accepted_fee")
    accepted_fee_micros = 0 if accepted is None else Money.from_json(accepted, field="accepted_fee").micros
    # The header's key may be long and is scoped to its caller; its digest fits the row.
    request_key = "api:" + hashlib.sha256(str(g.idempotency_key).encode()).hexdigest()
    consent = posted.consent(body)
    payment_method = posted.text(body, "payment_method")
    if payment_method is not None:
        top_up = service.pay_with_mandate(
            customer,
            amount.micros,
            payment_method,
            request_key=request_key,
            accepted_fee_micros=accepted_fee_micros,
        )
    else:
        with in_locale(posted.consent_locale(consent, customer)):
            top_up = service.request_top_up(
                customer,
                amount.micros,
                request_key=request_key,
                method=posted.text(body, "method"),
                accepted_fee_micros=accepted_fee_micros,
                save_method=posted.boolean(body, "save_method"),
                redirect_url=posted.url(body),
                consent_by=posted.vouched(consent),
            )
    return jsonify(top_up_json(top_up)), 201


@blueprint.get("/top-ups/<top_up_id>")
@require_api_key
@describe(shapes.TopUp, problems=(errors.UnknownTopUp,))
def read_top_up(top_up_id: str) -> ResponseReturnValue:
    """Read a top-up."""
    return jsonify(top_up_json(service.find_top_up(top_up_id)))


@blueprint.get("/customers/<reference>/auto-top-up")
@require_api_key
@describe(shapes.Rule, problems=(customers.UnknownCustomer,))
def read_auto_top_up(reference: str) -> ResponseReturnValue:
    """Read the rule for automatic top-up, and what it did last."""
    customer = customers.find_customer(reference)
    return jsonify(auto_top_up_json(customer.customer_id))


@blueprint.put("/customers/<reference>/auto-top-up")
@require_api_key
@describe(
    shapes.Rule,
    takes=shapes.NewRule,
    problems=(
        customers.UnknownCustomer,
        InvalidMoney,
        errors.AmountOrTarget,
        errors.AmountOutsideLimits,
        errors.AmountNotWholeCents,
        errors.TargetNotAboveThreshold,
        errors.MonthlyMaximumBelowAmount,
        errors.UnknownPaymentMethod,
        errors.MandateRevoked,
        errors.MandatePending,
        errors.NoPaymentMethod,
    ),
)
def change_auto_top_up(reference: str) -> ResponseReturnValue:
    """Set the rule for automatic top-up; it is looked at right away."""
    body = api.read_object(*NO_RULE)
    consent = posted.consent(body)
    customer = customers.find_customer(reference)
    customer_id = customer.customer_id
    wish = service.RuleWish(
        enabled=posted.boolean(body, "enabled"),
        threshold_micros=Money.from_json(body.get("threshold"), field="threshold").micros,
        amount_micros=_optional_money(body, "amount"),
        target_micros=_optional_money(body, "target"),
        monthly_maximum_micros=Money.from_json(body.get("monthly_maximum"), field="monthly_maximum").micros,
        calendar_micros=_optional_money(body, "calendar_amount"),
        payment_methods=posted.ids(body, "payment_methods"),
        consent_by=posted.vouched(consent) if consent and "given_at" not in consent else None,
        vouched_by=posted.vouched(consent),
    )
    locale = posted.consent_locale(consent, customer)

    def save() -> dict[str, Any]:
        with in_locale(locale):
            service.save_rule(customer_id, wish)
        return auto_top_up_json(customer_id)

    return jsonify(in_unit_of_work(save))


@blueprint.get("/customers/<reference>/payment-methods")
@require_api_key
@describe(Listed[shapes.PaymentMethod], problems=(customers.UnknownCustomer,))
def list_payment_methods(reference: str) -> ResponseReturnValue:
    """List a customer's stored payment methods."""
    customer = customers.find_customer(reference)
    methods = service.payment_methods(customer.customer_id, with_revoked=True)
    return jsonify(api.listed([payment_method_json(method) for method in methods], None))


def _optional_money(body: dict[str, Any], name: str) -> int | None:
    return None if body.get(name) is None else Money.from_json(body[name], field=name).micros

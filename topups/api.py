"""`/v1`: top-ups, automatic top-up and payment methods."""

import hashlib
import ipaddress
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.customers import service as customers
from app.customers.auth import require_api_key
from app.customers.models import Customer
from app.db import in_unit_of_work
from app.errors import Invalid
from app.i18n import LANGUAGES, in_locale
from app.money import InvalidMoney, Money
from app.reference.statements import Listed, Paging, describe
from topups import errors, service, shapes
from topups.api_json import NO_RULE, auto_top_up_json, payment_method_json, top_up_json

blueprint = Blueprint("topups_api", __name__, url_prefix="/v1")

MAX_ADDRESS: Final = 45


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
    consent = _consent(body)
    payment_method = _text(body, "payment_method")
    if payment_method is not None:
        top_up = service.pay_with_mandate(
            customer,
            amount.micros,
            payment_method,
            request_key=request_key,
            accepted_fee_micros=accepted_fee_micros,
        )
    else:
        with in_locale(_consent_locale(consent, customer)):
            top_up = service.request_top_up(
                customer,
                amount.micros,
                request_key=request_key,
                method=_text(body, "method"),
                accepted_fee_micros=accepted_fee_micros,
                save_method=_boolean(body, "save_method"),
                redirect_url=_url(body),
                consent_by=_vouched(consent),
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
    consent = _consent(body)
    customer = customers.find_customer(reference)
    customer_id = customer.customer_id
    wish = service.RuleWish(
        enabled=_boolean(body, "enabled"),
        threshold_micros=Money.from_json(body.get("threshold"), field="threshold").micros,
        amount_micros=_optional_money(body, "amount"),
        target_micros=_optional_money(body, "target"),
        monthly_maximum_micros=Money.from_json(body.get("monthly_maximum"), field="monthly_maximum").micros,
        calendar_micros=_optional_money(body, "calendar_amount"),
        payment_methods=_ids(body, "payment_methods"),
        consent_by=_vouched(consent) if consent and "given_at" not in consent else None,
        vouched_by=_vouched(consent),
    )
    locale = _consent_locale(consent, customer)

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


def _boolean(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Invalid(lazy_gettext("Give true or false."), field=name)
    return value


def _text(body: dict[str, Any], name: str, most: int = 64) -> str | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, str) or not 1 <= len(value) <= most):
        raise Invalid(lazy_gettext("Give a text of 1 to %(most)s characters.", most=most), field=name)
    return value


def _ids(body: dict[str, Any], name: str) -> list[str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid(lazy_gettext("Give a list of ids."), field=name)
    return value


def _url(body: dict[str, Any]) -> str | None:
    url = _text(body, "redirect_url", 2000)
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise Invalid(lazy_gettext("Give a full http or https address."), field="redirect_url")
    return url


def _consent(body: dict[str, Any]) -> dict[str, Any]:
    """What the provider's program says about the consent it took; nothing need be said."""
    given = body.get("consent") or {}
    if not isinstance(given, dict):
        raise Invalid(lazy_gettext("Give an object, or null."), field="consent")
    return given


def _consent_locale(consent: dict[str, Any], customer: Customer) -> str:
    """The language it was given in: the customer's, unless the program says another of ours."""
    locale = consent.get("locale")
    return locale if isinstance(locale, str) and locale in LANGUAGES else customer.locale


def _vouched(consent: dict[str, Any]) -> service.GivenBy:
    """The program vouches, by its key; an address it names is kept, what else it says is its own affair."""
    ip = consent.get("ip")
    return service.GivenBy(
        ip_address=ip if _is_address(ip) else None, user_id=None, api_key_id=str(g.api_key_id)
    )


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_ADDRESS:
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True

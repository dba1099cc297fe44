"""`/v1/customers/{reference}/auto-pay`: which invoices of a customer are collected on their due date."""

from datetime import datetime
from typing import Annotated, Any, Literal

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from msgspec import Meta, Struct

from app import api
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid
from app.i18n import in_locale
from app.reference.statements import describe
from invoicing import auto_pay
from invoicing.auto_pay import Choice
from invoicing.billing_terms import CHARGE_TYPES, ChargeType
from topups import errors as refusals
from topups import posted

blueprint = Blueprint("auto_pay_api", __name__, url_prefix="/v1")
Kind = Literal["usage", "subscription", "one_off"]


class AutoPayConsent(Struct):
    text_version: str
    locale: Literal["nl", "en"]
    given_at: datetime
    ip: str | None


class AutoPay(Struct):
    enabled: bool
    charge_types: list[Kind]
    consent: AutoPayConsent | None


class NewAutoPay(Struct, kw_only=True):
    """An empty list switches it off. A kind that was not collected before needs a consent."""

    charge_types: list[Kind]
    consent: Annotated[
        dict[str, Any] | None,
        Meta(description="What you know of the consent that you took: `locale`, `ip`. You vouch for it."),
    ] = None


@blueprint.get("/customers/<reference>/auto-pay")
@require_api_key
@describe(AutoPay, problems=(UnknownCustomer,))
def read_auto_pay(reference: str) -> ResponseReturnValue:
    """Read which invoices are collected on their due date."""
    return jsonify(_json(auto_pay.choice_of(find_customer(reference).customer_id)))


@blueprint.put("/customers/<reference>/auto-pay")
@require_api_key
@describe(
    AutoPay,
    takes=NewAutoPay,
    problems=(UnknownCustomer, refusals.ConsentMissing, refusals.NoPaymentMethod),
)
def change_auto_pay(reference: str) -> ResponseReturnValue:
    """Choose which invoices are collected on their due date."""
    body = api.read_object("charge_types", "consent")
    customer = find_customer(reference)
    customer_id = customer.customer_id
    wanted = _charge_types(body.get("charge_types"))
    consent = posted.consent(body)
    given_by = posted.vouched(consent) if "consent" in body else None
    with in_locale(posted.consent_locale(consent, customer)):
        choice = in_unit_of_work(lambda: _json(auto_pay.choose(customer_id, wanted, given_by)))
    return jsonify(choice)


def _charge_types(given: object) -> frozenset[ChargeType]:
    """Raises Invalid."""
    known = frozenset(kind for kind in CHARGE_TYPES if isinstance(given, list) and kind in given)
    if not isinstance(given, list) or len(known) != len({str(kind) for kind in given}):
        raise Invalid(
            lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(CHARGE_TYPES)), field="charge_types"
        )
    return known


def _json(choice: Choice) -> dict[str, Any]:
    consent = choice.consent
    return {
        "enabled": bool(choice),
        "charge_types": [kind for kind in CHARGE_TYPES if kind in choice.charge_types],
        "consent": None
        if consent is None
        else {
            "text_version": consent.text_version,
            "locale": consent.locale,
            "given_at": consent.given_at.isoformat(),
            "ip": consent.ip_address,
        },
    }

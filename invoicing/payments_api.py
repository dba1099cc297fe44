"""`/v1/invoices/{number}/payments`: paying an invoice, whole or in part, others with it."""

import hashlib
from typing import Annotated, Any, Literal

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app import api
from app.customers.auth import require_api_key
from app.customers.service import get_customer
from app.i18n import in_locale
from app.money import InvalidMoney
from app.money import Money as Amount
from app.reference.statements import Money, describe
from invoicing import errors, paying, service
from invoicing.api_shapes import Number
from invoicing.paying import PayWish
from topups import errors as refusals
from topups import posted, shapes
from topups.api_json import top_up_json

blueprint = Blueprint("invoicing_payments_api", __name__, url_prefix="/v1")


class NewPayment(Struct, kw_only=True):
    """Without `payment_method` the payer goes to `checkout_url`; with it that mandate is charged now."""

    amount: Annotated[Money | None, Meta(description="A part; all that can be paid by default.")] = None
    invoices: Annotated[
        list[Number],
        Meta(description="Other invoices of the same customer to pay with it, the oldest first settled."),
    ] = []
    method: Literal["ideal", "creditcard", "bancontact", "banktransfer", "paypal"] | None = None
    save_method: Annotated[bool, Meta(description="Save a mandate; you vouch for the consent.")] = False
    payment_method: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    accepted_fee: Annotated[
        Money | None, Meta(description="The method's fee that the payer has accepted; 409 names it.")
    ] = None
    redirect_url: Annotated[
        Annotated[str, Meta(max_length=2000, pattern="^https?://[a-z0-9.-]+(/.*)?$")] | None,
        Meta(description="Where the payer comes back to."),
    ] = None
    consent: Annotated[
        dict[str, Any] | None,
        Meta(description="What you know of the consent that you took: `locale`, `ip`."),
    ] = None


@blueprint.post("/invoices/<number>/payments")
@require_api_key
@api.idempotent(required=True)
@describe(
    shapes.TopUp,
    201,
    takes=NewPayment,
    problems=(
        errors.UnknownInvoice,
        errors.NothingToPay,
        errors.PaymentUnderWay,
        errors.PaysTooMuch,
        InvalidMoney,
        refusals.UnknownMethod,
        refusals.UnknownPaymentMethod,
        refusals.MandateRevoked,
        refusals.MandatePending,
        refusals.RequestKeyReused,
        refusals.FeeNotAccepted,
        refusals.PaymentRefused,
        refusals.PaymentsUnavailable,
    ),
)
def pay_invoice(number: str) -> ResponseReturnValue:
    """Pay an invoice, whole or in part, perhaps with others."""
    body = api.read_object(
        "amount",
        "invoices",
        "method",
        "save_method",
        "payment_method",
        "accepted_fee",
        "redirect_url",
        "consent",
    )
    customer = get_customer(service.find(number).customer_id)
    consent = posted.consent(body)
    wish = PayWish(
        numbers=(number, *(posted.ids(body, "invoices") or ())),
        # The header's key may be long and is scoped to its caller; its digest fits the row.
        request_key="api:" + hashlib.sha256(str(g.idempotency_key).encode()).hexdigest(),
        amount_micros=_micros(body, "amount"),
        method=posted.text(body, "method"),
        payment_method_id=posted.text(body, "payment_method"),
        accepted_fee_micros=_micros(body, "accepted_fee") or 0,
        save_method=posted.boolean(body, "save_method"),
        redirect_url=posted.url(body),
        consent_by=posted.vouched(consent),
    )
    with in_locale(posted.consent_locale(consent, customer)):
        payment = paying.pay(customer, wish)
    return jsonify(top_up_json(payment)), 201


def _micros(body: dict[str, Any], name: str) -> int | None:
    return None if body.get(name) is None else Amount.from_json(body[name], field=name).micros

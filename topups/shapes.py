"""The API's shapes of top-ups, automatic top-up and payment methods, as its reference states them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from app.reference.statements import Money
from topups.decisions import Reason
from topups.states import Status

Locale = Literal["nl", "en"]


# Of what a program knows of its consent only `locale` and `ip` are read; the rest is its own affair.
_Consent = Annotated[
    dict[str, Any] | None,
    Meta(description="What you know of the consent that you took: `locale`, `ip`. You vouch for it."),
]


class NewTopUp(Struct, kw_only=True, forbid_unknown_fields=True):
    """Without `payment_method` the payer goes to `checkout_url`; with it that mandate is charged now."""

    amount: Money
    method: Literal["ideal", "creditcard", "bancontact", "banktransfer", "paypal"] | None = None
    save_method: Annotated[bool, Meta(description="Save a mandate; you vouch for the consent.")] = False
    payment_method: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    accepted_fee: Annotated[
        Money | None, Meta(description="The method's fee that the payer has accepted; 409 names it.")
    ] = None
    redirect_url: Annotated[
        Annotated[str, Meta(max_length=2000, pattern="^https?://[a-z0-9.-]+(/.*)?$")] | None,
        Meta(description="Where the payer comes back to.", examples=["https://shop.example/thanks"]),
    ] = None
    consent: _Consent = None


class TopUp(Struct):
    id: str
    status: Status
    purpose: Literal["balance", "invoice", "method"]
    invoice: str | None
    origin: str
    amount: Money
    fee: Annotated[Money, Meta(description="Paid on top of the amount, VAT included; not credited.")]
    refunded: Money
    charged_back: Money
    method: str | None
    payment_method: str | None
    mollie_payment_id: str | None
    checkout_url: str | None
    failure_code: str | None
    expected_on: date | None
    created_at: datetime


class NewRefund(Struct, forbid_unknown_fields=True):
    amount: Annotated[
        Money | None, Meta(description="All that is left of what the payment credited by default.")
    ] = None
    include_fee: Annotated[
        bool, Meta(description="All that is left of the payment, its fee too; without `amount`.")
    ] = False
    force: Annotated[bool, Meta(description="Also below what the balance has.")] = False


class Refund(Struct):
    id: str
    top_up: str
    status: str
    amount: Money
    mollie_refund_id: str | None
    created_at: datetime


class Leaving(Struct):
    status: Literal["closed"]
    going_back: Annotated[Money, Meta(description="On its way to where it came from.")]
    left: Annotated[Money, Meta(description="Belongs to no payment that can be refunded.")]
    refunds: list[Refund]


class Consent(Struct):
    text_version: str
    locale: Locale
    given_at: datetime
    ip: str | None


_IGNORED = Meta(description="Read with a rule; may be sent back, and is ignored.")


class NewRule(Struct, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of `amount` and `target`."""

    threshold: Money
    monthly_maximum: Money
    enabled: bool = False
    amount: Annotated[Money | None, Meta(description="Tops up by this.")] = None
    target: Annotated[Money | None, Meta(description="Tops up to this.")] = None
    calendar_amount: Annotated[Money | None, Meta(description="On the first of each month, too.")] = None
    payment_methods: Annotated[list[str] | None, Meta(description="In the order to try.")] = None
    consent: _Consent = None
    month_used: Annotated[Any, _IGNORED] = None
    month_in_flight: Annotated[Any, _IGNORED] = None
    state: Annotated[Any, _IGNORED] = None
    last_decision: Annotated[Any, _IGNORED] = None


class Decision(Struct):
    at: datetime
    outcome: Literal["charged", "none"]
    reason: Reason


class Rule(Struct):
    enabled: bool
    threshold: Money | None
    amount: Money | None
    target: Money | None
    monthly_maximum: Money | None
    calendar_amount: Money | None
    month_used: Money | None
    month_in_flight: Money | None
    payment_methods: list[str]
    consent: Consent | None
    state: str
    last_decision: Decision | None


class PaymentMethod(Struct):
    id: str
    method: str
    status: Literal["valid", "pending", "revoked"]
    label: str
    mandate_reference: str | None

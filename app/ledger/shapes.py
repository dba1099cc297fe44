"""The API's shapes of customers, balances, grants and transfers, as its reference states them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.reference.statements import Money

Reference = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$", examples=["acme"])]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", examples=["NL"])]
BillingCycle = Literal["monthly", "half_monthly"]
State = Literal["ok", "low", "exhausted", "suspended"]
Side = Literal[
    "prepaid", "credits", "promo", "receivable", "psp", "psp_pending", "bank", "unbilled_usage", "revenue",
    "vat", "promotions", "fees", "bad_debt", "adjustments",
]  # fmt: skip


class Address(Struct, forbid_unknown_fields=True):
    line1: Annotated[str, Meta(max_length=200)] = ""
    postal_code: Annotated[str, Meta(max_length=16)] = ""
    city: Annotated[str, Meta(max_length=100)] = ""


class CustomerChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What may be changed of a customer: what is left out stays."""

    reference: Annotated[Reference | UnsetType, Meta(description="Never changes.")] = UNSET
    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    email: Annotated[str, Meta(extra_json_schema={"format": "email"})] | UnsetType = UNSET
    kind: Literal["business", "consumer"] | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    locale: Literal["nl", "en"] | UnsetType = UNSET
    currency: Literal["EUR"] | UnsetType = UNSET
    vat_number: str | UnsetType | None = UNSET
    address: Address | UnsetType = UNSET
    purchase_order: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    payment_term_days: Annotated[int, Meta(ge=0, le=120)] | UnsetType | None = UNSET
    billing_cycle: Annotated[BillingCycle, Meta(description="From the next month on.")] | UnsetType = UNSET
    invoice_empty_periods: (
        Annotated[bool, Meta(description="Whether a period without usage gets an invoice of nothing.")]
        | UnsetType
    ) = UNSET
    resells_telecom: (
        Annotated[bool, Meta(description="A Dutch business whose VAT on telecom is reverse-charged.")]
        | UnsetType
    ) = UNSET


class NewCustomer(CustomerChange, kw_only=True, forbid_unknown_fields=True):
    """`kind` is business, `country` NL and `locale` the provider's where they are left out."""

    reference: Reference
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    email: Annotated[str, Meta(extra_json_schema={"format": "email"})]


class Customer(Struct):
    reference: Reference
    name: str
    email: str
    kind: Literal["business", "consumer"]
    country: Country
    locale: Literal["nl", "en"]
    currency: str
    vat_number: str | None
    address: Address
    purchase_order: str | None
    payment_term_days: int | None
    billing_cycle: BillingCycle
    invoice_empty_periods: bool
    resells_telecom: bool
    status: Literal["active", "closed"]


class Balance(Struct):
    """`available` = prepaid + promotional − held."""

    available: Money
    prepaid: Money
    credits: Annotated[Money, Meta(description="From credit notes.")]
    promotional: Money
    held: Money
    receivable: Annotated[Money, Meta(description="Billed and not yet paid.")]
    overdraft: Money
    state: State


class Overdraft(Struct):
    """How far below zero holds may reach, less what is billed and not yet paid."""

    amount: Money


class NewGrant(Struct, forbid_unknown_fields=True):
    amount: Money
    expires_at: datetime | None = None
    priority: Annotated[int, Meta(ge=0, le=1000, description="The lowest is used first.")] = 100
    reason: Annotated[str, Meta(max_length=200)] = ""


class Grant(Struct):
    id: str
    amount: Money
    remaining: Money
    expires_at: datetime | None
    priority: int
    reason: str
    created_at: datetime


class Transfer(Struct):
    """A movement of money from one side to another."""

    number: Annotated[int, Meta(description="Counts per customer.")]
    kind: str
    debit: Side
    credit: Side
    amount: Money
    reference: str
    balance_after: Money
    created_at: datetime

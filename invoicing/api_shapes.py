"""The API's shapes of invoices, as its reference states them; `shapes.py` fills them."""

from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.ledger.shapes import Reference
from app.reference.statements import Money
from invoicing.status import Status

AnyNumber = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Kind = Literal["invoice", "credit_note", "payment_request"]
Number = Annotated[str, Meta(examples=["F2026-000001"])]


class InvoicePaging(Struct):
    status: Annotated[str | UnsetType, Meta(description="One or more statuses, with commas between.")] = UNSET
    kind: Kind | UnsetType = UNSET
    period: (
        Annotated[str, Meta(description="The month invoiced.", pattern="^20[0-9]{2}-(0[1-9]|1[0-2])$")]
        | UnsetType
    ) = UNSET
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str | UnsetType, Meta(description="`next_cursor` of the page before.")] = UNSET


class AllInvoicesPaging(InvoicePaging):
    customer: Reference | UnsetType = UNSET


class InvoicePeriod(Struct):
    start: date
    end: Annotated[date, Meta(description="The day after the last one.")]


class LineTier(Struct):
    above: AnyNumber
    up_to: AnyNumber | None


class InvoiceLine(Struct):
    meter: str
    kind: str
    name: str
    unit: str
    dimensions: dict[str, str]
    period: Annotated[InvoicePeriod | None, Meta(description="The days of what is no usage.")]
    quantity: AnyNumber
    unit_amount: AnyNumber
    price_per: int
    tier: LineTier | None
    tax_category: str
    tax_rate: str
    amount: Money
    events_url: str | None


class InvoiceTax(Struct):
    category: str
    rate: str
    taxable: Money
    amount: Money


class Invoice(Struct):
    """`amount_due` is as issued, `outstanding` is now."""

    number: Number
    kind: Kind
    request_number: Annotated[
        str | None, Meta(description="What it went by as a payment request, and can still be found by.")
    ]
    status: Status
    customer: Reference
    period: InvoicePeriod
    issue_date: date
    due_date: date
    currency: str
    locale: Literal["nl", "en"]
    lines: list[InvoiceLine]
    subtotal: Money
    discount: Money
    taxes: list[InvoiceTax]
    total: Money
    credits_used: Money
    prepaid: Money
    paid_before_issue: Annotated[Money, Meta(description="Paid on payment request, before the issue.")]
    amount_due: Money
    credited: Annotated[Money, Meta(description="What credit notes took back so far.")]
    offset: Annotated[Money, Meta(description="Of a credit note: settled with what was unpaid.")]
    to_credits: Annotated[Money, Meta(description="Of a credit note: waits as credits for the next invoice.")]
    late_fee: Annotated[Money, Meta(description="A claim for paying late, without VAT; not on the document.")]
    outstanding: Money
    balance: dict[str, Money]
    payment_reference: str | None
    original_number: str | None
    reason: str | None
    paid_at: datetime | None


class UpcomingInvoice(Invoice):
    """The coming invoice as it would be now."""

    number: None  # type: ignore[assignment]  # it has none yet
    status: Literal["preview"]  # type: ignore[assignment]  # and none of the statuses of an issued one

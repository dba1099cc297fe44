"""The API's shapes of subscriptions, as its reference states them, and how they are filled."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.money import Money as Amount
from app.money import micros_of_cents, plain_decimal
from app.reference.statements import Money
from invoicing import plans, subscriptions
from invoicing.lines import Line
from invoicing.plans_api import Interval, Names, Price
from invoicing.subscription_changes import Quote
from invoicing.subscription_models import Subscription as Row
from invoicing.subscription_models import SubscriptionEvent

SubscriptionId = Annotated[str, Meta(examples=["su_rs_0123456789abcdefghij"])]
Quantity = Annotated[int, Meta(ge=1, le=100_000)]
OwnPrice = Annotated[Price | None, Meta(description="Instead of the plan's price.")]


class SubscriptionFacts(Struct, forbid_unknown_fields=True):
    """Billed ahead per month or year, counted from `start`: today without one."""

    plan: str
    quantity: Quantity = 1
    start: date | UnsetType = UNSET
    price: OwnPrice = None


class SubscriptionChange(Struct, forbid_unknown_fields=True):
    """From today on. What is left out stays; with another plan an own price ends."""

    plan: str | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    price: OwnPrice | UnsetType = UNSET


class Cancellation(Struct, forbid_unknown_fields=True):
    """At the end of the running period; or today, and what was paid for later days comes back as credits."""

    when: Literal["end_of_period", "now"] = "end_of_period"


class PreviewFacts(Struct, forbid_unknown_fields=True):
    """A change, or a cancellation."""

    plan: str | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    price: OwnPrice | UnsetType = UNSET
    cancel: Literal["end_of_period", "now"] | UnsetType = UNSET


class Agreed(Struct):
    at: datetime
    by: str
    kind: Literal["started", "changed", "cancelled", "resumed"]
    effective_on: date
    name: Names
    quantity: int
    price: Price
    interval: Interval
    credited: Annotated[Money, Meta(description="VAT included.")]


class Subscription(Struct):
    """A plan that a customer has, and what was agreed about it, the oldest first."""

    id: SubscriptionId
    plan: str
    name: Names
    quantity: int
    price: Annotated[Price, Meta(description="Net, for each.")]
    own_price: bool
    interval: Interval
    status: Literal["active", "cancelled", "ended"]
    start: date
    billed_through: Annotated[date, Meta(description="The first day that has not been billed.")]
    ends_on: Annotated[date | None, Meta(description="The first day without service.")]
    agreed: list[Agreed]


class PreviewLine(Struct):
    name: Names
    start: date
    end: Annotated[date, Meta(description="The last day.")]
    amount: Annotated[Money, Meta(description="Net.")]


class PreviewCredit(Struct):
    invoice: Annotated[str, Meta(description="The number of the invoice that billed these days.")]
    lines: list[PreviewLine]
    net: Money
    total: Money


class Preview(Struct):
    """What a change gives back and costs, as it would be done now. Totals include VAT."""

    effective_on: date
    ends_on: date | None
    credits: list[PreviewCredit]
    credit_total: Money
    charges: list[PreviewLine]
    charge_total: Money
    billed: Literal["at_once", "next_invoice"]
    settled_with_open_invoices: Money
    settled_with_credits: Money
    settled_with_balance: Money
    amount_due: Money
    credits_left: Money


def subscription_json(row: Row) -> dict[str, Any]:
    plan = plans.find(row.plan_code)
    service = subscriptions.service_of(row, plan)
    return {
        "id": row.subscription_id,
        "plan": row.plan_code,
        "name": plan.names,
        "quantity": row.quantity,
        "price": plain_decimal(service.unit_price),
        "own_price": row.own_price is not None,
        "interval": plan.interval,
        "status": subscriptions.state_of(row, subscriptions.today()),
        "start": row.starts_on.isoformat(),
        "billed_through": row.charged_through.isoformat(),
        "ends_on": row.ends_on.isoformat() if row.ends_on else None,
        "agreed": [_agreed_json(event) for event in subscriptions.history(row)],
    }


def preview_json(quote: Quote) -> dict[str, Any]:
    return {
        "effective_on": quote.effective_on.isoformat(),
        "ends_on": quote.ends_on.isoformat() if quote.ends_on else None,
        "credits": [
            {
                "invoice": one.number,
                "lines": [_line_json(line) for line in one.lines],
                "net": _money(one.net_cents),
                "total": _money(one.total_cents),
            }
            for one in quote.credits
        ],
        "credit_total": _money(quote.credit_total_cents),
        "charges": [_line_json(line) for line in quote.charges],
        "charge_total": _money(quote.charge_total_cents),
        "billed": "at_once" if quote.is_separate else "next_invoice",
        "settled_with_open_invoices": _money(quote.offset_cents),
        "settled_with_credits": _money(quote.credits_used_cents),
        "settled_with_balance": _money(quote.prepaid_cents),
        "amount_due": _money(quote.due_cents),
        "credits_left": _money(quote.credits_left_cents),
    }


def _agreed_json(event: SubscriptionEvent) -> dict[str, Any]:
    return {
        "at": event.agreed_at.isoformat(),
        "by": event.agreed_by,
        "kind": event.kind,
        "effective_on": event.effective_on.isoformat(),
        "name": event.names,
        "quantity": event.quantity,
        "price": plain_decimal(Decimal(event.unit_price)),
        "interval": event.interval,
        "credited": _money(event.credited_cents),
    }


def _line_json(line: Line) -> dict[str, Any]:
    first, last = line.supplied_from, line.supplied_until
    return {
        "name": dict(line.names),
        "start": first.isoformat() if first else None,
        "end": last.isoformat() if last else None,
        "amount": _money(line.net_cents),
    }


def _money(cents: int) -> dict[str, str]:
    return Amount(micros_of_cents(cents)).to_json()

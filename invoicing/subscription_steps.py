"""A change or cancellation of a subscription worked out: which days end, which come back, what holds then.

Reads only; `subscription_changes` quotes it and carries it out.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from flask_babel import lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.db import db
from app.errors import Conflict
from invoicing import plans, subscriptions
from invoicing.lines import Line, charge_line
from invoicing.models import Invoice
from invoicing.proration import ServicePeriod, period_with, share_cents
from invoicing.spans import Agreement, Span, counted, spans_until
from invoicing.subscription_documents import span_of
from invoicing.subscription_models import Plan, Subscription, SubscriptionSpan
from invoicing.subscriptions import agreement_of, service_of
from invoicing.tax import Treatment

Kind = Literal["changed", "cancelled"]
When = Literal["end_of_period", "now"]
_DAY: Final = timedelta(days=1)


class NothingChanges(Conflict):
    code = "nothing_changes"
    title = lazy_gettext("This is what was agreed already.")


class NotRunning(Conflict):
    code = "subscription_cancelled"
    title = lazy_gettext("This subscription has been cancelled.")


class NotCreditable(Conflict):
    code = "not_creditable"
    title = lazy_gettext("What was paid ahead cannot be credited by itself: we have to settle this by hand.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Another plan, quantity or price; what is None stays. With another plan an own price ends.

    `keeps_price` False: the own price given holds, or, without one, the plan's.
    """

    plan_code: str | None = None
    quantity: int | None = None
    own_price: Decimal | None = None
    keeps_price: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """At the end of the running period, or today; then what was paid for later days comes back."""

    when: When


Wish = Change | Cancel


@dataclass(frozen=True, slots=True)
class Step:
    """A change worked out: which rows end sooner, what elapsed uncharged, what is agreed from then on."""

    kind: Kind
    cut: date
    plan: Plan
    agreement: Agreement
    own_price: Decimal | None
    cuts: tuple[tuple[SubscriptionSpan, date], ...]
    elapsed: tuple[Span, ...]


def step_of(
    subscription: Subscription, wish: Wish, day: date, spans: Sequence[SubscriptionSpan] | None = None
) -> Step:
    """What a wish means on a day. `spans` are those that end after it, where they have been read already."""
    if subscriptions.state_of(subscription, day) == "ended" or subscription.status == "ended":
        raise NotRunning
    plan = plans.find(subscription.plan_code)
    now = agreement_of(subscription, plan)
    if isinstance(wish, Cancel):
        cut = _last_day_of_service(subscription, now, wish, day)
        agreement = replace(now, charged_through=min(now.charged_through, cut), ends_on=cut)
        return Step(
            "cancelled", cut, plan, agreement, subscription.own_price, _cuts(subscription, cut, spans), ()
        )
    if subscription.ends_on is not None:
        raise NotRunning
    return _changed(subscription, plan, now, wish, max(day, subscription.starts_on))


def _changed(subscription: Subscription, plan: Plan, now: Agreement, wish: Change, cut: date) -> Step:
    other = plan if wish.plan_code in {None, plan.code} else plans.find(wish.plan_code)
    if other is not plan and not other.is_offered:
        raise plans.PlanWithdrawn(field="plan")
    quantity = subscription.quantity if wish.quantity is None else subscriptions.check_quantity(wish.quantity)
    own_price = subscription.own_price if wish.keeps_price and other is plan else wish.own_price
    if (other.code, quantity, own_price) == (plan.code, subscription.quantity, subscription.own_price):
        raise NothingChanges
    wanted = Subscription(plan_code=other.code, quantity=quantity, own_price=own_price)
    service = service_of(wanted, other)
    subscriptions.check_price(service)
    agreement = replace(
        now,
        service=service,
        # Another interval begins periods of its own.
        anchor=now.anchor if service.interval == now.service.interval else cut,
        charged_through=cut,
        revision=now.revision + 1,
    )
    elapsed = tuple(spans_until(now.ending(cut), cut))
    return Step("changed", cut, other, agreement, own_price, _cuts(subscription, cut), elapsed)


def _last_day_of_service(subscription: Subscription, now: Agreement, wish: Cancel, day: date) -> date:
    """The first day without service."""
    if day < subscription.starts_on:
        cut = subscription.starts_on
    elif wish.when == "now":
        cut = day + _DAY
    else:
        cut = period_with(now.anchor, now.service.interval, day).end
    if subscription.ends_on is not None and cut >= subscription.ends_on:
        raise NothingChanges
    return cut


def _cuts(
    subscription: Subscription, cut: date, spans: Sequence[SubscriptionSpan] | None = None
) -> tuple[tuple[SubscriptionSpan, date], ...]:
    """The rows that reach beyond a day, and where each ends now."""
    rows = _spans(subscription, cut) if spans is None else spans
    reaching = (row for row in rows if row.ends_on > cut and row.starts_on < row.ends_on)
    ordered = sorted(reaching, key=lambda row: (row.starts_on, row.revision))
    return tuple((row, max(cut, row.starts_on)) for row in ordered)


def _spans(subscription: Subscription, cut: date) -> Sequence[SubscriptionSpan]:
    return db.session.scalars(
        select(SubscriptionSpan).where(
            SubscriptionSpan.customer_id == subscription.customer_id,
            SubscriptionSpan.subscription_id == subscription.subscription_id,
            SubscriptionSpan.ends_on > cut,
        )
    ).all()


def credits_of(subscription: Subscription, step: Step) -> list[tuple[Invoice, tuple[Line, ...]]]:
    """Per invoice that billed days after the change, the lines that come back. Raises NotCreditable."""
    return credits_of_all(subscription.customer_id, [step])[0]


def credits_of_all(customer_id: int, steps: Sequence[Step]) -> list[list[tuple[Invoice, tuple[Line, ...]]]]:
    """The same for several subscriptions of a customer, whose invoices are read at once."""
    coming = [_lines_back(step) for step in steps]
    invoices = _invoices(customer_id, {key for lines in coming for key in lines})
    coming_back = []
    for lines in coming:
        found = [
            (one, (*lines.get(one.invoice_id, ()), *lines.get(one.close_key or "", ())))
            for one in invoices
            if one.invoice_id in lines or one.close_key in lines
        ]
        if len(found) != len(lines):
            raise NotCreditable
        coming_back.append(found)
    return coming_back


def _lines_back(step: Step) -> dict[UUID | str, list[Line]]:
    """The lines that come back, by invoice or by the close that billed them."""
    lines: dict[UUID | str, list[Line]] = {}
    for row, end in step.cuts:
        net = share_cents(row.full_cents, ServicePeriod(row.period_start, row.period_end), end, row.ends_on)
        key = row.invoice_id or (row.billed_period.isoformat() if row.billed_period else None)
        if net and key:
            lines.setdefault(key, []).append(_credit_line(row, end, net))
    return lines


def _invoices(customer_id: int, keys: Collection[UUID | str]) -> Sequence[Invoice]:
    """The documents with these ids, or of these closes, the oldest first."""
    if not keys:
        return []
    closes = [key for key in keys if isinstance(key, str)]
    ids = [key for key in keys if isinstance(key, UUID)]
    return (
        db.session.scalars(
            select(Invoice)
            .where(
                Invoice.customer_id == customer_id,
                Invoice.invoice_id.in_(ids) | Invoice.close_key.in_(closes),
            )
            .options(joinedload(Invoice.taxes), joinedload(Invoice.lines))
            .order_by(Invoice.issued_at, Invoice.number)
        )
        .unique()
        .all()
    )


def _credit_line(row: SubscriptionSpan, start: date, net_cents: int) -> Line:
    if row.tax_category is None or row.tax_percent is None:
        raise RuntimeError(f"a billed span of {row.subscription_id} has no tax")
    return charge_line(
        quantity=Decimal(1),
        unit_price=Decimal(net_cents).scaleb(-2),
        treatment=Treatment(row.tax_category, row.tax_percent),
        names=counted(span_of(row).service),
        supplied=(start, row.ends_on - _DAY),
    )

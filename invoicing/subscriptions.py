"""Subscriptions: a plan per month or year, charged ahead, each day once.

All that belongs to a customer's subscriptions is changed under that customer's balance lock. What is to be
charged follows from `charged_through`; charging writes its spans, moves it, and bills, in one transaction:
so running again is harmless, a crash leaves nothing behind, and what was missed is caught up.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal, cast

from flask_babel import lazy_gettext
from sqlalchemy import or_, select

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.db import db
from app.errors import Invalid, NotFound
from app.i18n import local_date
from app.ledger import service as ledger
from app.public_ids import new_public_id
from invoicing import plans
from invoicing.billing_terms import terms_of
from invoicing.proration import Interval
from invoicing.spans import Agreement, Service, spans_until
from invoicing.subscription_documents import bill_separately, row_of
from invoicing.subscription_models import Plan, Subscription, SubscriptionEvent, SubscriptionSpan
from invoicing.tax_rates import Product

State = Literal["active", "cancelled", "ended"]
MAX_QUANTITY: Final = 100_000
MAX_CENTS: Final = 100_000_000_00
MOST_DAYS_AWAY: Final = 366
_DAY: Final = timedelta(days=1)
_ID: Final = re.compile(r"su_[0-9a-z]{1,12}_[0-9a-z]{20}")


class UnknownSubscription(NotFound):
    code = "unknown_subscription"
    title = lazy_gettext("There is no such subscription.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """What is agreed. Without an own price the plan's holds."""

    plan_code: str
    quantity: int
    starts_on: date
    request_key: str
    agreed_by: str
    own_price: Decimal | None = None


def start(customer: Customer, wish: NewSubscription) -> Subscription:
    """Agree on a subscription, once per request key, and bill what is due of it. In a unit of work.

    Raises UnknownPlan, PlanWithdrawn, Invalid.
    """
    customer_id = customer.customer_id
    ledger.lock_balance(customer_id)
    made = agreed_before(customer_id, wish.request_key)
    if made is not None:
        return find(customer_id, made.subscription_id)
    plan = plans.find(wish.plan_code)
    if not plan.is_offered:
        raise plans.PlanWithdrawn(field="plan")
    check_quantity(wish.quantity)
    if abs((wish.starts_on - today()).days) > MOST_DAYS_AWAY:
        raise Invalid(lazy_gettext("Give a day within a year from today."), field="start")
    subscription = Subscription(
        customer_id=customer_id,
        subscription_id=new_public_id("su", customer_id),
        plan_code=plan.code,
        quantity=wish.quantity,
        own_price=wish.own_price,
        starts_on=wish.starts_on,
        anchor=wish.starts_on,
        charged_through=wish.starts_on,
        status="active",
        revision=0,
        created_at=utc_now(),
    )
    db.session.add(subscription)
    db.session.flush()
    service = service_of(subscription, plan)
    check_price(service)
    agree(
        subscription,
        service,
        "started",
        effective_on=wish.starts_on,
        agreed_by=wish.agreed_by,
        request_key=wish.request_key,
    )
    bill(customer)
    return subscription


def find(customer_id: int, subscription_id: str) -> Subscription:
    """Raises UnknownSubscription, also when it is another customer's."""
    found = None
    if _ID.fullmatch(subscription_id):
        found = db.session.get(Subscription, (customer_id, subscription_id), populate_existing=True)
    if found is None:
        raise UnknownSubscription
    return found


def of_customer(customer_id: int) -> list[Subscription]:
    """Those that run first, then by their beginning."""
    return list(
        db.session.scalars(
            select(Subscription)
            .where(Subscription.customer_id == customer_id)
            .order_by(Subscription.status, Subscription.starts_on, Subscription.subscription_id)
        )
    )


def history(subscription: Subscription) -> list[SubscriptionEvent]:
    """What was agreed, the oldest first."""
    return list(
        db.session.scalars(
            select(SubscriptionEvent)
            .where(
                SubscriptionEvent.customer_id == subscription.customer_id,
                SubscriptionEvent.subscription_id == subscription.subscription_id,
            )
            .order_by(SubscriptionEvent.revision)
        )
    )


def agreed_before(customer_id: int, request_key: str) -> SubscriptionEvent | None:
    return db.session.scalars(
        select(SubscriptionEvent).where(
            SubscriptionEvent.customer_id == customer_id, SubscriptionEvent.request_key == request_key
        )
    ).one_or_none()


def agree(
    subscription: Subscription,
    service: Service,
    kind: str,
    *,
    effective_on: date,
    agreed_by: str,
    request_key: str,
    credited_cents: int = 0,
) -> None:
    """Write down what was agreed, and by whom."""
    subscription.revision += 1
    db.session.add(
        SubscriptionEvent(
            customer_id=subscription.customer_id,
            subscription_id=subscription.subscription_id,
            revision=subscription.revision,
            kind=kind,
            effective_on=effective_on,
            names=dict(service.names),
            interval=service.interval,
            quantity=service.quantity,
            unit_price=service.unit_price,
            credited_cents=credited_cents,
            agreed_by=agreed_by[:254],
            agreed_at=utc_now(),
            request_key=request_key,
        )
    )
    db.session.flush()


def service_of(subscription: Subscription, plan: Plan) -> Service:
    """What a period that is charged now supplies."""
    return Service(
        names=plan.names,
        interval=cast("Interval", plan.interval),
        product=cast("Product", plan.product),
        quantity=subscription.quantity,
        unit_price=plan.price if subscription.own_price is None else subscription.own_price,
    )


def agreement_of(subscription: Subscription, plan: Plan) -> Agreement:
    return Agreement(
        service=service_of(subscription, plan),
        anchor=subscription.anchor,
        charged_through=subscription.charged_through,
        ends_on=subscription.ends_on,
        revision=subscription.revision,
    )


def check_price(service: Service) -> None:
    """Raises Invalid when a period costs more than is ever charged at once."""
    if service.full_cents > MAX_CENTS:
        raise Invalid(lazy_gettext("This is more than can be charged at once."), field="quantity")


def state_of(subscription: Subscription, day: date) -> State:
    """`cancelled` runs until its end, and has ended from then on."""
    if subscription.ends_on is None:
        return "active"
    return "cancelled" if day < subscription.ends_on else "ended"


def today() -> date:
    return local_date(utc_now())


def ahead() -> date:
    """Periods that begin before this day are charged now, where subscriptions have their own invoices."""
    return today() + timedelta(days=settings().subscription_lead_days) + _DAY


def check_quantity(quantity: object) -> int:
    """Raises Invalid."""
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
        raise Invalid(
            lazy_gettext("Give a whole quantity from 1 to %(most)s.", most=MAX_QUANTITY), field="quantity"
        )
    return quantity


def customers_to_bill() -> list[int]:
    """Customers of whom something may be charged, or has ended, by today."""
    return list(
        db.session.scalars(
            select(Subscription.customer_id)
            .join(Customer, Customer.customer_id == Subscription.customer_id)
            .where(
                Subscription.status != "ended",
                Customer.status != "closed",
                or_(Subscription.charged_through < ahead(), Subscription.ends_on <= today()),
            )
            .distinct()
            .order_by(Subscription.customer_id)
        )
    )


def bill(customer: Customer) -> list[str]:
    """Charge all that is due now by invoices of their own; their numbers. In a unit of work, balance locked.

    Where subscriptions stand on the usage invoice, its close charges them. Who has left is charged nothing.
    """
    if customer.status == "closed":
        return []
    day = today()
    mine = running(customer.customer_id)
    _end(mine, day)
    terms = terms_of(customer.customer_id, "subscription")
    if not terms.is_separate:
        return []
    rows = [*waiting_spans(customer.customer_id), *charge(mine, ahead())]
    return bill_separately(customer, rows, terms, day)


def charge(subscriptions: Iterable[Subscription], until: date) -> list[SubscriptionSpan]:
    """Write the spans of every period that begins before `until`, and move on to the day after them."""
    rows = []
    for subscription in subscriptions:
        plan = plans.find(subscription.plan_code)
        for span in spans_until(agreement_of(subscription, plan), until):
            rows.append(row_of(subscription, span))
            subscription.charged_through = span.ends_on
    db.session.add_all(rows)
    db.session.flush()
    return rows


def waiting_spans(customer_id: int) -> list[SubscriptionSpan]:
    """Days that were charged and wait to be billed: those before a change, mostly."""
    return list(
        db.session.scalars(
            select(SubscriptionSpan)
            .where(
                SubscriptionSpan.customer_id == customer_id,
                SubscriptionSpan.billed_period.is_(None),
                SubscriptionSpan.invoice_id.is_(None),
                SubscriptionSpan.net_cents > 0,
            )
            .order_by(SubscriptionSpan.starts_on, SubscriptionSpan.subscription_id, SubscriptionSpan.revision)
        )
    )


def running(customer_id: int) -> list[Subscription]:
    return list(
        db.session.scalars(
            select(Subscription)
            .where(Subscription.customer_id == customer_id, Subscription.status != "ended")
            .order_by(Subscription.subscription_id)
            .execution_options(populate_existing=True)
        )
    )


def _end(subscriptions: Iterable[Subscription], day: date) -> None:
    """Nothing more will be charged of those that have ended."""
    for subscription in subscriptions:
        ends_on = subscription.ends_on
        if ends_on is not None and ends_on <= day and ends_on <= subscription.charged_through:
            subscription.status = "ended"
    db.session.flush()

"""A customer leaves: its subscriptions end today, and what was paid for later days comes back as money.

One credit note per invoice takes back the days of all subscriptions on it; it pays what is open first, and
what is left of all credits goes to the balance. Again is harmless: nothing is left to end then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from sqlalchemy import and_, select

from app.customers.models import Customer
from app.customers.service import get_customer
from app.db import db
from app.i18n import in_locale, long_day
from app.ledger import service as ledger
from app.money import micros_of_cents
from invoicing import crediting, subscriptions
from invoicing.crediting import CreditWish
from invoicing.credits import move_to_balance
from invoicing.lines import Line
from invoicing.models import Invoice
from invoicing.subscription_changes import agree_on
from invoicing.subscription_models import Plan, Subscription, SubscriptionSpan
from invoicing.subscription_steps import Cancel, NothingChanges, NotRunning, Step, credits_of_all, step_of
from invoicing.wording import gettext
from topups.service import PaidAhead

AGREED_BY = "closed"


@dataclass(frozen=True, slots=True)
class _Ending:
    """A subscription that ends today, and what comes back of it per invoice."""

    subscription: Subscription
    step: Step
    credits: Sequence[tuple[Invoice, tuple[Line, ...]]]


def foretell(customer_id: int) -> PaidAhead:
    """What leaving today would give back. Reads only."""
    endings = _endings(customer_id)
    cents = sum(
        crediting.left_to_credit(original, lines).total_cents for original, lines in _by_invoice(endings)
    )
    return PaidAhead(len(endings), micros_of_cents(cents))


def end_all(customer_id: int) -> Callable[[], None]:
    """End and credit; what is left is to number the credit notes. The balance is locked."""
    customer = get_customer(customer_id)
    endings = _endings(customer_id)
    amounts = [
        sum(crediting.left_to_credit(original, lines).total_cents for original, lines in ending.credits)
        for ending in endings
    ]
    begun = [
        crediting.begin(_wish(customer, original, lines))
        for original, lines in _by_invoice(endings)
        if crediting.left_to_credit(original, lines).total_cents
    ]
    for ending, credited in zip(endings, amounts, strict=True):
        key = f"closed-{uuid4().hex}"
        agree_on(ending.subscription, ending.step, agreed_by=AGREED_BY, request_key=key, credited=credited)
    if ledger.get_balance(customer_id).credits_micros > 0:
        move_to_balance(customer_id, request_key=f"closed-{uuid4().hex}")

    def number() -> None:
        for one in begun:
            crediting.finish(one)

    return number


def _endings(customer_id: int) -> list[_Ending]:
    today = subscriptions.today()
    steps: list[tuple[Subscription, Step]] = []
    # The session knows a plan as long as somebody holds it.
    running = _running(customer_id, today)
    for subscription, _plan, spans in running:
        try:
            steps.append((subscription, step_of(subscription, Cancel(when="now"), today, spans)))
        except (NothingChanges, NotRunning):
            continue
    coming_back = credits_of_all(customer_id, [step for _, step in steps])
    return [_Ending(*step, lines) for step, lines in zip(steps, coming_back, strict=True)]


def _running(customer_id: int, after: date) -> list[tuple[Subscription, Plan, list[SubscriptionSpan]]]:
    """Each with its plan and its spans that end after a day, in one statement."""
    rows = db.session.execute(
        select(Subscription, Plan, SubscriptionSpan)
        .join(Plan, Plan.code == Subscription.plan_code)
        .outerjoin(
            SubscriptionSpan,
            and_(
                SubscriptionSpan.customer_id == Subscription.customer_id,
                SubscriptionSpan.subscription_id == Subscription.subscription_id,
                SubscriptionSpan.ends_on > after,
            ),
        )
        .where(Subscription.customer_id == customer_id, Subscription.status != "ended")
        .order_by(Subscription.subscription_id)
        .execution_options(populate_existing=True)
    ).all()
    found: dict[str, tuple[Subscription, Plan, list[SubscriptionSpan]]] = {}
    for subscription, plan, span in rows:
        spans = found.setdefault(subscription.subscription_id, (subscription, plan, []))[2]
        if span is not None:
            spans.append(span)
    return list(found.values())


def _by_invoice(endings: Sequence[_Ending]) -> list[tuple[Invoice, tuple[Line, ...]]]:
    found: dict[UUID, tuple[Invoice, tuple[Line, ...]]] = {}
    for ending in endings:
        for original, lines in ending.credits:
            _, others = found.get(original.invoice_id, (original, ()))
            found[original.invoice_id] = (original, (*others, *lines))
    return sorted(found.values(), key=lambda one: one[0].number)


def _wish(customer: Customer, original: Invoice, lines: tuple[Line, ...]) -> CreditWish:
    with in_locale(customer.locale):
        reason = gettext("Subscriptions ended after %(day)s", day=long_day(subscriptions.today()))
    return CreditWish(number=original.number, reason=reason, request_key=f"closed-{uuid4().hex}", lines=lines)

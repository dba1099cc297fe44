"""A customer leaves: its subscriptions end today, and what was paid for later days comes back as money.

One credit note per invoice takes back the days of all subscriptions on it; it pays what is open first, and
what is left of all credits goes to the balance. Again is harmless: nothing is left to end then.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from app.customers.models import Customer
from app.customers.service import get_customer
from app.i18n import in_locale, long_day
from app.ledger import service as ledger
from app.money import micros_of_cents
from invoicing import crediting, subscriptions
from invoicing.crediting import CreditWish
from invoicing.credits import move_to_balance
from invoicing.lines import Line
from invoicing.models import Invoice
from invoicing.subscription_changes import agree_on
from invoicing.subscription_models import Subscription
from invoicing.subscription_steps import Cancel, NothingChanges, NotRunning, Step, credits_of, step_of
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
    endings = list(_endings(customer_id))
    cents = sum(
        crediting.left_to_credit(original, lines).total_cents for original, lines in _by_invoice(endings)
    )
    return PaidAhead(len(endings), micros_of_cents(cents))


def end_all(customer_id: int) -> Callable[[], None]:
    """End and credit; what is left is to number the credit notes. The balance is locked."""
    customer = get_customer(customer_id)
    endings = list(_endings(customer_id))
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


def _endings(customer_id: int) -> Iterator[_Ending]:
    for subscription in subscriptions.running(customer_id):
        try:
            step = step_of(subscription, Cancel(when="now"), subscriptions.today())
        except (NothingChanges, NotRunning):
            continue
        yield _Ending(subscription, step, credits_of(subscription, step))


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

"""Changing and cancelling a subscription, by the day; what was paid ahead comes back as credits.

`quote` says what a change would give back and cost, `carry_out` does it: both by the same steps. A change
holds from today. Days after it that were billed are credited on the invoice that billed them, and charged
anew as agreed now; the credits settle what is then charged. Cancelled, a service runs through its last day.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from flask_babel import lazy_gettext

from app.customers.models import Customer
from app.db import db
from app.errors import Conflict
from app.i18n import in_locale, long_day, translations_of
from app.ledger import service as ledger
from app.ledger.service import Balance
from app.money import MICROS_PER_CENT, micros_of_cents
from invoicing import charge_documents, crediting, plans, subscriptions
from invoicing.billing_terms import Terms, terms_of
from invoicing.charge_documents import Document
from invoicing.crediting import CreditWish
from invoicing.lines import Line
from invoicing.models import Invoice
from invoicing.spans import Service, Span, spans_until
from invoicing.subscription_documents import documents_of, row_of, span_of
from invoicing.subscription_models import Subscription
from invoicing.subscription_steps import NothingChanges, NotRunning, Step, Wish, credits_of, step_of
from invoicing.subscriptions import service_of
from invoicing.totals import totals_of
from invoicing.treatments import treatment_for
from invoicing.wording import gettext


class QuoteOutdated(Conflict):
    code = "preview_outdated"
    title = lazy_gettext("The amounts have changed since they were shown. Look again before you confirm.")


@dataclass(frozen=True, slots=True)
class Credited:
    """What comes back on one invoice, in cents, VAT included in the total."""

    number: str
    lines: tuple[Line, ...]
    net_cents: int
    vat_cents: int

    @property
    def total_cents(self) -> int:
        return self.net_cents + self.vat_cents


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a change comes to, in cents. `charges` are the lines billed anew.

    `is_separate`: by invoices at once, of which `due_cents` is to be paid; else on the next usage invoice.
    """

    effective_on: date
    ends_on: date | None
    service: Service
    credits: tuple[Credited, ...]
    charges: tuple[Line, ...]
    charge_total_cents: int
    is_separate: bool
    credits_used_cents: int = 0
    prepaid_cents: int = 0
    due_cents: int = 0
    # Of the credit: what pays invoices that are open, and what is left once all is settled.
    offset_cents: int = 0
    credits_left_cents: int = 0

    @property
    def credit_total_cents(self) -> int:
        return sum(one.total_cents for one in self.credits)


def quote(
    customer: Customer, subscription: Subscription, wish: Wish, known_terms: Terms | None = None
) -> Quote:
    """What the wish would give back and cost today. Reads only. Raises as `carry_out` does."""
    step = step_of(subscription, wish, subscriptions.today())
    terms = known_terms or terms_of(customer.customer_id, "subscription")
    credited = (_credited(original, lines) for original, lines in credits_of(subscription, step))
    spans = _to_charge(step, terms)
    lines = tuple(span.line(treatment_for(customer, span.starts_on, span.service.product)) for span in spans)
    owned = [(subscription.subscription_id, span) for span in spans]
    # Each document rounds its VAT for itself; on a usage invoice all lines share that.
    documents = list(documents_of(customer, owned, terms, subscriptions.today())) if terms.is_separate else []
    totals = [document.prepared().totals for document in documents] or [
        totals_of((line.treatment, line.net_cents) for line in lines)
    ]
    made = Quote(
        effective_on=step.cut,
        ends_on=step.agreement.ends_on,
        service=step.agreement.service,
        credits=tuple(one for one in credited if one.total_cents),
        charges=lines,
        charge_total_cents=sum(one.total_cents for one in totals),
        is_separate=terms.is_separate,
    )
    return _settled(customer.customer_id, made, documents)


def carry_out(
    customer: Customer,
    subscription_id: str,
    wish: Wish,
    *,
    request_key: str,
    agreed_by: str,
    shown: tuple[int, int] | None = None,
) -> list[str]:
    """Change or cancel, once per request key; numbers of the documents this made. In a unit of work.

    `shown`: the credit and the charge, VAT included, that whoever confirms this has seen. Raises
    UnknownSubscription, UnknownPlan, PlanWithdrawn, NothingChanges, NotRunning, QuoteOutdated, Invalid.
    """
    ledger.lock_balance(customer.customer_id)
    if subscriptions.agreed_before(customer.customer_id, request_key) is not None:
        return []
    subscription = subscriptions.find(customer.customer_id, subscription_id)
    if shown is not None:
        expected = quote(customer, subscription, wish)
        if shown != (expected.credit_total_cents, expected.charge_total_cents):
            raise QuoteOutdated
    step = step_of(subscription, wish, subscriptions.today())
    begun = [
        crediting.begin(_credit_wish(customer, subscription, step, original, lines))
        for original, lines in credits_of(subscription, step)
        if crediting.left_to_credit(original, lines).total_cents
    ]
    credited = sum(one.note.total_cents for one in begun)
    agree_on(subscription, step, agreed_by=agreed_by, request_key=request_key, credited=credited)
    numbers = subscriptions.bill(customer)
    return [*(crediting.finish(one).number for one in begun), *numbers]


def resume(customer: Customer, subscription_id: str, *, request_key: str, agreed_by: str) -> list[str]:
    """Take a cancellation back while the service still runs, once per request key. In a unit of work.

    Raises UnknownSubscription, NotRunning, NothingChanges.
    """
    ledger.lock_balance(customer.customer_id)
    if subscriptions.agreed_before(customer.customer_id, request_key) is not None:
        return []
    subscription = subscriptions.find(customer.customer_id, subscription_id)
    day = subscriptions.today()
    state = subscriptions.state_of(subscription, day)
    if state == "active":
        raise NothingChanges
    if state == "ended" or subscription.status == "ended":
        raise NotRunning
    subscription.status, subscription.ends_on = "active", None
    plan = plans.find(subscription.plan_code)
    service = service_of(subscription, plan)
    subscriptions.agree(
        subscription, service, "resumed", effective_on=day, agreed_by=agreed_by, request_key=request_key
    )
    return subscriptions.bill(customer)


def _credited(original: Invoice, lines: tuple[Line, ...]) -> Credited:
    totals = crediting.left_to_credit(original, lines)
    return Credited(original.number, lines, totals.taxable_cents, totals.vat_cents)


def _credit_wish(
    customer: Customer, subscription: Subscription, step: Step, original: Invoice, lines: tuple[Line, ...]
) -> CreditWish:
    with in_locale(customer.locale):
        name, day = translations_of(dict(step.agreement.service.names)), long_day(step.cut)
        if step.kind == "cancelled":
            reason = gettext("%(name)s cancelled from %(day)s", name=name, day=day)
        else:
            reason = gettext("Subscription changed from %(day)s", day=day)
    return CreditWish(
        number=original.number,
        reason=reason,
        request_key=f"{subscription.subscription_id}-{subscription.revision + 1}-{original.number}",
        lines=lines,
    )


def _cut(subscription: Subscription, step: Step) -> None:
    for row, end in step.cuts:
        row.ends_on = end
        if row.invoice_id is None and row.billed_period is None:
            row.net_cents = span_of(row).net_cents
    db.session.add_all(row_of(subscription, span) for span in step.elapsed)
    db.session.flush()


def agree_on(
    subscription: Subscription, step: Step, *, agreed_by: str, request_key: str, credited: int
) -> None:
    """Cut what was charged beyond the step, and write down what is agreed from then on."""
    _cut(subscription, step)
    agreement = step.agreement
    subscription.plan_code, subscription.own_price = step.plan.code, step.own_price
    subscription.quantity, subscription.anchor = agreement.service.quantity, agreement.anchor
    subscription.charged_through, subscription.ends_on = agreement.charged_through, agreement.ends_on
    subscription.status = "active" if agreement.ends_on is None else "cancelled"
    subscriptions.agree(
        subscription,
        agreement.service,
        step.kind,
        effective_on=step.cut,
        agreed_by=agreed_by,
        request_key=request_key,
        credited_cents=credited,
    )


def _to_charge(step: Step, terms: Terms) -> list[Span]:
    """What is charged anew: at once as far ahead as others are, on a usage invoice what its period costs."""
    until = subscriptions.ahead() if terms.is_separate else step.cut + timedelta(days=1)
    spans = [*step.elapsed, *spans_until(step.agreement, until)]
    return [span for span in spans if span.net_cents]


def _settled(customer_id: int, made: Quote, documents: Sequence[Document]) -> Quote:
    """How credits and balance would settle it, document by document."""
    balance = ledger.get_balance(customer_id)
    # What is open of all invoices stands on the receivable.
    offset = min(micros_of_cents(made.credit_total_cents), max(0, balance.receivable_micros))
    left = balance.credits_micros + micros_of_cents(made.credit_total_cents) - offset
    balance = replace(balance, credits_micros=left)
    used = prepaid = due = 0
    for document in documents:
        settlement = charge_documents.settlement_of(document, balance)
        used += settlement.credits_used_cents
        prepaid += settlement.prepaid_cents
        due += settlement.due_cents
        balance = _after(balance, settlement.credits_used_cents, settlement.prepaid_cents)
    return replace(
        made,
        credits_used_cents=used,
        prepaid_cents=prepaid,
        due_cents=due,
        offset_cents=offset // MICROS_PER_CENT,
        credits_left_cents=balance.credits_micros // MICROS_PER_CENT,
    )


def _after(balance: Balance, credits_used_cents: int, prepaid_cents: int) -> Balance:
    return replace(
        balance,
        credits_micros=balance.credits_micros - micros_of_cents(credits_used_cents),
        prepaid_micros=balance.prepaid_micros - micros_of_cents(prepaid_cents),
    )

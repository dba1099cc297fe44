"""Subscriptions on usage invoices, where a customer chose so: the close charges them, as one more line.

A close charges every period that begins within the month after it, so that it is paid ahead as far as one
invoice per month can be.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from sqlalchemy import or_, select

from app.customers import service as customers
from app.customers.models import Customer
from app.db import db
from app.errors import Conflict
from invoicing import plans, subscriptions
from invoicing.billing_terms import terms_of, terms_of_each
from invoicing.charge_models import BillingTerms
from invoicing.extras import PendingCharge
from invoicing.proration import period_number
from invoicing.spans import Span, spans_until
from invoicing.subscription_documents import reference_of, row_of, span_of
from invoicing.subscription_models import Subscription, SubscriptionSpan
from invoicing.subscriptions import agreement_of, waiting_spans
from invoicing.tax import Treatment
from invoicing.treatments import treatment_for

_FOREVER: Final = date(9000, 1, 1)


class Changed(Conflict):
    """What a close was to charge is not to be charged any more: it is read again."""

    code = "subscription_changed"


class Waiting:
    """See `extras.ChargeSource`."""

    def waiting(self, before: date) -> Collection[int]:
        together = select(BillingTerms.customer_id).where(
            BillingTerms.charge_type == "subscription", BillingTerms.is_separate.is_(False)
        )
        running = select(Customer.customer_id).where(Customer.status != "closed")
        to_charge = select(Subscription.customer_id).where(
            Subscription.customer_id.in_(together),
            Subscription.customer_id.in_(running),
            Subscription.status != "ended",
            Subscription.charged_through < _until(before),
            or_(Subscription.ends_on.is_(None), Subscription.charged_through < Subscription.ends_on),
        )
        to_bill = select(SubscriptionSpan.customer_id).where(
            SubscriptionSpan.customer_id.in_(together),
            SubscriptionSpan.customer_id.in_(running),
            SubscriptionSpan.billed_period.is_(None),
            SubscriptionSpan.invoice_id.is_(None),
            SubscriptionSpan.net_cents > 0,
        )
        return set(db.session.scalars(to_charge.union(to_bill)))

    def among(self, customer_ids: Collection[int]) -> Collection[int]:
        terms = terms_of_each(customer_ids, "subscription")
        return {customer_id for customer_id, held in terms.items() if not held.is_separate}

    def pending(self, customer_id: int, before: date) -> Sequence[PendingCharge]:
        if terms_of(customer_id, "subscription").is_separate:
            return []
        customer = customers.get_customer(customer_id)
        if customer.status == "closed":
            return []
        found = sorted(_pending(customer_id, before), key=lambda one: (one[1].starts_on, one[0]))
        return [
            PendingCharge(
                reference=reference_of(subscription_id, span),
                description=span.names,
                on=span.starts_on,
                until=span.last_day,
                unit_price=span.unit_price,
                quantity=span.quantity,
                treatment=treatment_for(customer, span.starts_on, span.service.product),
            )
            for subscription_id, span in found
        ]

    def bill(self, customer_id: int, period_start: date, taxed: Mapping[str, Treatment]) -> None:
        rows = {reference_of(row.subscription_id, span_of(row)): row for row in waiting_spans(customer_id)}
        taken = [(rows[reference], treatment) for reference, treatment in taxed.items() if reference in rows]
        for subscription in subscriptions.running(customer_id):
            agreement = agreement_of(subscription, plans.find(subscription.plan_code))
            for span in spans_until(agreement, _FOREVER):
                treatment = taxed.get(reference_of(subscription.subscription_id, span))
                if treatment is None:
                    break
                taken.append((row_of(subscription, span), treatment))
                subscription.charged_through = span.ends_on
        if len(taken) != len(taxed):
            raise Changed
        for row, treatment in taken:
            row.tax_category, row.tax_percent = treatment.category, treatment.percent
            row.billed_period = period_start
            db.session.add(row)
        db.session.flush()


def _pending(customer_id: int, before: date) -> Iterator[tuple[str, Span]]:
    for row in waiting_spans(customer_id):
        yield row.subscription_id, span_of(row)
    for subscription in subscriptions.running(customer_id):
        agreement = agreement_of(subscription, plans.find(subscription.plan_code))
        for span in spans_until(agreement, _until(before)):
            yield subscription.subscription_id, span


def _until(before: date) -> date:
    return period_number(before, "month", 0).end

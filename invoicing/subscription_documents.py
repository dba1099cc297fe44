"""Invoices of subscriptions: what was charged becomes documents of its own, one per first day of service."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import cast

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.db import db
from invoicing import charge_documents
from invoicing.billing_terms import Terms
from invoicing.charge_documents import Document
from invoicing.proration import Interval, ServicePeriod
from invoicing.spans import Service, Span, due_date
from invoicing.subscription_models import Subscription, SubscriptionSpan
from invoicing.tax_rates import Product
from invoicing.treatments import treatment_for


def row_of(subscription: Subscription, span: Span) -> SubscriptionSpan:
    service = span.service
    return SubscriptionSpan(
        customer_id=subscription.customer_id,
        subscription_id=subscription.subscription_id,
        period_start=span.period.start,
        revision=span.revision,
        period_end=span.period.end,
        starts_on=span.starts_on,
        ends_on=span.ends_on,
        names=dict(service.names),
        interval=service.interval,
        product=service.product,
        quantity=service.quantity,
        unit_price=service.unit_price,
        full_cents=service.full_cents,
        net_cents=span.net_cents,
        created_at=utc_now(),
    )


def span_of(row: SubscriptionSpan) -> Span:
    service = Service(
        names=row.names,
        interval=cast("Interval", row.interval),
        product=cast("Product", row.product),
        quantity=row.quantity,
        unit_price=row.unit_price,
    )
    return Span(
        service=service,
        period=ServicePeriod(row.period_start, row.period_end),
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        revision=row.revision,
    )


def documents_of(
    customer: Customer, spans: Sequence[tuple[str, Span]], terms: Terms, day: date
) -> Iterator[Document]:
    """Documents of spans, by subscription: one per first day, so that each falls due when it should."""
    lead_days, at_start = settings().subscription_lead_days, settings().subscription_due_at_start
    term_days = terms.term_days
    if term_days is None and not at_start:
        of_customer = customer.payment_term_days
        term_days = settings().payment_term_days if of_customer is None else of_customer
    for begins in sorted({span.starts_on for _, span in spans}):
        together = [(owner, span) for owner, span in spans if span.starts_on == begins]
        yield Document(
            customer=customer,
            lines=tuple(
                span.line(treatment_for(customer, span.starts_on, span.service.product))
                for _, span in together
            ),
            due_date=due_date(begins=begins, issued=day, lead_days=lead_days, term_days=term_days),
            uses_balance=terms.uses_balance,
            reference=reference_of(*together[0]),
        )


def reference_of(subscription_id: str, span: Span) -> str:
    """What a span is called in postings and by a close; with another price it is another span."""
    return f"{subscription_id}.{span.period.start.isoformat()}.{span.revision}.{span.net_cents}"


def bill_separately(
    customer: Customer, rows: Sequence[SubscriptionSpan], terms: Terms, day: date
) -> list[str]:
    # What costs nothing stands on no invoice.
    billed = [row for row in rows if row.net_cents]
    spans = [(row.subscription_id, span_of(row)) for row in billed]
    documents = documents_of(customer, spans, terms, day)
    issued = charge_documents.issue([charge_documents.post(document) for document in documents])
    begins = sorted({row.starts_on for row in billed})
    invoices = dict(zip(begins, issued, strict=True))
    for row in billed:
        # As its line is taxed.
        treatment = treatment_for(customer, row.starts_on, cast("Product", row.product))
        row.tax_category, row.tax_percent = treatment.category, treatment.percent
        row.invoice_id = invoices[row.starts_on].invoice_id
    db.session.flush()
    return [one.number for one in issued]

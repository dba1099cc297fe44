"""The coming invoice as it would be now: lines, VAT and settlement of the period that is closed next.

Reads only, without locks: nothing is posted, numbered or stored, and what is used meanwhile is not in it.
"""

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.i18n import local_date
from app.ledger import service as ledger
from invoicing import metered
from invoicing.billing import prepare
from invoicing.billing_terms import terms_of
from invoicing.due import settle
from invoicing.issuing import Settled, draft
from invoicing.metered import PeriodMissing
from invoicing.models import Invoice


def upcoming(customer: Customer) -> Invoice | None:
    """A document without a number that is in no table; None when there is nothing to invoice yet."""
    start = metered.next_to_close(customer.customer_id)
    try:
        prepared = prepare(metered.facts_of(customer.customer_id, start))
    except PeriodMissing:
        prepared = prepare(metered.facts_without_usage(customer))
    if prepared.is_empty:
        return None
    facts = prepared.facts
    balance = ledger.get_balance(customer.customer_id)
    key = (customer.customer_id, facts.period_start)
    newer = metered.debited_after([key])[key]
    settlement = settle(
        total_cents=prepared.totals.total_cents,
        credits_micros=balance.credits_micros,
        balance_micros=balance.prepaid_micros
        - facts.charged_micros
        - prepared.rounding_micros
        + newer.prepaid_micros,
        small_due_micros=settings().small_due_micros,
        paid_cents=prepared.paid_cents,
    )
    now = utc_now()
    issue_date = max(local_date(now), facts.period_end)
    terms = terms_of(customer.customer_id, "usage")
    settled = Settled(prepared, settlement, {}, customer, term_days=terms.term_days)
    return draft(settled, now=now, issue_date=issue_date)

"""Documents of their own: an invoice for what was agreed beside usage, issued when it is charged.

Its total is debited from the balance and booked as revenue and VAT at once; credits settle it first, then
balance money that is there, where the customer chose so; the rest is due. Runs inside the caller's unit of
work, under the balance lock; numbers are taken by `issue`, for all documents together, as the last locks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.i18n import local_date
from app.jobs import enqueue
from app.ledger import service as ledger
from app.ledger.service import Balance
from app.ledger.sides import Posting, Side
from app.money import micros_of_cents
from invoicing import issuing
from invoicing.billing import PeriodFacts, Prepared
from invoicing.due import Settlement, settle
from invoicing.issuing import Issued, Settled
from invoicing.lines import Line
from invoicing.totals import totals_of

CHARGE: Final = "separate_charge"
CREDITS_USED: Final = "separate_credits"
DUE: Final = "separate_due"
_KINDS: Final = {
    "charge": CHARGE,
    "vat": "invoice",
    "revenue": "invoice",
    "credits": CREDITS_USED,
    "due": DUE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What is charged together. `reference` is the document's for ever: it is never posted twice."""

    customer: Customer
    lines: tuple[Line, ...]
    due_date: date
    uses_balance: bool
    reference: str

    @property
    def days(self) -> tuple[date, date]:
        """From the first day it is for up to the day after the last."""
        starts = [line.supplied_from for line in self.lines if line.supplied_from]
        ends = [line.supplied_until for line in self.lines if line.supplied_until]
        return min(starts), max(ends) + timedelta(days=1)

    def prepared(self) -> Prepared:
        start, end = self.days
        facts = PeriodFacts(
            customer_id=self.customer.customer_id,
            period_start=start,
            period_end=end,
            usage=(),
            corrections=(),
            prepaid_debited_micros=0,
            promo_debited_micros={},
        )
        totals = totals_of((line.treatment, line.net_cents) for line in self.lines)
        return Prepared(facts, self.lines, totals)


def settlement_of(document: Document, balance: Balance) -> Settlement:
    """How it would be settled now. What is reserved is not there to be spent."""
    total_cents = document.prepared().totals.total_cents
    there = min(balance.prepaid_micros, balance.available_micros) if document.uses_balance else 0
    return settle(
        total_cents=total_cents,
        credits_micros=balance.credits_micros,
        balance_micros=there - micros_of_cents(total_cents),
        small_due_micros=settings().small_due_micros if document.uses_balance else 0,
    )


def post(document: Document) -> Settled:
    """Debit, book and settle it; all but its number."""
    prepared = document.prepared()
    totals = prepared.totals
    settlement = settlement_of(document, ledger.get_balance(document.customer.customer_id))
    for what, debit, credit, amount_cents in (
        ("charge", Side.PREPAID, Side.UNBILLED_USAGE, totals.total_cents),
        ("vat", Side.UNBILLED_USAGE, Side.VAT, totals.vat_cents),
        ("revenue", Side.UNBILLED_USAGE, Side.REVENUE, totals.taxable_cents),
        ("credits", Side.CREDITS, Side.PREPAID, settlement.credits_used_cents),
        ("due", Side.RECEIVABLE, Side.PREPAID, settlement.due_cents),
    ):
        if amount_cents:
            ledger.post(
                Posting(
                    customer_id=document.customer.customer_id,
                    kind=_KINDS[what],
                    debit=debit,
                    credit=credit,
                    amount_micros=micros_of_cents(amount_cents),
                    reference=f"separate-{document.reference}-{what}",
                )
            )
    return Settled(
        prepared, settlement, {}, document.customer, due_date=document.due_date, closes_period=False
    )


def issue(settled: Sequence[Settled]) -> list[Issued]:
    """Number and write the documents; their files and mails follow after the commit."""
    now = utc_now()
    issued = issuing.issue(settled, now=now, issue_date=local_date(now))
    for one in issued:
        enqueue("invoicing.jobs.render_document", one.number, queue="bulk", job_id=f"render-{one.number}")
    for customer_id in {one.customer_id for one in issued}:
        # The balance may have fallen below the mark at which it is topped up.
        enqueue("topups.jobs.evaluate", customer_id)
    return issued

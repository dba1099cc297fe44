"""Closing a period: for every customer, in chunks, again harmlessly, one customer's failure stopping nobody.

A short lock flips the periods; what was used is read, priced and taxed without a lock; a short lock posts,
settles and, as its last locks, numbers. A period that another run has closed meanwhile is left alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Final, TypeVar

import structlog
from flask_babel import lazy_gettext

from app.clock import utc_now
from app.config import settings
from app.customers import service as customers
from app.customers.models import Customer
from app.db import db, forget_plans, in_unit_of_work, is_transient
from app.i18n import in_locale, local_date
from app.ledger import service as ledger
from app.ledger.movements import Span
from app.ledger.postings import PostingBatch
from app.ledger.service import Balance
from app.ledger.sides import Posting, Side
from app.money import micros_of_cents
from invoicing import balance_block, extras, metered, reading
from invoicing.billing import Prepared, prepare, with_nothing_used
from invoicing.billing_terms import terms_of_each
from invoicing.due import Settlement, settle
from invoicing.issuing import Issued, Settled, issue
from invoicing.metered import PeriodKey
from invoicing.wording import gettext, month_and_year

T = TypeVar("T")
_log = structlog.get_logger("invoicing")
# A chunk's customers wait for each other's postings, some hundredths of a second; a larger one gains little.
CHUNK_SIZE: Final = 500
_NOTHING_USED: Final = lazy_gettext("No usage in this period")


@dataclass
class Outcome:
    """What became of a chunk: documents issued, and per customer's period why it failed."""

    issued: list[Issued] = field(default_factory=list)
    failed: dict[PeriodKey, str] = field(default_factory=dict)
    closed: list[PeriodKey] = field(default_factory=list)


class CustomerFailed(Exception):
    """One customer's close failed inside a chunk's transaction."""

    def __init__(self, key: PeriodKey, cause: Exception) -> None:
        super().__init__(f"customer {key[0]}: {cause}")
        self.key = key
        self.cause = cause


def close(keys: list[PeriodKey]) -> Outcome:
    """Close these customers' periods. Opens transactions of its own; again is harmless."""
    outcome = Outcome()
    waiting = sorted(set(keys))
    while waiting:
        # A customer's periods one after the other: what one has billed is nothing to the next.
        first = {customer_id: (customer_id, start) for customer_id, start in reversed(waiting)}
        _close_together(sorted(first.values()), outcome)
        failed = {customer_id for customer_id, _ in outcome.failed}
        waiting = [key for key in waiting if key != first[key[0]] and key[0] not in failed]
    return outcome


def _close_together(keys: list[PeriodKey], outcome: Outcome) -> None:
    """Close periods of as many customers."""
    begun: list[PeriodKey] = []
    _in_parts(keys, lambda some: begun.extend(_begin(some, outcome)), outcome, key_of=lambda key: key)
    prepared = _prepare(begun, outcome)
    _in_parts(prepared, lambda some: _post_together(some, outcome), outcome, key_of=_key)


def _in_parts(
    items: list[T], step: Callable[[list[T]], object], outcome: Outcome, *, key_of: Callable[[T], PeriodKey]
) -> None:
    """A step for all; where that fails for each half, until what is wrong stands alone and stops nobody."""
    if not items:
        return
    try:
        step(items)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with one customer stops nobody else
        db.session.rollback()
        if len(items) == 1:
            _note(outcome, key_of(items[0]), error)
            return
        middle = len(items) // 2
        for some in (items[:middle], items[middle:]):
            _in_parts(some, step, outcome, key_of=key_of)


def _begin(keys: list[PeriodKey], outcome: Outcome) -> list[PeriodKey]:
    """Flip the periods, so that what is used from now on belongs to another invoice."""
    begun = in_unit_of_work(metered.begin, keys)
    closing = set(begun)
    outcome.closed += [key for key in keys if key not in closing]
    return begun


def _prepare(keys: list[PeriodKey], outcome: Outcome) -> list[Prepared]:
    facts = metered.Facts(keys)
    prepared = []
    for key in keys:
        try:
            prepared.append(prepare(facts.of(key)))
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one customer stops nobody else
            db.session.rollback()
            _note(outcome, key, error)
    db.session.rollback()
    return prepared


def _note(outcome: Outcome, key: PeriodKey, error: Exception) -> None:
    _log.error("close_failed", customer_id=key[0], period_start=key[1].isoformat(), exc_info=error)
    outcome.failed[key] = f"{type(error).__name__}: {error}"


def _key(prepared: Prepared) -> PeriodKey:
    return prepared.facts.customer_id, prepared.facts.period_start


def _post_together(prepared: list[Prepared], outcome: Outcome) -> None:
    """Post and issue, all or nothing; where one customer is to blame, all the others."""
    left = prepared
    while left:
        try:
            issued = in_unit_of_work(_post, left)
        except CustomerFailed as failure:
            # The chunk goes on without this customer, whose failure is told and tried again later.
            _note(outcome, failure.key, failure.cause)
            left = [one for one in left if _key(one) != failure.key]
        else:
            outcome.issued += issued
            outcome.closed += map(_key, left)
            return


def _post(prepared: list[Prepared]) -> list[Issued]:
    """One transaction for the chunk: all postings, then numbers and documents."""
    now = utc_now()
    forget_plans()
    balances = ledger.lock_balances({one.facts.customer_id for one in prepared})
    mine = metered.finish([_key(one) for one in prepared])
    going = [one for one in prepared if _key(one) in mine]
    if not going:
        return []
    chunk = _Chunk(going, balances)
    settled: list[Settled] = []
    for one in going:
        try:
            document = _settle(one, chunk)
        except Exception as error:
            if is_transient(error):
                raise
            raise CustomerFailed(_key(one), error) from error
        if document is not None:
            settled.append(document)
    chunk.postings.write(now)
    return issue(settled, now=now, issue_date=local_date(now))


class _Chunk:
    """What settling needs of the customers around their periods, read together under the locks."""

    def __init__(self, prepared: list[Prepared], balances: Mapping[int, Balance]) -> None:
        ids = {one.facts.customer_id for one in prepared}
        self.balances = balances
        self.postings = PostingBatch(balances)
        self.newer = metered.debited_after([_key(one) for one in prepared])
        bounds = cache(metered.bounds)
        self.moved = balance_block.movements(
            [
                Span(one.facts.customer_id, *bounds(one.facts.period_start, one.facts.period_end))
                for one in prepared
            ]
        )
        self.customers = customers.get_customers(ids)
        self.terms = terms_of_each(ids, "usage")
        self.small_due_micros = settings().small_due_micros


def _settle(prepared: Prepared, chunk: _Chunk) -> Settled | None:
    """Debit charges, make debits equal the total, book revenue and VAT, settle. None: nothing to invoice."""
    facts, postings = prepared.facts, chunk.postings
    extras.take(facts, postings.post)
    _book(prepared, postings)
    customer = chunk.customers[facts.customer_id]
    if prepared.is_empty:
        if not customer.invoice_empty_periods:
            return None
        prepared = with_nothing_used(prepared, extras.in_all_languages(_NOTHING_USED))
    newer = chunk.newer[_key(prepared)]
    credits_left_micros = chunk.balances[facts.customer_id].credits_micros
    prepaid_micros = postings.prepaid_micros(facts.customer_id)
    settlement = settle(
        total_cents=prepared.totals.total_cents,
        credits_micros=credits_left_micros,
        balance_micros=prepaid_micros + newer.prepaid_micros,
        small_due_micros=chunk.small_due_micros,
        paid_cents=prepared.paid_cents,
    )
    credits_micros = micros_of_cents(settlement.credits_used_cents)
    due_micros = micros_of_cents(settlement.due_cents)
    _move(prepared, postings, "credits_used", (Side.CREDITS, Side.PREPAID), credits_micros)
    _move(prepared, postings, "invoice_due", (Side.RECEIVABLE, Side.PREPAID), due_micros)
    original, reason = _correction(prepared, customer) if prepared.sign < 0 else (None, None)
    terms = chunk.terms.get(facts.customer_id)
    return Settled(
        prepared,
        settlement,
        _balance_rows(prepared, settlement, chunk, prepaid_micros),
        customer,
        original,
        reason,
        term_days=terms.term_days if terms else None,
    )


def _correction(prepared: Prepared, customer: Customer) -> tuple[str | None, str]:
    """Of a credit note: the invoice that it corrects, and why."""
    corrected = min((line.correction_of for line in prepared.lines if line.correction_of), default=None)
    with in_locale(customer.locale):
        if corrected is None:
            return reading.number_with_fees(customer.customer_id), gettext("Payment fees given back")
        month = date.fromisoformat(corrected)
        reason = gettext("Correction of usage in %(month)s", month=month_and_year(month))
    return reading.number_of_period(customer.customer_id, month), reason


def _book(prepared: Prepared, postings: PostingBatch) -> None:
    """Make debits and paid fees equal the total, and book it as revenue and VAT; nothing stays unbilled."""
    facts, totals = prepared.facts, prepared.totals
    fees = facts.fees
    fees_vat_micros = fees.vat_micros if fees else 0
    vat_micros = micros_of_cents(totals.vat_cents) - fees_vat_micros
    revenue_micros = micros_of_cents(totals.taxable_cents) - (facts.fees_micros - fees_vat_micros)
    for what, sides, micros in (
        ("rounding", (Side.PREPAID, Side.UNBILLED_USAGE), prepared.rounding_micros),
        ("vat", (Side.UNBILLED_USAGE, Side.VAT), vat_micros),
        ("revenue", (Side.UNBILLED_USAGE, Side.REVENUE), revenue_micros),
        ("promotions", (Side.UNBILLED_USAGE, Side.PROMOTIONS), prepared.promo_micros),
        ("fees_vat", (Side.FEES, Side.VAT), fees_vat_micros),
        ("fees_revenue", (Side.FEES, Side.REVENUE), facts.fees_micros - fees_vat_micros),
    ):
        _move(prepared, postings, what, sides, micros)


def _balance_rows(
    prepared: Prepared, settlement: Settlement, chunk: _Chunk, prepaid_micros: int
) -> dict[str, int]:
    facts = prepared.facts
    moved = chunk.moved[facts.customer_id]
    credits_micros = micros_of_cents(settlement.credits_used_cents)
    due_micros = micros_of_cents(settlement.due_cents)
    before = prepaid_micros + chunk.balances[facts.customer_id].promo_micros
    return balance_block.block(
        moved=moved.inside,
        moved_since_micros=moved.after_micros,
        available_micros=before + credits_micros + due_micros,
        newer_debits_micros=chunk.newer[_key(prepared)].total_micros,
        usage_micros=facts.prepaid_debited_micros + prepared.rounding_micros + prepared.promo_micros,
        charged_micros=facts.charged_micros,
        credits_micros=credits_micros,
        due_micros=due_micros,
    )


_KINDS: Final = dict.fromkeys(("vat", "revenue", "promotions", "fees_vat", "fees_revenue"), "invoice")


def _move(
    prepared: Prepared, postings: PostingBatch, what: str, sides: tuple[Side, Side], micros: int
) -> None:
    """Post an amount of this close; below zero the other way round, nothing for zero."""
    if micros == 0:
        return
    debit, credit = sides if micros > 0 else sides[::-1]
    postings.post(
        Posting(
            customer_id=prepared.facts.customer_id,
            kind=_KINDS.get(what, what),
            debit=debit,
            credit=credit,
            amount_micros=abs(micros),
            reference=close_reference(prepared.facts.period_start, what),
        )
    )


def close_reference(period_start: date, what: str) -> str:
    """The reference of a close's posting: unique, so a close can never be booked twice."""
    return f"close-{period_start.isoformat()}-{what}"

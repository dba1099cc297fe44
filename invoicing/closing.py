"""Closing a period: for every customer, in chunks, again harmlessly, one customer's failure stopping nobody.

A short lock flips the periods; what was used is read, priced and taxed without a lock; a short lock posts,
settles and, as its last locks, numbers. A period that another run has closed meanwhile is left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import structlog
from flask_babel import lazy_gettext

from app.clock import utc_now
from app.config import settings
from app.customers import service as customers
from app.db import db, in_unit_of_work, is_transient
from app.i18n import in_locale, local_date
from app.ledger import service as ledger
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

_log = structlog.get_logger("invoicing")
CHUNK_SIZE: Final = 50
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
        waiting = [key for key in waiting if key != first[key[0]]]
    return outcome


def _close_together(keys: list[PeriodKey], outcome: Outcome) -> None:
    """Close periods of as many customers."""
    begun = _begin(keys, outcome)
    prepared = [one for key in begun if (one := _attempt(outcome, key, _prepare))]
    db.session.rollback()
    while prepared:
        try:
            in_unit_of_work(_post, prepared, outcome)
            break
        except CustomerFailed as failure:
            # The chunk goes on without this customer, whose failure is told and tried again later.
            _note(outcome, failure.key, failure.cause)
            prepared = [one for one in prepared if _key(one) != failure.key]


def _begin(keys: list[PeriodKey], outcome: Outcome) -> list[PeriodKey]:
    """Flip the periods, so that what is used from now on belongs to another invoice."""

    def flip() -> list[PeriodKey]:
        ledger.lock_balances({customer_id for customer_id, _ in keys})
        return metered.begin(keys)

    begun = in_unit_of_work(flip)
    outcome.closed += [key for key in keys if key not in begun]
    return begun


def _prepare(key: PeriodKey) -> Prepared:
    return prepare(metered.facts_of(*key))


def _attempt(outcome: Outcome, key: PeriodKey, step: Callable[[PeriodKey], Prepared]) -> Prepared | None:
    try:
        return step(key)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with one customer stops nobody else
        db.session.rollback()
        _note(outcome, key, error)
        return None


def _note(outcome: Outcome, key: PeriodKey, error: Exception) -> None:
    _log.error("close_failed", customer_id=key[0], period_start=key[1].isoformat(), exc_info=error)
    outcome.failed[key] = f"{type(error).__name__}: {error}"


def _key(prepared: Prepared) -> PeriodKey:
    return prepared.facts.customer_id, prepared.facts.period_start


def _post(prepared: list[Prepared], outcome: Outcome) -> None:
    """One transaction for the chunk: all postings, then numbers and documents."""
    now = utc_now()
    ledger.lock_balances({one.facts.customer_id for one in prepared})
    settled: list[Settled] = []
    for one in prepared:
        try:
            if metered.finish(*_key(one)):
                document = _settle(one)
                if document is not None:
                    settled.append(document)
        except Exception as error:
            if is_transient(error):
                raise
            raise CustomerFailed(_key(one), error) from error
    terms = terms_of_each([one.customer.customer_id for one in settled], "usage")
    settled = [
        replace(one, term_days=terms[one.customer.customer_id].term_days)
        if one.customer.customer_id in terms
        else one
        for one in settled
    ]
    issued = issue(settled, now=now, issue_date=local_date(now))
    # Outcome is told after the last statement: a transaction that is tried again tells it once.
    outcome.issued += issued
    outcome.closed += [_key(one) for one in prepared]


def _settle(prepared: Prepared) -> Settled | None:
    """Debit charges, make debits equal the total, book revenue and VAT, settle. None: nothing to invoice."""
    facts = prepared.facts
    extras.take(facts)
    _book(prepared)
    customer = customers.get_customer(facts.customer_id)
    if prepared.is_empty:
        if not customer.invoice_empty_periods:
            return None
        prepared = with_nothing_used(prepared, extras.in_all_languages(_NOTHING_USED))
    newer = metered.debited_after(facts.customer_id, facts.period_start)
    balance = ledger.get_balance(facts.customer_id)
    settlement = settle(
        total_cents=prepared.totals.total_cents,
        credits_micros=balance.credits_micros,
        balance_micros=balance.prepaid_micros + newer.prepaid_micros,
        small_due_micros=settings().small_due_micros,
        paid_cents=prepared.paid_cents,
    )
    credits_micros = micros_of_cents(settlement.credits_used_cents)
    due_micros = micros_of_cents(settlement.due_cents)
    _move(prepared, "credits_used", Side.CREDITS, Side.PREPAID, credits_micros)
    _move(prepared, "invoice_due", Side.RECEIVABLE, Side.PREPAID, due_micros)
    rows = _balance_rows(prepared, settlement, balance, newer.total_micros)
    if prepared.sign > 0:
        return Settled(prepared, settlement, rows, customer)
    corrected = min((line.correction_of for line in prepared.lines if line.correction_of), default=None)
    with in_locale(customer.locale):
        if corrected is None:
            billed_on = reading.number_with_fees(facts.customer_id)
            return Settled(
                prepared, settlement, rows, customer, billed_on, gettext("Payment fees given back")
            )
        month = date.fromisoformat(corrected)
        reason = gettext("Correction of usage in %(month)s", month=month_and_year(month))
    return Settled(
        prepared, settlement, rows, customer, reading.number_of_period(facts.customer_id, month), reason
    )


def _book(prepared: Prepared) -> None:
    """Make debits and paid fees equal the total, and book it as revenue and VAT; nothing stays unbilled."""
    facts, totals = prepared.facts, prepared.totals
    fees = facts.fees
    fees_vat_micros = fees.vat_micros if fees else 0
    vat_micros = micros_of_cents(totals.vat_cents) - fees_vat_micros
    revenue_micros = micros_of_cents(totals.taxable_cents) - (facts.fees_micros - fees_vat_micros)
    _move(prepared, "rounding", Side.PREPAID, Side.UNBILLED_USAGE, prepared.rounding_micros)
    _move(prepared, "vat", Side.UNBILLED_USAGE, Side.VAT, vat_micros)
    _move(prepared, "revenue", Side.UNBILLED_USAGE, Side.REVENUE, revenue_micros)
    _move(prepared, "promotions", Side.UNBILLED_USAGE, Side.PROMOTIONS, prepared.promo_micros)
    _move(prepared, "fees_vat", Side.FEES, Side.VAT, fees_vat_micros)
    _move(prepared, "fees_revenue", Side.FEES, Side.REVENUE, facts.fees_micros - fees_vat_micros)


def _balance_rows(
    prepared: Prepared, settlement: Settlement, balance: Balance, newer_debits_micros: int
) -> dict[str, int]:
    facts = prepared.facts
    start, end = metered.bounds(facts.period_start, facts.period_end)
    credits_micros = micros_of_cents(settlement.credits_used_cents)
    due_micros = micros_of_cents(settlement.due_cents)
    before = balance.prepaid_micros + balance.promo_micros
    return balance_block.block(
        moved=balance_block.movements(facts.customer_id, start, end),
        moved_since_micros=sum(balance_block.movements(facts.customer_id, end).values()),
        available_micros=before + credits_micros + due_micros,
        newer_debits_micros=newer_debits_micros,
        usage_micros=facts.prepaid_debited_micros + prepared.rounding_micros + prepared.promo_micros,
        charged_micros=facts.charged_micros,
        credits_micros=credits_micros,
        due_micros=due_micros,
    )


_KINDS: Final = dict.fromkeys(("vat", "revenue", "promotions", "fees_vat", "fees_revenue"), "invoice")


def _move(prepared: Prepared, what: str, debit: Side, credit: Side, micros: int) -> None:
    """Post an amount of this close; below zero the other way round, nothing for zero."""
    if micros == 0:
        return
    if micros < 0:
        debit, credit = credit, debit
    ledger.post(
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

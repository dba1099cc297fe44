"""Dunning at work: reads what is unpaid, does the step that is due, and writes it down in one transaction.

The balance is locked first, so a payment that arrives and a step that is done never cross. A step's row, its
fee, its mail and what it does to the customer are committed together or not at all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select

from app.clock import utc_now
from app.config import settings
from app.customers import addressees
from app.customers.models import Customer
from app.customers.service import get_customer
from app.db import db
from app.i18n import local_date
from app.ledger.service import lock_balance
from app.money import cents_of_micros
from invoicing import auto_pay, documents, dunning_suspension, dunning_words, late_fee_claims, late_fees
from invoicing.dunning import Facts, Schedule, Step, chargeable_cents, next_step
from invoicing.dunning_models import DunningStep
from invoicing.dunning_pauses import Pauses, pauses_of
from invoicing.late_fees import FeeTerms
from invoicing.models import INVOICE, UNPAID, Invoice
from invoicing.notices import attached
from invoicing.reading import Listed, with_status
from invoicing.references import spaced
from invoicing.shapes import payment_reference
from topups import service as topups

MAIL_TEMPLATE: Final = "dunning"
# Letters go out by day.
FIRST_HOUR: Final = 8
LAST_HOUR: Final = 20
_log = structlog.get_logger("invoicing")


@dataclass(frozen=True, slots=True)
class _Case:
    """An unpaid invoice with all that decides what is done about it."""

    invoice: Invoice
    customer: Customer
    facts: Facts
    log: Mapping[Step, date]


def schedule() -> Schedule:
    """The provider's schedule."""
    configured = settings()
    return Schedule(
        upcoming_days_before=configured.dunning_upcoming_days or None,
        reminder_days=configured.dunning_reminder_days,
        second_reminder_days=configured.dunning_second_reminder_days,
        late_fee_days=configured.dunning_late_fee_days,
        final_demand_days=configured.dunning_final_demand_days,
        grace_days=configured.dunning_grace_days if configured.dunning_suspends else None,
    )


def is_daytime(now: datetime) -> bool:
    """Whether a letter may go out at this hour of the provider's zone."""
    return FIRST_HOUR <= now.astimezone(settings().timezone).hour < LAST_HOUR


def customers_to_chase(today: date, after: int, limit: int) -> list[int]:
    """Customers with an unpaid invoice that is due soon or was, in order of their ids."""
    soon = today + timedelta(days=settings().dunning_upcoming_days)
    return list(
        db.session.scalars(
            select(Invoice.customer_id)
            .where(UNPAID, Invoice.kind == INVOICE, Invoice.due_date <= soon, Invoice.customer_id > after)
            .distinct()
            .order_by(Invoice.customer_id)
            .limit(limit)
        )
    )


def chase(customer_id: int) -> list[tuple[str, Step]]:
    """Do what is due today for each unpaid invoice of a customer. In a unit of work; again is harmless."""
    lock_balance(customer_id)
    now = utc_now()
    done = [
        (case.invoice.number, step)
        for case in _cases(customer_id, local_date(now))
        if (step := next_step(case.facts, schedule(), local_date(now), case.log)) is not None
        and _do(case, step, now)
    ]
    dunning_suspension.refresh(customer_id)
    return done


def steps_of(invoice: Invoice) -> list[DunningStep]:
    """What was done about an invoice, the oldest first."""
    return list(
        db.session.scalars(
            select(DunningStep)
            .where(
                DunningStep.customer_id == invoice.customer_id, DunningStep.invoice_id == invoice.invoice_id
            )
            .order_by(DunningStep.done_at)
        )
    )


def next_on(invoice: Invoice, today: date) -> tuple[Step, date] | None:
    """The step that comes next and its day, as far as can be foreseen; None when none will."""
    for case in _cases(invoice.customer_id, today, only=invoice.invoice_id):
        for ahead in range(400):
            day = today + timedelta(days=ahead)
            step = next_step(case.facts, schedule(), day, case.log)
            if step is not None:
                return step, day
    return None


def _cases(customer_id: int, today: date, only: UUID | None = None) -> list[_Case]:
    soon = today + timedelta(days=settings().dunning_upcoming_days)
    query = select(Invoice).where(Invoice.customer_id == customer_id, Invoice.kind == INVOICE, UNPAID)
    query = query.where(Invoice.due_date <= soon) if only is None else query.where(Invoice.invoice_id == only)
    invoices = list(
        db.session.scalars(
            query.order_by(Invoice.issued_at, Invoice.number).execution_options(populate_existing=True)
        )
    )
    if not invoices:
        return []
    customer = get_customer(customer_id)
    pauses = pauses_of(customer_id, today)
    choice, collections = auto_pay.choice_of(customer_id), auto_pay.statuses(customer_id)
    done = _logs(customer_id, invoices)
    return [
        _Case(
            listed.invoice,
            customer,
            _facts(
                listed,
                customer,
                pauses,
                done.get(listed.invoice.invoice_id, []),
                is_collected=auto_pay.is_to_come(listed.invoice, choice, collections),
            ),
            {Step(row.step): row.done_on for row in done.get(listed.invoice.invoice_id, [])},
        )
        for listed in with_status(invoices)
        if documents.kind_of_paper(listed.invoice) in documents.stored_kinds(listed.invoice)
        and not documents.is_held(listed.invoice)
    ]


def _logs(customer_id: int, invoices: Iterable[Invoice]) -> dict[UUID, list[DunningStep]]:
    rows = db.session.scalars(
        select(DunningStep).where(
            DunningStep.customer_id == customer_id,
            DunningStep.invoice_id.in_([invoice.invoice_id for invoice in invoices]),
        )
    )
    found: dict[UUID, list[DunningStep]] = {}
    for row in rows:
        found.setdefault(row.invoice_id, []).append(row)
    return found


def _facts(
    listed: Listed, customer: Customer, pauses: Pauses, rows: list[DunningStep], *, is_collected: bool
) -> Facts:
    invoice = listed.invoice
    is_consumer = customer.kind == "consumer"
    terms = settings().late_fee_consumer if is_consumer else settings().late_fee_business
    principal_cents = cents_of_micros(invoice.outstanding_micros) - invoice.late_fee_cents
    letter = next((row for row in rows if row.step == Step.SECOND_REMINDER), None)
    return Facts(
        due_date=invoice.due_date,
        outstanding_cents=cents_of_micros(invoice.outstanding_micros),
        least_chased_cents=cents_of_micros(settings().small_due_micros),
        is_consumer=is_consumer,
        fee_cents=late_fees.fee_cents(
            FeeTerms(terms), principal_cents, is_consumer=is_consumer, country=customer.country
        ),
        named_fee_cents=letter.fee_cents if letter else None,
        is_under_way=listed.status == "in_progress",
        is_paused=pauses.hold(invoice.invoice_id),
        is_collected=is_collected,
    )


def _do(case: _Case, step: Step, now: datetime) -> bool:
    """One step: its row first, so that it is done once; then what it does."""
    invoice, today = case.invoice, local_date(now)
    fee_cents = 0
    if step is Step.SECOND_REMINDER:
        fee_cents = case.facts.fee_cents
    elif step is Step.LATE_FEE:
        fee_cents = chargeable_cents(case.facts)
        late_fee_claims.charge(invoice, fee_cents, basis=_basis(case), today=today)
    letter = _letter(case, step, fee_cents, today)
    db.session.add(
        DunningStep(
            customer_id=invoice.customer_id,
            invoice_id=invoice.invoice_id,
            step=step.value,
            done_on=today,
            done_at=now,
            outstanding_micros=invoice.outstanding_micros,
            fee_cents=fee_cents,
            facts={
                "due_date": invoice.due_date.isoformat(),
                "then_on": letter.then_on.isoformat() if letter.then_on else None,
                "consumer": case.facts.is_consumer,
            },
        )
    )
    db.session.flush()
    _send(case, letter)
    _log.info("dunning_step", number=invoice.number, step=step.value, fee_cents=fee_cents)
    return True


def _basis(case: _Case) -> str:
    configured = settings()
    return configured.late_fee_consumer if case.facts.is_consumer else configured.late_fee_business


def _letter(case: _Case, step: Step, fee_cents: int, today: date) -> dunning_words.Letter:
    invoice, planned = case.invoice, schedule()
    then_on: date | None = None
    if step is Step.SECOND_REMINDER and fee_cents:
        then_on = invoice.due_date + timedelta(days=planned.late_fee_days)
        if case.facts.is_consumer:
            then_on = max(then_on, late_fees.consumer_owes_from(today))
        then_on = max(then_on, today + timedelta(days=1))
    if step is Step.FINAL_DEMAND and planned.grace_days is not None:
        then_on = today + timedelta(days=planned.grace_days)
    return dunning_words.Letter(
        step=step,
        number=invoice.number,
        outstanding_micros=invoice.outstanding_micros,
        due_date=invoice.due_date,
        is_consumer=case.facts.is_consumer,
        fee_cents=fee_cents,
        then_on=then_on,
        is_request=invoice.is_request,
    )


def _send(case: _Case, letter: dunning_words.Letter) -> None:
    """The letter in its reader's language, with the invoice and a link that pays it without signing in."""
    invoice = case.invoice
    link = topups.make_pay_link(invoice.customer_id, invoice_number=invoice.number)
    addressees.send(
        MAIL_TEMPLATE,
        "payments",
        customer_id=invoice.customer_id,
        locale=case.customer.locale,
        context={
            "letter": letter,
            "words": dunning_words,
            "name": case.customer.name,
            "pay_url": f"{settings().public_url.rstrip('/')}/pay/{link.pay_link_id}",
            "seller": invoice.seller,
            "reference": spaced(payment_reference(invoice) or invoice.number),
        },
        attachments=[attached(invoice, documents.kind_of_paper(invoice))],
        dedupe_key=f"{MAIL_TEMPLATE}-{invoice.number}-{letter.step.value}",
    )

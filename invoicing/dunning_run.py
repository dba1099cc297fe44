"""Dunning at work: reads what is unpaid, does the step that is due, and writes it down in one transaction.

The balance is locked first, so a payment that arrives and a step that is done never cross. A step's row, its
fee, its mail and what it does to the customer are committed together or not at all.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select

from app.clock import utc_now
from app.config import settings
from app.customers import addressees
from app.db import db
from app.i18n import local_date
from app.ledger.service import lock_balance
from invoicing import documents, dunning_suspension, dunning_words, late_fee_claims
from invoicing.dunning import Schedule, Step, ahead, chargeable_cents, next_step
from invoicing.dunning_cases import Case, unpaid_cases
from invoicing.dunning_models import DunningStep
from invoicing.models import INVOICE, UNPAID, Invoice
from invoicing.notices import attached
from invoicing.references import spaced
from invoicing.shapes import payment_reference
from topups import service as topups

MAIL_TEMPLATE: Final = "dunning"
# Letters go out by day.
FIRST_HOUR: Final = 8
LAST_HOUR: Final = 20
_log = structlog.get_logger("invoicing")


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
    return list(
        db.session.scalars(
            select(Invoice.customer_id)
            .where(
                UNPAID, Invoice.kind == INVOICE, Invoice.due_date <= _soon(today), Invoice.customer_id > after
            )
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
        for case in unpaid_cases(customer_id, until=_soon(local_date(now)))
        if (step := next_step(case.facts, schedule(), local_date(now), case.log)) is not None
        and _do(case, step, now)
    ]
    dunning_suspension.refresh(customer_id)
    return done


def letter_key(number: str, step: str) -> str:
    """One letter per step that was done and number, whatever runs twice."""
    return f"{MAIL_TEMPLATE}-{number}-{step}"


def next_on(case: Case, today: date) -> tuple[Step, date] | None:
    """The step that comes next and its day, as far as can be foreseen; None when none will."""
    return next(ahead(case.facts, schedule(), today, case.log), None) if case.is_chased else None


def _soon(today: date) -> date:
    """Until this day an invoice falls due soon."""
    return today + timedelta(days=settings().dunning_upcoming_days)


def _do(case: Case, step: Step, now: datetime) -> bool:
    """One step: its row first, so that it is done once; then what it does."""
    invoice, today = case.invoice, local_date(now)
    if step is Step.LATE_FEE:
        late_fee_claims.charge(invoice, chargeable_cents(case.facts), basis=_basis(case), today=today)
    letter = _letter(case, step, today)
    row = DunningStep(
        customer_id=invoice.customer_id,
        invoice_id=invoice.invoice_id,
        step=f"{step.value}:{today.isoformat()}" if step in case.log else step.value,
        done_on=today,
        done_at=now,
        outstanding_micros=invoice.outstanding_micros,
        fee_cents=letter.fee_cents,
        facts={
            "due_date": invoice.due_date.isoformat(),
            "then_on": letter.then_on.isoformat() if letter.then_on else None,
            "consumer": case.facts.is_consumer,
        },
    )
    db.session.add(row)
    db.session.flush()
    _send(case, letter, letter_key(invoice.number, row.step))
    _log.info("dunning_step", number=invoice.number, step=step.value, fee_cents=letter.fee_cents)
    return True


def _basis(case: Case) -> str:
    configured = settings()
    return configured.late_fee_consumer if case.facts.is_consumer else configured.late_fee_business


def _letter(case: Case, step: Step, today: date) -> dunning_words.Letter:
    """What is told with a step: its fee or the one that is to come, and the day of what comes next."""
    invoice, facts = case.invoice, case.facts
    if step is Step.SECOND_REMINDER:
        facts = replace(facts, named_fee_cents=facts.fee_cents)
    following = list(ahead(facts, schedule(), today, {**case.log, step: today}))
    fee_on = dict(following).get(Step.LATE_FEE)
    named_cents = facts.fee_cents if fee_on else 0
    return dunning_words.Letter(
        step=step,
        number=invoice.number,
        outstanding_micros=invoice.outstanding_micros,
        due_date=invoice.due_date,
        is_consumer=facts.is_consumer,
        fee_cents=chargeable_cents(facts) if step is Step.LATE_FEE else named_cents,
        fee_on=fee_on,
        then_on=following[0][1] if following else None,
        is_request=invoice.is_request,
    )


def _send(case: Case, letter: dunning_words.Letter, key: str) -> None:
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
        dedupe_key=key,
    )

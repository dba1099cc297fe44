"""VAT numbers of customers, checked against VIES: asked by a job, never in the way of an invoice.

Their form is checked when they are given. Whether they exist is asked soon after, and anew from time to time;
a number counts until the register has said that it does not exist, and that holds from the next period on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app import mail
from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.customers.service import billing_email, get_customer, get_customers
from app.db import db, in_unit_of_work
from app.jobs import enqueue
from invoicing import vies
from invoicing.tax_rates import EU_COUNTRIES
from invoicing.vat_models import VatCheck, VatWatch

MAIL_TEMPLATE: Final = "vat_number_invalid"
VALID_FOR: Final = timedelta(days=30)
INVALID_FOR: Final = timedelta(days=7)
CALL_LASTS_AT_MOST: Final = timedelta(minutes=5)
FIRST_RETRY: Final = timedelta(minutes=10)
LAST_RETRY: Final = timedelta(hours=12)
PER_SWEEP: Final = 500
_log = structlog.get_logger("invoicing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a number stands: `not_checked` where no register is set, `unconfirmed` until it answers."""

    customer: Customer
    vat_number: str
    status: str
    fault: str = ""
    tries: int = 0
    last: VatCheck | None = None


def counting(
    customer_id: int, vat_number: str | None, country: str, on: date, *, at_home: bool = False
) -> str | None:
    """The number as tax sees it in a period that begins on a day: None when it was known then not to exist.

    Asked only where it makes a difference: for EU businesses abroad, and `at_home` for those whose number
    matters there too. Not knowing is no reason to charge VAT.
    """
    abroad = country in EU_COUNTRIES and country != settings().provider.country
    if not vat_number or not (abroad or at_home):
        return vat_number
    begins_at = datetime.combine(on, time.min, settings().timezone)
    status = db.session.scalar(
        select(VatCheck.status)
        .where(
            VatCheck.customer_id == customer_id,
            VatCheck.vat_number == vat_number,
            VatCheck.status.in_(("valid", "invalid")),
            VatCheck.asked_at < begins_at,
        )
        .order_by(VatCheck.asked_at.desc())
        .limit(1)
    )
    return None if status == "invalid" else vat_number


def retry_after(tries: int) -> timedelta:
    """How long to wait after so many questions in vain: longer each time, never longer than half a day."""
    return min(FIRST_RETRY * (1 << min(tries - 1, 10)), LAST_RETRY)


def watch_new() -> None:
    """Find numbers that nobody watches yet, or that were changed. In a unit of work."""
    rows = db.session.execute(
        select(Customer.customer_id, Customer.vat_number)
        .outerjoin(VatWatch, VatWatch.customer_id == Customer.customer_id)
        .where(
            Customer.vat_number.is_not(None),
            Customer.status == "active",
            VatWatch.vat_number.is_distinct_from(Customer.vat_number),
        )
        .order_by(Customer.customer_id)
        .limit(PER_SWEEP)
    ).all()
    for customer_id, vat_number in rows:
        ask_soon(customer_id, str(vat_number))


def ask_soon(customer_id: int, vat_number: str) -> None:
    """Have a number asked about; what was known of another is forgotten. In a unit of work."""
    fresh = {
        "vat_number": vat_number,
        "status": "waiting",
        "tries": 0,
        "fault": "",
        "answered_at": None,
        "next_check_at": utc_now(),
    }
    query = insert(VatWatch).values(customer_id=customer_id, **fresh)
    db.session.execute(query.on_conflict_do_update(index_elements=["customer_id"], set_=fresh))


def ask_again(customer_id: int, vat_number: str) -> None:
    """An operator wants to know now: its time has come, what is known stays. In a unit of work."""
    watch = db.session.get(VatWatch, customer_id, with_for_update=True, populate_existing=True)
    if watch is None or watch.vat_number != vat_number:
        ask_soon(customer_id, vat_number)
    else:
        watch.next_check_at = utc_now()


def send_due() -> None:
    """Send a job for each number whose time has come. In a unit of work."""
    due = db.session.scalars(
        select(VatWatch.customer_id)
        .where(VatWatch.next_check_at <= utc_now())
        .order_by(VatWatch.next_check_at)
        .limit(PER_SWEEP)
    )
    for customer_id in due:
        enqueue("invoicing.vat_jobs.check", customer_id, queue="bulk", retry_seconds=())


def check(customer_id: int) -> None:
    """Ask the register about a customer's number and keep its answer. Called outside a transaction.

    Again is harmless: who asked last has asked for all, until the number's time comes again.
    """
    number = in_unit_of_work(_claim, customer_id)
    if number is None:
        return
    asked_at = utc_now()
    answer = vies.ask(number)
    in_unit_of_work(_note, customer_id, number, answer, asked_at)


def _claim(customer_id: int) -> str | None:
    """Nobody else asks while this question may be under way."""
    watch = db.session.get(VatWatch, customer_id, with_for_update=True, populate_existing=True)
    if watch is None or watch.next_check_at > utc_now():
        return None
    customer = get_customer(customer_id)
    if customer.vat_number != watch.vat_number or customer.status != "active":
        # Changed since, and found again by the sweep; or gone for good.
        watch.next_check_at = utc_now() + VALID_FOR
        return None
    watch.next_check_at = utc_now() + CALL_LASTS_AT_MOST
    return watch.vat_number


def _note(customer_id: int, number: str, answer: vies.Answer, asked_at: datetime) -> None:
    db.session.add(
        VatCheck(
            customer_id=customer_id,
            check_id=uuid4(),
            vat_number=number,
            status=answer.status,
            fault=answer.fault,
            consultation_number=answer.consultation_number,
            name=answer.name,
            address=answer.address,
            asked_at=asked_at,
        )
    )
    watch = db.session.get_one(VatWatch, customer_id, with_for_update=True, populate_existing=True)
    if watch.vat_number != number:
        return
    if answer.status == "unavailable":
        watch.tries += 1
        watch.fault = answer.fault
        watch.next_check_at = utc_now() + retry_after(watch.tries)
        return
    is_news = watch.status != answer.status
    watch.status, watch.answered_at, watch.tries, watch.fault = answer.status, asked_at, 0, ""
    watch.next_check_at = utc_now() + (VALID_FOR if answer.status == "valid" else INVALID_FOR)
    if is_news and answer.status == "invalid":
        _log.warning("vat_number_invalid", customer_id=customer_id)
        _tell(get_customer(customer_id), number, asked_at)


def _tell(customer: Customer, number: str, asked_at: datetime) -> None:
    mail.send(
        MAIL_TEMPLATE,
        to=billing_email(customer),
        locale=customer.locale,
        customer_id=customer.customer_id,
        context={"customer": customer, "vat_number": number},
        dedupe_key=f"{MAIL_TEMPLATE}-{number}-{asked_at:%Y%m%d%H%M%S%f}",
    )


def standing_of(customer: Customer) -> Standing | None:
    """How a customer's number stands; None without one."""
    return next(iter(standings([customer])), None)


def standings(customers: Sequence[Customer]) -> list[Standing]:
    """How their numbers stand, in two statements."""
    numbers = {one.customer_id: one.vat_number for one in customers if one.vat_number}
    watched = {
        watch.customer_id: watch
        for watch in db.session.scalars(select(VatWatch).where(VatWatch.customer_id.in_(numbers)))
    }
    checks = db.session.scalars(
        select(VatCheck)
        .where(VatCheck.customer_id.in_(numbers), VatCheck.status != "unavailable")
        .order_by(VatCheck.customer_id, VatCheck.asked_at)
    )
    last = {check.customer_id: check for check in checks if check.vat_number == numbers[check.customer_id]}
    return [
        _standing(one, number, watched.get(one.customer_id), last.get(one.customer_id))
        for one in customers
        if (number := one.vat_number)
    ]


def _standing(customer: Customer, number: str, watch: VatWatch | None, last: VatCheck | None) -> Standing:
    if watch is None or watch.vat_number != number or watch.status == "waiting":
        status = "unconfirmed" if vies.is_configured() else "not_checked"
    else:
        status = watch.status
    mine = watch if watch is not None and watch.vat_number == number else None
    return Standing(
        customer=customer,
        vat_number=number,
        status=status,
        fault=mine.fault if mine else "",
        tries=mine.tries if mine else 0,
        last=last,
    )


def page(status: str, *, after_id: int = 0, limit: int = 50) -> list[Standing]:
    """Customers whose number stands so, by id: `invalid`, `waiting` (unconfirmed) or `valid`."""
    ids = db.session.scalars(
        select(VatWatch.customer_id)
        .where(VatWatch.status == status, VatWatch.customer_id > after_id)
        .order_by(VatWatch.customer_id)
        .limit(limit)
    ).all()
    found = get_customers(ids) if ids else {}
    return standings([found[customer_id] for customer_id in ids if customer_id in found])


def checks_of(customer_id: int, limit: int = 50) -> list[VatCheck]:
    """The questions asked about a customer's numbers, the newest first."""
    query = select(VatCheck).where(VatCheck.customer_id == customer_id)
    return list(db.session.scalars(query.order_by(VatCheck.asked_at.desc()).limit(limit)))

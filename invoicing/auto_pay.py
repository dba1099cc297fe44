"""Automatic payment: what is due is collected on its due date, where the customer chose so and consented.

Nothing is collected before its document is out: a customer pays what they got. There is one collection per
invoice and due date, as a row that is written before anything is asked for; the charge bears a key made of
it, so a crash or a second worker charges nothing twice. A mandate that turns out to be gone is passed over
for the customer's next one. A charge that fails at the bank is not tried again: from then on the invoice is
chased like any other.

It is no automatic top-up, and does not count toward its monthly maximum.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select

from app.clock import utc_now
from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.i18n import local_date
from app.ledger.service import lock_balance
from invoicing import billing_terms, documents, paying, payment_orders
from invoicing.billing_terms import CHARGE_TYPES, ChargeType
from invoicing.charge_models import Charge
from invoicing.dunning_models import AutoPay, AutoPayment
from invoicing.errors import NothingToPay, PaymentUnderWay, PaysTooMuch
from invoicing.models import INVOICE, UNPAID, Invoice
from topups import consents
from topups import service as topups
from topups.errors import (
    ConsentMissing,
    MandatePending,
    MandateRevoked,
    NoPaymentMethod,
    PaymentRefused,
    PaymentsUnavailable,
    UnknownPaymentMethod,
)
from topups.service import Consent, GivenBy, PaymentMethod

KIND: Final = "automatic_payment"
Key = tuple[int, UUID, date]
_METHOD_IS_GONE: Final = (MandateRevoked, MandatePending, UnknownPaymentMethod, PaymentRefused)
_PAID_OTHERWISE: Final = (NothingToPay, PaymentUnderWay, PaysTooMuch)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a customer chose: which kinds of charges are collected, since when, on which consent."""

    charge_types: frozenset[ChargeType]
    changed_at: datetime | None = None
    consent: Consent | None = None

    def __bool__(self) -> bool:
        return bool(self.charge_types)


@dataclass(frozen=True, slots=True)
class _Attempt:
    number: str
    amount_micros: int
    payment_method_id: str | None
    tried: int


def choice_of(customer_id: int) -> Choice:
    """What is collected of this customer; nothing without a consent that stands."""
    row = db.session.get(AutoPay, customer_id)
    if row is None or not row.enabled or row.consent_id is None:
        return Choice(frozenset(), row.changed_at if row else None)
    terms = billing_terms.all_terms(customer_id)
    chosen = frozenset(kind for kind in CHARGE_TYPES if terms[kind].auto_pay)
    return Choice(chosen, row.changed_at, db.session.get(Consent, (customer_id, row.consent_id)))


def choose(customer_id: int, charge_types: Collection[ChargeType], given_by: GivenBy | None) -> Choice:
    """Collect these kinds of charges from now on, and no others; none switches it off. In a unit of work.

    What is overdue already stays the customer's to pay. Raises ConsentMissing, NoPaymentMethod.
    """
    lock_balance(customer_id)
    now = utc_now()
    row = db.session.get(AutoPay, customer_id, populate_existing=True)
    before = choice_of(customer_id).charge_types
    wanted = frozenset(charge_types)
    if wanted - before:
        if given_by is None:
            raise ConsentMissing(field="consent")
        if not usable_methods(customer_id, now):
            raise NoPaymentMethod(field="payment_methods")
    if row is None:
        row = AutoPay(customer_id=customer_id, enabled=False, changed_at=now)
        db.session.add(row)
    if wanted - before and given_by is not None:
        row.consent_id = consents.record(customer_id, KIND, given_by).consent_id
    if wanted != before:
        row.changed_at = now
    row.enabled = bool(wanted)
    db.session.flush()
    for kind in CHARGE_TYPES:
        if billing_terms.terms_of(customer_id, kind).auto_pay != (kind in wanted):
            billing_terms.set_terms(customer_id, kind, {"auto_pay": kind in wanted})
    return choice_of(customer_id)


def usable_methods(customer_id: int, now: datetime) -> list[PaymentMethod]:
    """Mandates that may be charged now, in the customer's order."""
    return [
        method
        for method in topups.payment_methods(customer_id)
        if method.status == "valid"
        and method.position is not None
        and not method.waits_for_customer
        and (method.blocked_until is None or method.blocked_until <= now)
    ]


def charge_type(invoice: Invoice, *, has_charges: bool) -> ChargeType:
    """The kind of charges that a document is for: the usage's also bears what joined it."""
    if invoice.close_key is not None:
        return "usage"
    return "one_off" if has_charges else "subscription"


def applies_to(invoice: Invoice, choice: Choice, kind: ChargeType) -> bool:
    """Whether this invoice is collected on its due date: not one that was overdue when that was chosen."""
    if not choice or choice.changed_at is None or invoice.due_date < local_date(choice.changed_at):
        return False
    return kind in choice.charge_types


def is_to_come(invoice: Invoice, choice: Choice, kind: ChargeType, status: str | None) -> bool:
    """Whether a collection of this invoice is still ahead, or about to be asked for.

    `status` is that of its collection on its due date; None without one.
    """
    return status == "planned" or (status is None and applies_to(invoice, choice, kind))


def due(today: date, limit: int) -> list[Key]:
    """Collections to make, and those that a crash left in the middle."""
    here = (AutoPayment.customer_id == Invoice.customer_id, AutoPayment.invoice_id == Invoice.invoice_id)
    done = exists().where(*here, AutoPayment.due_date == Invoice.due_date)
    fresh = (
        select(Invoice.customer_id, Invoice.invoice_id, Invoice.due_date)
        .join(AutoPay, AutoPay.customer_id == Invoice.customer_id)
        .where(AutoPay.enabled, Invoice.kind == INVOICE, UNPAID, Invoice.due_date <= today)
        .where(documents.is_out(), ~done)
        .order_by(Invoice.due_date, Invoice.number)
        .limit(limit)
    )
    begun = (
        select(AutoPayment.customer_id, AutoPayment.invoice_id, AutoPayment.due_date)
        .where(AutoPayment.status == "planned")
        .order_by(AutoPayment.created_at)
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in (*db.session.execute(begun), *db.session.execute(fresh))]


def collect(customer_id: int, invoice_id: UUID) -> str | None:
    """Collect what is due of an invoice, once; what became of it. Calls Mollie. Again is harmless."""
    key = in_unit_of_work(_plan, customer_id, invoice_id)
    while key is not None:
        attempt = _attempt(key)
        if attempt is None:
            break
        if attempt.payment_method_id is None:
            in_unit_of_work(_end, key, "refused")
            break
        try:
            payment = _charge(key, attempt)
        except _METHOD_IS_GONE:
            in_unit_of_work(_pass_over, key, attempt.tried)
        except _PAID_OTHERWISE:
            in_unit_of_work(_end, key, "skipped")
        except PaymentsUnavailable:
            # Nothing was sent; the schedule comes back to it.
            break
        else:
            in_unit_of_work(_end, key, "asked", payment)
    db.session.rollback()
    row = db.session.get(AutoPayment, key) if key is not None else None
    return row.status if row is not None else None


def _plan(customer_id: int, invoice_id: UUID) -> Key | None:
    """The row of this collection, made now if its day has come; None where nothing is to be collected."""
    lock_balance(customer_id)
    now = utc_now()
    invoice = db.session.get(Invoice, (customer_id, invoice_id), populate_existing=True)
    if invoice is None:
        return None
    key = (customer_id, invoice_id, invoice.due_date)
    known = db.session.get(AutoPayment, key, populate_existing=True)
    if known is not None:
        return key if _goes_on(known, invoice) else None
    if invoice.outstanding_micros <= 0 or invoice.due_date > local_date(now) or not _is_out(invoice):
        return None
    (payable,) = payment_orders.payable(customer_id, [invoice])
    # Who is paying it by hand is not charged beside that.
    is_wanted = _is_chosen(invoice) and payable.under_way_micros == 0
    db.session.add(
        AutoPayment(
            customer_id=customer_id,
            invoice_id=invoice_id,
            due_date=invoice.due_date,
            amount_micros=invoice.outstanding_micros,
            status="planned" if is_wanted else "skipped",
            methods=[method.payment_method_id for method in usable_methods(customer_id, now)],
            tried=0,
            created_at=now,
            ended_at=None if is_wanted else now,
        )
    )
    return key if is_wanted else None


def _is_out(invoice: Invoice) -> bool:
    here = (Invoice.customer_id == invoice.customer_id, Invoice.invoice_id == invoice.invoice_id)
    return bool(db.session.scalar(select(documents.is_out()).select_from(Invoice).where(*here)))


def _is_chosen(invoice: Invoice) -> bool:
    choice = choice_of(invoice.customer_id)
    if not choice:
        return False
    charged = exists().where(
        Charge.customer_id == invoice.customer_id, Charge.invoice_id == invoice.invoice_id
    )
    kind = charge_type(invoice, has_charges=bool(db.session.scalar(select(charged))))
    return applies_to(invoice, choice, kind)


def _goes_on(row: AutoPayment, invoice: Invoice) -> bool:
    """Whether to finish what was begun: not what was switched off before it was asked for."""
    if row.status != "planned":
        return False
    asked = topups.find_by_key(row.customer_id, _request_key(invoice.first_name, row.due_date, row.tried))
    if asked is None and not _is_chosen(invoice):
        row.status, row.ended_at = "skipped", utc_now()
        return False
    return True


def _request_key(number: str, due_date: date, tried: int) -> str:
    return f"auto-pay:{number}:{due_date.isoformat()}:{tried}"


def _attempt(key: Key) -> _Attempt | None:
    db.session.rollback()
    row = db.session.get(AutoPayment, key, populate_existing=True)
    if row is None or row.status != "planned":
        return None
    invoice = db.session.get_one(Invoice, key[:2])
    method = row.methods[row.tried] if row.tried < len(row.methods) else None
    return _Attempt(invoice.first_name, row.amount_micros, method, row.tried)


def _charge(key: Key, attempt: _Attempt) -> str:
    customer_id, _, due_date = key
    payment = paying.pay(
        get_customer(customer_id),
        paying.PayWish(
            numbers=(attempt.number,),
            request_key=_request_key(attempt.number, due_date, attempt.tried),
            amount_micros=attempt.amount_micros,
            payment_method_id=attempt.payment_method_id,
            is_automatic=True,
        ),
    )
    return payment.top_up_id


def _pass_over(key: Key, tried: int) -> None:
    """This method cannot be charged; the next one is next, whoever noticed it first."""
    lock_balance(key[0])
    row = db.session.get_one(AutoPayment, key, populate_existing=True)
    if row.tried == tried:
        row.tried += 1


def _end(key: Key, status: str, top_up_id: str | None = None) -> None:
    lock_balance(key[0])
    row = db.session.get_one(AutoPayment, key, populate_existing=True)
    if row.status == "planned":
        row.status, row.top_up_id, row.ended_at = status, top_up_id, utc_now()

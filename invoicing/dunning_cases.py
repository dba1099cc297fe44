"""What dunning decides by: an invoice with all that is known of it, in a fixed number of statements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, exists, func, select

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.db import db
from app.i18n import local_date
from app.money import cents_of_micros
from invoicing import auto_pay, documents, late_fees
from invoicing.auto_pay import Choice
from invoicing.charge_models import BillingTerms, Charge
from invoicing.dunning import Facts, Step
from invoicing.dunning_models import AutoPay, AutoPayment, DunningStep, LateFee
from invoicing.dunning_pauses import Pauses, pauses_of
from invoicing.late_fees import FeeTerms
from invoicing.models import INVOICE, UNPAID, Allocation, Invoice
from invoicing.reading import Listed, with_status
from invoicing.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An invoice with all that decides what is done about it.

    Nothing is done that is not chased: what is paid, a credit note, and a document that is not out yet.
    """

    invoice: Invoice
    customer: Customer
    facts: Facts
    steps: list[DunningStep]
    pauses: Pauses
    late_fee: LateFee | None
    status: Status
    is_chased: bool

    @property
    def log(self) -> Mapping[Step, date]:
        """The day on which each step was done, of what was repeated the last."""
        return {Step(row.name): row.done_on for row in self.steps}


def unpaid_cases(customer_id: int, *, until: date) -> list[Case]:
    """A customer's invoices that are chased and fall due until this day, the oldest first."""
    query = (
        select(Invoice)
        .where(Invoice.customer_id == customer_id, Invoice.kind == INVOICE, UNPAID, Invoice.due_date <= until)
        .order_by(Invoice.issued_at, Invoice.number)
        .execution_options(populate_existing=True)
    )
    invoices = db.session.scalars(query).all()
    return [case for case in _cases(customer_id, invoices) if case.is_chased] if invoices else []


def case_of(invoice: Invoice) -> Case:
    """How it stands with one invoice, whether it is chased or not."""
    return _cases(invoice.customer_id, [invoice])[0]


def steps_of(invoice: Invoice) -> list[DunningStep]:
    """What was done about an invoice, the oldest first."""
    return _steps(invoice.customer_id, [invoice.invoice_id]).get(invoice.invoice_id, [])


def _cases(customer_id: int, invoices: Sequence[Invoice]) -> list[Case]:
    wanted = [invoice.invoice_id for invoice in invoices]
    around = {row.invoice_id: row for row in db.session.execute(_around(customer_id, wanted))}
    pauses = pauses_of(customer_id, local_date(utc_now()))
    steps = _steps(customer_id, wanted)
    return [
        _case(listed, around[listed.invoice.invoice_id], pauses, steps.get(listed.invoice.invoice_id, []))
        for listed in with_status(invoices)
    ]


def _around(customer_id: int, wanted: Collection[UUID]) -> Select[Any]:
    """Per invoice: its customer, fee, collection, last reopening, and whether its document is out."""
    chosen = (
        select(func.array_agg(BillingTerms.charge_type))
        .where(BillingTerms.customer_id == Invoice.customer_id, BillingTerms.auto_pay)
        .scalar_subquery()
    )
    charged = exists().where(
        Charge.customer_id == Invoice.customer_id, Charge.invoice_id == Invoice.invoice_id
    )
    reopened = (
        select(func.max(Allocation.created_at))
        .where(
            Allocation.customer_id == Invoice.customer_id,
            Allocation.invoice_id == Invoice.invoice_id,
            Allocation.amount_micros < 0,
        )
        .scalar_subquery()
    )
    return (
        select(
            Invoice.invoice_id,
            Customer,
            LateFee,
            AutoPay.changed_at.label("chosen_at"),
            chosen.label("chosen"),
            AutoPayment.status.label("collection"),
            charged.label("has_charges"),
            reopened.label("reopened_at"),
            documents.is_out().label("is_out"),
        )
        .join(Customer, Customer.customer_id == Invoice.customer_id)
        .outerjoin(AutoPay, and_(AutoPay.customer_id == Invoice.customer_id, AutoPay.enabled))
        .outerjoin(LateFee, _same(LateFee))
        .outerjoin(AutoPayment, and_(_same(AutoPayment), AutoPayment.due_date == Invoice.due_date))
        .where(Invoice.customer_id == customer_id, Invoice.invoice_id.in_(wanted))
    )


def _same(table: type[LateFee | AutoPayment]) -> Any:
    return and_(table.customer_id == Invoice.customer_id, table.invoice_id == Invoice.invoice_id)


def _steps(customer_id: int, wanted: Collection[UUID]) -> dict[UUID, list[DunningStep]]:
    rows = db.session.scalars(
        select(DunningStep)
        .where(DunningStep.customer_id == customer_id, DunningStep.invoice_id.in_(wanted))
        .order_by(DunningStep.done_at)
    )
    found: dict[UUID, list[DunningStep]] = {}
    for row in rows:
        found.setdefault(row.invoice_id, []).append(row)
    return found


def _case(listed: Listed, around: Row[Any], pauses: Pauses, steps: list[DunningStep]) -> Case:
    invoice, customer = listed.invoice, around.Customer
    is_consumer = customer.kind == "consumer"
    terms = settings().late_fee_consumer if is_consumer else settings().late_fee_business
    principal_cents = cents_of_micros(invoice.outstanding_micros) - invoice.late_fee_cents
    letter = next((row for row in steps if row.step == Step.SECOND_REMINDER), None)
    choice = Choice(frozenset(around.chosen or ()) if around.chosen_at else frozenset(), around.chosen_at)
    kind = auto_pay.charge_type(invoice, has_charges=around.has_charges)
    facts = Facts(
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
        is_collected=auto_pay.is_to_come(invoice, choice, kind, around.collection),
        reopened_on=local_date(around.reopened_at) if around.reopened_at else None,
    )
    return Case(
        invoice=invoice,
        customer=customer,
        facts=facts,
        steps=steps,
        pauses=pauses,
        late_fee=around.LateFee,
        status=listed.status,
        is_chased=invoice.kind == INVOICE and invoice.outstanding_micros > 0 and around.is_out,
    )

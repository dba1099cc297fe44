"""Dunning as an operator looks at it: who has not paid, what was done about it, what comes next."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select

from app.clock import utc_now
from app.customers.models import Customer
from app.db import db
from app.i18n import local_date
from invoicing import dunning_cases, dunning_run, write_offs
from invoicing.dunning import Step
from invoicing.dunning_models import DunningPause, DunningStep, LateFee, WriteOff
from invoicing.models import INVOICE, UNPAID, Invoice
from invoicing.reading import find, with_status
from invoicing.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """An invoice that was not paid in time, with the last thing that was done about it."""

    number: str
    reference: str
    name: str
    due_date: date
    outstanding_micros: int
    status: Status
    last_step: Step | None
    last_on: date | None
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """One invoice with all that was done and decided about it."""

    invoice: Invoice
    customer: Customer
    status: Status
    steps: list[DunningStep]
    ahead: tuple[Step, date] | None
    pauses: list[DunningPause]
    late_fee: LateFee | None
    write_offs: list[WriteOff]


def late(*, after: str | None, limit: int) -> tuple[list[Late], str | None]:
    """Invoices past their due date, the longest overdue first, and the cursor of the next page."""
    today = local_date(utc_now())
    query = select(Invoice).where(UNPAID, Invoice.kind == INVOICE, Invoice.due_date < today)
    if after is not None:
        last = find(after)
        query = query.where(
            (Invoice.due_date > last.due_date)
            | ((Invoice.due_date == last.due_date) & (Invoice.number > last.number))
        )
    found = list(db.session.scalars(query.order_by(Invoice.due_date, Invoice.number).limit(limit + 1)))
    shown = found[:limit]
    return _rows(shown, today), shown[-1].number if len(found) > limit else None


def dossier(number: str) -> Dossier:
    """Raises UnknownInvoice."""
    case = dunning_cases.case_of(find(number))
    return Dossier(
        invoice=case.invoice,
        customer=case.customer,
        status=case.status,
        steps=case.steps,
        ahead=dunning_run.next_on(case, local_date(utc_now())),
        pauses=[row for row in case.pauses.rows if row.invoice_id in (None, case.invoice.invoice_id)],
        late_fee=case.late_fee,
        write_offs=write_offs.of_invoice(case.invoice),
    )


def _rows(invoices: Collection[Invoice], today: date) -> list[Late]:
    owners = {invoice.customer_id for invoice in invoices}
    last = _last_steps(invoices)
    paused = db.session.scalars(
        select(DunningPause).where(DunningPause.customer_id.in_(owners), DunningPause.resumed_at.is_(None))
    ).all()
    held = {(row.customer_id, row.invoice_id) for row in paused if row.until is None or today < row.until}
    return [
        Late(
            number=one.invoice.number,
            reference=str(one.invoice.buyer["reference"]),
            name=str(one.invoice.buyer["name"]),
            due_date=one.invoice.due_date,
            outstanding_micros=one.invoice.outstanding_micros,
            status=one.status,
            last_step=Step(last[one.invoice.invoice_id].name) if one.invoice.invoice_id in last else None,
            last_on=last[one.invoice.invoice_id].done_on if one.invoice.invoice_id in last else None,
            is_paused=bool(
                {(one.invoice.customer_id, None), (one.invoice.customer_id, one.invoice.invoice_id)} & held
            ),
        )
        for one in with_status(invoices)
    ]


def _last_steps(invoices: Collection[Invoice]) -> dict[object, DunningStep]:
    newest = (
        select(
            DunningStep.customer_id, DunningStep.invoice_id, func.max(DunningStep.done_at).label("done_at")
        )
        .where(
            DunningStep.customer_id.in_({invoice.customer_id for invoice in invoices}),
            DunningStep.invoice_id.in_([invoice.invoice_id for invoice in invoices]),
        )
        .group_by(DunningStep.customer_id, DunningStep.invoice_id)
        .subquery()
    )
    rows = db.session.scalars(
        select(DunningStep).join(
            newest,
            (newest.c.customer_id == DunningStep.customer_id)
            & (newest.c.invoice_id == DunningStep.invoice_id)
            & (newest.c.done_at == DunningStep.done_at),
        )
    )
    return {row.invoice_id: row for row in rows}

"""Pauses of dunning: an operator stops the chasing of a customer or of one invoice, and says why."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from sqlalchemy import select

from app.clock import utc_now
from app.db import db
from app.errors import Invalid, NotFound
from app.i18n import local_date
from app.ledger.service import lock_balance
from invoicing.dunning_models import DunningPause
from invoicing.models import Invoice
from invoicing.reasons import checked_reason
from invoicing.wording import gettext


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses of a customer that hold on a day."""

    rows: tuple[DunningPause, ...]

    def hold(self, invoice_id: UUID) -> bool:
        """Whether this invoice is not chased."""
        return any(row.invoice_id in (None, invoice_id) for row in self.rows)


def pauses_of(customer_id: int, today: date) -> Pauses:
    """Those that hold today; one until a day ends when that day begins."""
    rows = db.session.scalars(
        select(DunningPause)
        .where(DunningPause.customer_id == customer_id, DunningPause.resumed_at.is_(None))
        .order_by(DunningPause.paused_at)
    )
    return Pauses(tuple(row for row in rows if row.until is None or today < row.until))


def pause(
    customer_id: int,
    reason: str,
    *,
    invoice: Invoice | None = None,
    until: date | None = None,
    user_id: int | None = None,
) -> DunningPause:
    """Stop the chasing. In a unit of work; asked twice for the same, it is one pause. Raises Invalid."""
    why = checked_reason(reason)
    today = local_date(utc_now())
    if until is not None and until <= today:
        raise Invalid(gettext("Choose a day that is still to come."), field="until")
    lock_balance(customer_id)
    invoice_id = invoice.invoice_id if invoice else None
    for row in pauses_of(customer_id, today).rows:
        if row.invoice_id == invoice_id:
            row.until, row.reason = until, why
            db.session.flush()
            return row
    row = DunningPause(
        customer_id=customer_id,
        pause_id=uuid4(),
        invoice_id=invoice_id,
        reason=why,
        until=until,
        paused_at=utc_now(),
        paused_by_user_id=user_id,
    )
    db.session.add(row)
    db.session.flush()
    return row


def resume(customer_id: int, pause_id: UUID) -> None:
    """Chase again; again is harmless. In a unit of work. Raises NotFound."""
    lock_balance(customer_id)
    row = db.session.get(DunningPause, (customer_id, pause_id), populate_existing=True)
    if row is None:
        raise NotFound
    row.resumed_at = row.resumed_at or utc_now()
    db.session.flush()


def number_of(row: DunningPause) -> str | None:
    """The number of the invoice that a pause is about; None where it is about all of the customer's."""
    if row.invoice_id is None:
        return None
    return db.session.get_one(Invoice, (row.customer_id, row.invoice_id)).number

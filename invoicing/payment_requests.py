"""Payment requests: what is due is asked for first, and becomes an invoice when the money is there.

All of a request is frozen as of an invoice: parties, lines, taxes, amounts. It goes by a name of its own
that belongs to no series; its number and day of issue come in the transaction that settles it, as that
transaction's last locks. From then on it is an invoice like any other, and its name still finds it.
"""

import secrets
from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select

from app.clock import utc_now
from app.config import settings
from app.db import before_commit, db, unit_notes
from app.document_names import REQUEST_LENGTH, REQUEST_LETTERS, is_request_name
from app.i18n import local_date
from app.jobs import enqueue
from invoicing import telling
from invoicing.models import INVOICE, Invoice, InvoiceNumber
from invoicing.numbering import take_numbers

ON_PAYMENT: Final = "payment"
_SETTLED: Final = "settled_requests"
Key = tuple[int, UUID]


def asked_first() -> bool:
    """Whether the provider asks for what is due on an invoice before it is issued."""
    return settings().issue_on == ON_PAYMENT


def new_name() -> str:
    """A name that nobody has: of its letters there are more than can ever meet."""
    return "B-" + "".join(secrets.choice(REQUEST_LETTERS) for _ in range(REQUEST_LENGTH))


def settled(request: Invoice, allocation: str | None = None) -> None:
    """The money for a request is there: its invoice is issued as the last of this transaction.

    The customer's balance is locked. `allocation` names the share that settled it, for who is told.
    """
    waiting: dict[Key, str | None] | None = unit_notes().get(_SETTLED)
    if waiting is None:
        waiting = unit_notes()[_SETTLED] = {}
        before_commit(issue_settled)
    waiting[request.customer_id, request.invoice_id] = allocation


def issue_settled() -> None:
    """Issue what was settled in this transaction and still is. What takes another series calls it first."""
    waiting: dict[Key, str | None] = unit_notes().get(_SETTLED, {})
    keys = sorted(waiting)
    requests = [db.session.get_one(Invoice, key) for key in keys]
    going = [one for one in requests if one.is_request and one.settled_at is not None]
    issue(going)
    for one in going:
        allocation = waiting[one.customer_id, one.invoice_id]
        if allocation is not None:
            telling.paid(one, allocation)
    waiting.clear()


def issue(requests: Collection[Invoice]) -> None:
    """Give requests their numbers and the day of issue, and have their files made; each once.

    The balances of their customers are locked; the series is, from here on.
    """
    if not requests:
        return
    now = utc_now()
    day = local_date(now)
    db.session.flush()
    for one, number in zip(requests, take_numbers(INVOICE, day.year, len(requests)), strict=True):
        done = db.session.scalar(
            select(func.issue_payment_request(one.customer_id, one.invoice_id, number, day, now))
        )
        if done is None:
            raise RuntimeError(f"{one.request_number} was issued already")
        db.session.execute(insert(InvoiceNumber).values(number=number, customer_id=one.customer_id))
        enqueue("invoicing.jobs.render_document", number, queue="bulk", job_id=f"render-{number}")
        db.session.refresh(one, ("number", "issue_date", "issued_at", "paid_first_cents"))


def numbers_for(named: Iterable[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """The numbers of what credit notes correct, by customer and name; requests among them are issued now.

    What is taken back must have been invoiced.
    """
    found: dict[tuple[int, str], Invoice] = {}
    for customer_id, name in {key for key in named if is_request_name(key[1])}:
        request = db.session.scalars(
            select(Invoice)
            .where(Invoice.customer_id == customer_id, Invoice.request_number == name)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if request is not None:
            found[customer_id, name] = request
    issue([one for one in found.values() if one.is_request])
    return {key: one.number for key, one in found.items()}

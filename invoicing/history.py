"""What happened to an invoice: issued, mailed, paid, taken back; the oldest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app import mail
from app.db import db
from app.i18n import money
from invoicing.models import Allocation, Invoice
from invoicing.notices import MAIL_TEMPLATE, dedupe_key
from invoicing.wording import gettext


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history."""

    at: datetime
    text: str


def events_of(invoice: Invoice) -> list[Event]:
    events = [Event(invoice.issued_at, gettext("Made and recorded"))]
    events += [
        Event(
            message.sent_at or message.created_at, gettext("Mailed to %(address)s", address=message.recipient)
        )
        for message in mail.mail_log(customer_id=invoice.customer_id, limit=200)
        if message.template == MAIL_TEMPLATE and message.dedupe_key == dedupe_key(invoice)
    ]
    allocations = db.session.scalars(
        select(Allocation).where(
            Allocation.customer_id == invoice.customer_id, Allocation.invoice_id == invoice.invoice_id
        )
    )
    events += [Event(one.created_at, _allocation_text(one.amount_micros)) for one in allocations]
    return sorted(events, key=lambda event: event.at)


def _allocation_text(amount_micros: int) -> str:
    if amount_micros > 0:
        return gettext("%(amount)s paid", amount=money(amount_micros))
    return gettext("%(amount)s taken back by the bank or refunded", amount=money(-amount_micros))

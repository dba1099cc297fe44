"""What happened to an invoice: issued, mailed, paid, taken back; the oldest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app import mail
from app.db import db
from app.i18n import money
from app.money import micros_of_cents
from invoicing import dunning_words, notices, paid_copies
from invoicing.dunning import Step
from invoicing.dunning_cases import steps_of
from invoicing.dunning_models import DunningStep
from invoicing.dunning_run import MAIL_TEMPLATE as LETTER_TEMPLATE
from invoicing.dunning_run import letter_key
from invoicing.models import Allocation, Invoice
from invoicing.wording import cents_text, gettext


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history; with the payment or the document that is behind it."""

    at: datetime
    text: str
    top_up_id: str | None = None
    number: str | None = None


def events_of(invoice: Invoice) -> list[Event]:
    events = [Event(invoice.issued_at, gettext("Made and recorded"))]
    if invoice.requested_at is not None:
        asked = Event(
            invoice.requested_at,
            gettext("Asked for by payment request %(number)s", number=invoice.request_number),
        )
        events = [asked] if invoice.is_request else [asked, *events]
    steps = steps_of(invoice)
    mails = _mails(invoice, steps)
    events += [_mailed(one) for one in mails if one.template != LETTER_TEMPLATE or one.bounced_at]
    allocations = db.session.scalars(
        select(Allocation).where(
            Allocation.customer_id == invoice.customer_id, Allocation.invoice_id == invoice.invoice_id
        )
    )
    events += [Event(one.created_at, _allocation_text(one), top_up_id=one.top_up_id) for one in allocations]
    events += [Event(step.done_at, _step_text(step, invoice, mails)) for step in steps]
    credit_notes = db.session.scalars(
        select(Invoice).where(
            Invoice.customer_id == invoice.customer_id, Invoice.original_number == invoice.number
        )
    )
    events += [Event(note.issued_at, _credited_text(note), number=note.number) for note in credit_notes]
    return sorted(events, key=lambda event: event.at)


def _mails(invoice: Invoice, steps: list[DunningStep]) -> list[mail.MailMessage]:
    """Every mail about this document, to whomever: that brought it, reminded of it, told that it was paid."""
    keys = [paid_copies.key_of_number(invoice.number)]
    for name in invoice.names:
        keys += [notices.key_of_number(name), *(letter_key(name, row.step) for row in steps)]
    return mail.mails_with(invoice.customer_id, keys)


def _mailed(message: mail.MailMessage) -> Event:
    if message.bounced_at is not None:
        text = gettext("The e-mail to %(address)s came back", address=message.recipient)
        return Event(message.bounced_at, text)
    if message.status == "unsure":
        text = gettext(
            "Perhaps mailed to %(address)s: the mail server did not say", address=message.recipient
        )
        return Event(message.sending_at or message.created_at, text)
    text = (
        gettext("Payment confirmed to %(address)s", address=message.recipient)
        if message.template == paid_copies.MAIL_TEMPLATE
        else gettext("Mailed to %(address)s", address=message.recipient)
    )
    return Event(message.sent_at or message.created_at, text)


def _allocation_text(allocation: Allocation) -> str:
    amount_micros = allocation.amount_micros
    if allocation.top_up_id is None:
        return gettext("%(amount)s settled with credits", amount=money(amount_micros))
    if amount_micros > 0:
        return gettext("%(amount)s paid", amount=money(amount_micros))
    return gettext("%(amount)s taken back by the bank or refunded", amount=money(-amount_micros))


def _step_text(step: DunningStep, invoice: Invoice, mails: list[mail.MailMessage]) -> str:
    text = str(dunning_words.STEPS[Step(step.name)])
    keys = {letter_key(name, step.step) for name in invoice.names}
    readers = [one.recipient for one in mails if one.is_of(keys)]
    if step.step == Step.LATE_FEE:
        text = f"{text}: {cents_text(step.fee_cents)}"
    if not readers:
        return text
    return gettext("%(what)s, mailed to %(addresses)s", what=text, addresses=", ".join(readers))


def _credited_text(note: Invoice) -> str:
    return gettext(
        "%(amount)s credited by %(number)s: %(reason)s",
        amount=money(micros_of_cents(note.total_cents)),
        number=note.number,
        reason=note.reason or "–",
    )

"""Mail: written once into the mail log, in the reader's language, and sent by a job.

A mail is a row before it is a message: what was sent, to whom and when can be shown, and sent again. The
same `dedupe_key` of a customer never makes a second mail.

No program hands a message over twice. That it is being sent is committed before the mail server hears of it;
where the end of that is not known, the mail was *perhaps sent* (`unsure`), and only a person sends it again.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any, Final

from flask import render_template
from flask_babel import gettext
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Select,
    String,
    Text,
    UniqueConstraint,
    case,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, defer, mapped_column

from app.clock import utc_now
from app.config import settings
from app.db import Model, UtcDateTime, db, in_unit_of_work
from app.errors import Conflict, NotFound
from app.i18n import in_locale
from app.jobs import JOB_TIMEOUT_SECONDS, enqueue
from app.smtp import HandedOver, hand_over
from app.tables import Column, Order

NO_CUSTOMER: Final = 1  # the house: mails that concern no customer
# No job lives as long as this: whoever was sending then is no more.
SENDING_ENDS: Final = timedelta(seconds=JOB_TIMEOUT_SECONDS + 60)


class MailMessage(Model):
    """One mail to one address: queued, being sent, then sent, failed (surely not sent) or unsure."""

    __tablename__ = "mail_message"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    mail_id: Mapped[int] = mapped_column(BigInteger, Identity())
    template: Mapped[str] = mapped_column(String(64))
    locale: Mapped[str] = mapped_column(String(2))
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(300))
    text_body: Mapped[str] = mapped_column(Text)
    html_body: Mapped[str] = mapped_column(Text)
    dedupe_key: Mapped[str | None] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[UtcDateTime]
    # When a job last began to hand it over.
    sending_at: Mapped[UtcDateTime | None]
    sent_at: Mapped[UtcDateTime | None]
    # It came back, or the server refused the address for good: then it is not tried again.
    bounced_at: Mapped[UtcDateTime | None]
    bounce_reason: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "mail_id"),
        UniqueConstraint("customer_id", "dedupe_key"),
        Index("ix_mail_message_bounced", "customer_id", postgresql_where=text("bounced_at IS NOT NULL")),
        CheckConstraint("status IN ('queued', 'sending', 'sent', 'failed', 'unsure')", name="status"),
        Index(
            "ix_mail_message_uncertain",
            "created_at",
            postgresql_where=text("status IN ('sending', 'unsure')"),
        ),
        Index("ix_mail_message_queued", "created_at", postgresql_where=text("status = 'queued'")),
    )

    def is_of(self, keys: Collection[str]) -> bool:
        """Whether it was made under one of these keys, to whichever reader."""
        mine = self.dedupe_key or ""
        return any(mine == key or mine.startswith(f"{key}-") for key in keys)


class MailAttachment(Model):
    """The exact bytes that went with a mail."""

    __tablename__ = "mail_attachment"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    mail_id: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(Integer)
    filename: Mapped[str] = mapped_column(String(128))
    content_type: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "mail_id", "position"),
        ForeignKeyConstraint(
            ["customer_id", "mail_id"],
            ["mail_message.customer_id", "mail_message.mail_id"],
            ondelete="RESTRICT",
        ),
    )


# What the log can be sorted by. A sign-in code stands in its subject, so that is no order of such mails.
COLUMNS: Final = {
    "date": Column(MailMessage.mail_id, falls=True),
    "subject": Column(
        case((MailMessage.template == "sign_in_code", ""), else_=func.lower(MailMessage.subject))
    ),
    "recipient": Column(func.lower(MailMessage.recipient)),
    "status": Column(case((MailMessage.bounced_at.is_not(None), "bounced"), else_=MailMessage.status)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes


class MailNotSentError(Exception):
    """The mail server did not take the message; the job tries again."""


def send(
    template: str,
    *,
    to: str,
    locale: str,
    customer_id: int | None,
    context: dict[str, Any],
    attachments: Sequence[Attachment] = (),
    dedupe_key: str | None = None,
) -> int | None:
    """Write a mail from `mail/<template>.{subject.txt,txt,html}` and queue it. Inside a unit of work.

    Answers the mail's id; None when this dedupe key has made a mail before.
    """
    with in_locale(locale):
        facts = {"provider": settings().provider, "locale": locale, "public_url": settings().public_url}
        subject = render_template(f"mail/{template}.subject.txt", **facts, **context)
        # One line; no-break spaces ("€ 25,00") stay.
        subject = re.sub(r"[ \t\r\n]+", " ", subject).strip()
        text_body = render_template(f"mail/{template}.txt", **facts, **context).strip() + "\n"
        html_body = render_template(f"mail/{template}.html", **facts, subject=subject, **context)
    owner = customer_id or NO_CUSTOMER
    mail_id: int | None = db.session.scalar(
        insert(MailMessage)
        .values(
            customer_id=owner,
            template=template,
            locale=locale,
            recipient=to,
            subject=subject[:300],
            text_body=text_body,
            html_body=html_body,
            dedupe_key=dedupe_key,
            status="queued",
            attempts=0,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["customer_id", "dedupe_key"])
        .returning(MailMessage.mail_id)
    )
    if mail_id is None:
        return None
    for position, attachment in enumerate(attachments):
        db.session.add(
            MailAttachment(
                customer_id=owner,
                mail_id=mail_id,
                position=position,
                filename=attachment.filename,
                content_type=attachment.content_type,
                content=attachment.content,
            )
        )
    db.session.flush()
    enqueue("app.mail.deliver", owner, mail_id, job_id=f"mail-{owner}-{mail_id}")
    return mail_id


def resend(customer_id: int, mail_id: int) -> None:
    """Queue a mail of the log once more, as it was. Raises NotFound, Conflict while it is being sent."""
    message = _locked(customer_id, mail_id)
    if message.status == "sending":
        raise Conflict(gettext("This e-mail is being sent at this moment."))
    message.status = "queued"
    message.bounced_at = message.bounce_reason = None
    enqueue("app.mail.deliver", customer_id, mail_id)


def settle_as_sent(customer_id: int, mail_id: int) -> None:
    """A person knows that a mail which was perhaps sent did arrive. Raises NotFound."""
    message = _locked(customer_id, mail_id)
    if message.status == "unsure":
        message.status, message.error = "sent", None
        message.sent_at = message.sending_at


def deliver(customer_id: int, mail_id: int) -> None:
    """Job: hand one mail to the SMTP server. Raises MailNotSentError where it surely did not take it.

    One job at most does so: whoever dies, or is not answered, after it began leaves the mail to a person.
    """
    wire = in_unit_of_work(_begin_sending, customer_id, mail_id)
    if wire is None:
        return
    handed_over = hand_over(wire, settings())
    in_unit_of_work(_note_outcome, customer_id, mail_id, handed_over)
    if handed_over.refusal is not None:
        in_unit_of_work(note_bounce, customer_id, mail_id, handed_over.refusal)
    elif handed_over.status == "failed":
        raise MailNotSentError(handed_over.error)


def send_waiting() -> None:
    """Job: queue again what a lost queue left behind; what a lost worker was sending waits for a person."""
    in_unit_of_work(_give_up_sending)
    patience = utc_now() - timedelta(minutes=2)
    for customer_id, mail_id in mails_to_send(created_before=patience):
        enqueue("app.mail.deliver", customer_id, mail_id, job_id=f"mail-{customer_id}-{mail_id}")


def mails_to_send(*, created_before: datetime | None = None, limit: int = 500) -> list[tuple[int, int]]:
    """Mails still queued, the oldest first. Those that failed wait for their retry or for the operator."""
    rows = db.session.execute(
        select(MailMessage.customer_id, MailMessage.mail_id)
        .where(MailMessage.status == "queued", MailMessage.created_at < (created_before or utc_now()))
        .order_by(MailMessage.created_at)
        .limit(limit)
    )
    return [(row.customer_id, row.mail_id) for row in rows]


def mail_log(
    *,
    customer_id: int | None = None,
    limit: int = 100,
    before_id: int | None = None,
    order: Order | None = None,
) -> list[MailMessage]:
    """Mails of one customer or of all, the newest first unless asked otherwise, those after `before_id` in
    that order; what they say is read when it is asked for.
    """
    order = order or Order.asked(COLUMNS)
    place = None
    if before_id is not None:
        value = select(order.value).where(MailMessage.mail_id == before_id).limit(1).scalar_subquery()
        place = (value, before_id)
    query = order.applied(_without_bodies(), MailMessage.mail_id, place).limit(limit)
    if customer_id is not None:
        query = query.where(MailMessage.customer_id == customer_id)
    return list(db.session.scalars(query))


def mails_with(customer_id: int, keys: Collection[str]) -> list[MailMessage]:
    """A customer's mails that were made under these keys, to whichever of its readers; the oldest first."""
    key = MailMessage.dedupe_key
    theirs = [key.startswith(f"{one}-", autoescape=True) for one in keys]
    query = _without_bodies().where(MailMessage.customer_id == customer_id, or_(key.in_(keys), *theirs))
    return list(db.session.scalars(query.order_by(MailMessage.mail_id)))


def _without_bodies() -> Select[MailMessage]:
    return select(MailMessage).options(defer(MailMessage.text_body), defer(MailMessage.html_body))


def perhaps_sent(limit: int = 50) -> list[MailMessage]:
    """Mails of which nobody knows whether they were sent, the oldest first."""
    unsure = _without_bodies().where(MailMessage.status == "unsure", MailMessage.bounced_at.is_(None))
    return list(db.session.scalars(unsure.order_by(MailMessage.created_at).limit(limit)))


def find(customer_id: int, mail_id: int, *, locked: bool = False) -> MailMessage:
    """Raises NotFound."""
    message = db.session.get(MailMessage, (customer_id, mail_id), with_for_update=locked)
    if message is None:
        raise NotFound
    return message


def _locked(customer_id: int, mail_id: int) -> MailMessage:
    return find(customer_id, mail_id, locked=True)


def _begin_sending(customer_id: int, mail_id: int) -> EmailMessage | None:
    """The message, if it is ours to hand over: from the commit on no other job does so."""
    message = db.session.get(MailMessage, (customer_id, mail_id), with_for_update=True)
    if message is None or message.status not in {"queued", "failed"}:
        return None
    wire = _compose(message, _attachments(customer_id, mail_id))
    message.status, message.sending_at = "sending", utc_now()
    return wire


def _give_up_sending() -> None:
    """What was begun and not ended by anyone who still lives was perhaps sent."""
    abandoned = (MailMessage.status == "sending", MailMessage.sending_at < utc_now() - SENDING_ENDS)
    rows = db.session.execute(select(MailMessage.customer_id, MailMessage.mail_id).where(*abandoned))
    for customer_id, mail_id in rows.all():
        message = _locked(customer_id, mail_id)
        if message.status == "sending":
            message.status, message.attempts = "unsure", message.attempts + 1


def _note_outcome(customer_id: int, mail_id: int, handed_over: HandedOver) -> None:
    message = db.session.get_one(MailMessage, (customer_id, mail_id), with_for_update=True)
    message.attempts += 1
    message.error = handed_over.error
    message.status = handed_over.status
    message.sent_at = utc_now() if handed_over.status == "sent" else message.sent_at


def note_bounce(customer_id: int, mail_id: int, reason: str) -> MailMessage:
    """A mail came back. In a unit of work; again keeps the first moment. Raises NotFound."""
    message = _locked(customer_id, mail_id)
    message.bounced_at = message.bounced_at or utc_now()
    message.bounce_reason = reason[:500]
    return message


def bounces(customer_id: int) -> dict[str, tuple[datetime, str]]:
    """Addresses from which a customer's mail came back, with the last time and why."""
    rows = db.session.execute(
        select(MailMessage.recipient, MailMessage.bounced_at, MailMessage.bounce_reason)
        .where(MailMessage.customer_id == customer_id, MailMessage.bounced_at.is_not(None))
        .order_by(MailMessage.bounced_at)
    )
    return {row.recipient: (row.bounced_at, row.bounce_reason or "") for row in rows}


def find_by_name(name: str) -> tuple[int, int]:
    """(customer, mail) of a mail's number in the log, or of the Message-ID that a bounce quotes.

    Raises NotFound.
    """
    quoted = re.fullmatch(r"<?(\d+)\.(\d+)\.\d{14}@\S+", name)
    if quoted:
        return int(quoted[1]), int(quoted[2])
    number = int(name) if re.fullmatch(r"\d{1,18}", name) else 0
    owner = db.session.scalar(select(MailMessage.customer_id).where(MailMessage.mail_id == number))
    if owner is None:
        raise NotFound
    return owner, number


def _attachments(customer_id: int, mail_id: int) -> list[MailAttachment]:
    return list(
        db.session.scalars(
            select(MailAttachment)
            .where(MailAttachment.customer_id == customer_id, MailAttachment.mail_id == mail_id)
            .order_by(MailAttachment.position)
        )
    )


def _compose(message: MailMessage, attachments: Sequence[MailAttachment]) -> EmailMessage:
    configured = settings()
    domain = configured.mail_from.partition("@")[2]
    wire = EmailMessage()
    wire["From"] = formataddr((configured.provider.name, configured.mail_from))
    wire["To"] = message.recipient
    wire["Subject"] = message.subject
    wire["Date"] = format_datetime(message.created_at)
    stamp = f"{message.created_at:%Y%m%d%H%M%S}"
    wire["Message-ID"] = f"<{message.customer_id}.{message.mail_id}.{stamp}@{domain}>"
    wire["Auto-Submitted"] = "auto-generated"
    wire.set_content(message.text_body)
    wire.add_alternative(message.html_body, subtype="html")
    for attachment in attachments:
        maintype, _, subtype = attachment.content_type.partition("/")
        wire.add_attachment(
            attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename
        )
    # Last: adding parts moves every Content-… header into the first of them.
    wire["Content-Language"] = message.locale
    return wire

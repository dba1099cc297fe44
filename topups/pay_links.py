"""Pay links: an unguessable address where whoever pays the bills pays an invoice or tops up, without account.

A link shows only what a payer needs and can be withdrawn at any time. Nothing is told to a guesser: a wrong,
a withdrawn and an expired link look the same. A link to top up is paid once.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from flask_babel import lazy_gettext
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    String,
    func,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from app import audit
from app.clock import utc_now
from app.customers.service import get_customer
from app.db import Model, UtcDateTime, db
from app.errors import NotFound
from app.ledger.service import lock_balance
from app.public_ids import customer_of, new_public_id
from topups.errors import CustomerClosed, check_amount
from topups.models import PUBLIC_ID_LENGTH, TopUp
from topups.states import Status

LIFE: Final = timedelta(days=60)


class PayLink(Model):
    """Permission to pay one thing; its id is the secret part of its address."""

    __tablename__ = "pay_link"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    pay_link_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    invoice_number: Mapped[str | None] = mapped_column(String(32))
    amount_micros: Mapped[int | None] = mapped_column(BigInteger)
    made_by_user_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[UtcDateTime]
    expires_at: Mapped[UtcDateTime]
    revoked_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "pay_link_id"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        # An invoice is paid for what is outstanding then; to top up, the amount is agreed now.
        CheckConstraint("(invoice_number IS NULL) <> (amount_micros IS NULL)", name="invoice_or_amount"),
        CheckConstraint("amount_micros > 0", name="amount_positive"),
    )


class DeadPayLink(NotFound):
    code = "unknown_pay_link"
    title = lazy_gettext("This link does not work, or no longer works. Ask for a new one.")


def make(
    customer_id: int,
    *,
    amount_micros: int | None = None,
    invoice_number: str | None = None,
    made_by_user_id: int | None = None,
) -> PayLink:
    """A link for this amount or this invoice; the one that there is already, while nobody has paid it.

    In a unit of work. Raises AmountOutsideLimits, AmountNotWholeCents, CustomerClosed.
    """
    if amount_micros is not None:
        check_amount(amount_micros)
    lock_balance(customer_id)
    if invoice_number is None and get_customer(customer_id).status == "closed":
        raise CustomerClosed
    wanted = (amount_micros, invoice_number)
    same = [link for link in links_of(customer_id) if (link.amount_micros, link.invoice_number) == wanted]
    paid = paid_ids(customer_id, same)
    for link in same:
        if link.pay_link_id not in paid:
            return link
    now = utc_now()
    link = PayLink(
        customer_id=customer_id,
        pay_link_id=new_public_id("pay", customer_id),
        invoice_number=invoice_number,
        amount_micros=amount_micros,
        made_by_user_id=made_by_user_id,
        created_at=now,
        expires_at=now + LIFE,
    )
    db.session.add(link)
    db.session.flush()
    if made_by_user_id is not None:
        _note("pay_link.made", link)
    return link


def find(pay_link_id: str) -> PayLink:
    """A link that works. Raises DeadPayLink."""
    try:
        link = db.session.get(PayLink, (customer_of(pay_link_id), pay_link_id))
    except NotFound as error:
        raise DeadPayLink from error
    if link is None or link.revoked_at is not None or link.expires_at <= utc_now():
        raise DeadPayLink
    return link


def revoke(customer_id: int, pay_link_id: str) -> PayLink:
    """From now on the link leads nowhere; again is harmless. Raises DeadPayLink for another customer's."""
    link = db.session.get(PayLink, (customer_id, pay_link_id))
    if link is None:
        raise DeadPayLink
    if link.revoked_at is None:
        link.revoked_at = utc_now()
        _note("pay_link.revoked", link)
    return link


def end_all(customer_id: int) -> None:
    """No link of this customer works any more. In a unit of work; again is harmless."""
    for link in links_of(customer_id):
        link.revoked_at = utc_now()


def working(customer_id: int) -> tuple[ColumnElement[bool], ...]:
    """Where a customer's links work."""
    return (
        PayLink.customer_id == customer_id,
        PayLink.revoked_at.is_(None),
        PayLink.expires_at > utc_now(),
    )


def links_of(customer_id: int) -> list[PayLink]:
    """The customer's links that work, the newest first."""
    query = select(PayLink).where(*working(customer_id))
    return list(db.session.scalars(query.order_by(PayLink.created_at.desc(), PayLink.pay_link_id)))


def request_key(link: PayLink, form_token: str) -> str:
    """The key of one payment by this link: the same form makes one payment."""
    return f"{_prefix(link)}{form_token}"


def payments_of(link: PayLink) -> list[TopUp]:
    """What was paid, or tried, by this link, the newest first."""
    query = select(TopUp).where(
        TopUp.customer_id == link.customer_id,
        TopUp.request_key.startswith(_prefix(link), autoescape=True),
    )
    return list(db.session.scalars(query.order_by(TopUp.created_at.desc(), TopUp.top_up_id)))


def paid_ids(customer_id: int, links: Collection[PayLink]) -> set[str]:
    """Those of these links by which somebody has paid."""
    link_id = func.split_part(TopUp.request_key, ":", 1)
    query = select(link_id).where(
        TopUp.customer_id == customer_id,
        TopUp.status == Status.PAID,
        link_id.in_([link.pay_link_id for link in links]),
    )
    return set(db.session.scalars(query))


def _note(act: str, link: PayLink) -> None:
    """For the audit log; a link's id opens it, so it is not told."""
    facts = {
        "amount_micros": link.amount_micros,
        "invoice_number": link.invoice_number,
        "expires_at": link.expires_at,
    }
    audit.note(act, audit.Subject("pay_link", "", link.customer_id), after=facts)


def _prefix(link: PayLink) -> str:
    return f"{link.pay_link_id}:"

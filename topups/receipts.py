"""Receipts (*betaalbewijs*): for every payment received a numbered PDF in the customer's language.

The row is made in the transaction that credits the money. A job numbers it (series O, gapless), prints it
once, keeps the bytes and sends them with the mail about the payment. A top-up is a deposit: its receipt bears
no VAT.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import structlog
from flask import render_template
from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.orm import Mapped, deferred, mapped_column

from app.clock import utc_now
from app.config import settings
from app.customers.service import get_customer
from app.db import Model, UtcDateTime, db, in_unit_of_work
from app.i18n import in_locale, local_date
from app.jobs import enqueue
from app.ledger.service import lock_balance
from app.mail import Attachment
from app.numbering import take_numbers
from app.pdf import PdfNotMade, render_pdf
from app.public_ids import customer_of
from topups import notices
from topups.errors import ReceiptNotReady
from topups.methods import method_name, ways_to_pay
from topups.models import PUBLIC_ID_LENGTH, TopUp

PREFIX: Final = "O"
CONTENT_TYPE: Final = "application/pdf"
# A mail does not wait for its attachment for ever; the receipt can be fetched later.
MAIL_WAITS: Final = timedelta(minutes=15)
_log = structlog.get_logger("topups")


class Receipt(Model):
    """The receipt of one payment; its number and its bytes never change."""

    __tablename__ = "receipt"

    customer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    top_up_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH), primary_key=True)
    number: Mapped[str | None] = mapped_column(String(16))
    sha256: Mapped[str | None] = mapped_column(String(64))
    content: Mapped[bytes | None] = deferred(mapped_column(LargeBinary))
    created_at: Mapped[UtcDateTime]
    told_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        UniqueConstraint("customer_id", "number"),
        ForeignKeyConstraint(
            ["customer_id", "top_up_id"], ["top_up.customer_id", "top_up.top_up_id"], ondelete="RESTRICT"
        ),
        Index("ix_receipt_untold", "created_at", postgresql_where=text("told_at IS NULL")),
    )


def promise(top_up: TopUp) -> None:
    """A payment has been credited: its receipt follows. In the transaction that credits."""
    db.session.add(Receipt(customer_id=top_up.customer_id, top_up_id=top_up.top_up_id, created_at=utc_now()))
    db.session.flush()
    # Printing takes a while and must hold up no charge.
    enqueue("topups.jobs.send_receipt", top_up.top_up_id, queue="bulk", job_id=f"receipt-{top_up.top_up_id}")


def issue(top_up_id: str) -> None:
    """Number, print, keep and mail the receipt of a payment. Again is harmless; raises PdfNotMade."""
    with in_locale(get_customer(customer_of(top_up_id)).locale):
        # Asks Mollie what it calls its methods, if that is not remembered.
        ways_to_pay(settings().top_up_default_micros)
    page = in_unit_of_work(_page, top_up_id)
    if page is None:
        return
    try:
        content = render_pdf(page)
    except PdfNotMade:
        in_unit_of_work(_tell_without, top_up_id)
        raise
    in_unit_of_work(_keep_and_tell, top_up_id, content)


def promised(customer_id: int, top_up_ids: Collection[str]) -> set[str]:
    """Those of a customer's payments that have a receipt, be it printed yet or not."""
    query = select(Receipt.top_up_id).where(
        Receipt.customer_id == customer_id, Receipt.top_up_id.in_(top_up_ids)
    )
    return set(db.session.scalars(query))


def find(top_up: TopUp) -> Receipt:
    """The receipt with its bytes, printed now if that has not happened yet. Raises ReceiptNotReady."""
    key = (top_up.customer_id, top_up.top_up_id)
    if db.session.get(Receipt, key) is None:
        raise ReceiptNotReady
    receipt = db.session.get_one(Receipt, key)
    if receipt.content is None:
        try:
            issue(top_up.top_up_id)
        except PdfNotMade as error:
            raise ReceiptNotReady from error
        db.session.rollback()
        receipt = db.session.get_one(Receipt, key, populate_existing=True)
    if receipt.content is None or hashlib.sha256(receipt.content).hexdigest() != receipt.sha256:
        raise ReceiptNotReady
    return receipt


def untold(now: datetime, limit: int) -> list[str]:
    """Payments whose receipt has been waiting for a minute: their job is lost, or failed."""
    return list(
        db.session.scalars(
            select(Receipt.top_up_id)
            .where(Receipt.told_at.is_(None), Receipt.created_at < now - timedelta(minutes=1))
            .order_by(Receipt.created_at)
            .limit(limit)
        )
    )


def _page(top_up_id: str) -> str | None:
    """The numbered receipt as HTML; None when there is nothing left to print."""
    lock_balance(customer_of(top_up_id))
    receipt = _receipt(top_up_id)
    if receipt is None or receipt.content is not None:
        return None
    top_up = db.session.get_one(TopUp, (receipt.customer_id, top_up_id))
    customer = get_customer(receipt.customer_id)
    paid_on = local_date(top_up.ended_at or receipt.created_at)
    if receipt.number is None:
        (receipt.number,) = take_numbers(PREFIX, paid_on.year, 1)
    with in_locale(customer.locale):
        return render_template(
            "topups/receipt_pdf.html",
            receipt=receipt,
            top_up=top_up,
            customer=customer,
            paid_on=paid_on,
            method=method_name(top_up.method),
            provider=settings().provider,
        )


def _receipt(top_up_id: str) -> Receipt | None:
    return db.session.get(Receipt, (customer_of(top_up_id), top_up_id), populate_existing=True)


def _keep_and_tell(top_up_id: str, content: bytes) -> None:
    lock_balance(customer_of(top_up_id))
    receipt = _receipt(top_up_id)
    if receipt is None or receipt.number is None:
        raise AssertionError(f"the receipt of {top_up_id} was printed without a number")
    if receipt.content is None:
        receipt.content, receipt.sha256 = content, hashlib.sha256(content).hexdigest()
    if receipt.told_at is None:
        attached = Attachment(
            filename=f"{receipt.number}.pdf", content_type=CONTENT_TYPE, content=receipt.content
        )
        _tell(receipt, [attached])


def _tell_without(top_up_id: str) -> None:
    lock_balance(customer_of(top_up_id))
    receipt = _receipt(top_up_id)
    if receipt is not None and receipt.told_at is None and utc_now() - receipt.created_at > MAIL_WAITS:
        _log.error("receipt_not_printed", top_up_id=top_up_id)
        _tell(receipt, [])


def _tell(receipt: Receipt, attachments: list[Attachment]) -> None:
    receipt.told_at = utc_now()
    top_up = db.session.get_one(TopUp, (receipt.customer_id, receipt.top_up_id))
    notices.received(top_up, attachments)

"""Tables of one-off charges, and of how each kind of charge is billed and paid per customer."""

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model, UtcDateTime

NEXT_INVOICE: Final = "next_invoice"
AT_ONCE: Final = "at_once"


class BillingTerms(Model):
    """What a customer has agreed for a kind of charge, where it differs from what is usual.

    Without a term of its own the customer's term holds. `uses_balance`: a document of its own is paid from
    balance money that is there before anything is due.
    """

    __tablename__ = "billing_terms"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    charge_type: Mapped[str] = mapped_column(String(16))
    term_days: Mapped[int | None] = mapped_column(Integer)
    is_separate: Mapped[bool] = mapped_column(Boolean)
    auto_pay: Mapped[bool] = mapped_column(Boolean)
    uses_balance: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "charge_type"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("charge_type IN ('usage', 'subscription', 'one_off')", name="charge_type"),
        CheckConstraint("term_days BETWEEN 0 AND 120", name="term_days"),
    )


class Charge(Model):
    """A one-off charge: it waits until a close or a document of its own bills it, unless it was withdrawn."""

    __tablename__ = "charge"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    charge_id: Mapped[str] = mapped_column(String(64))
    charged_on: Mapped[date] = mapped_column(Date)
    description: Mapped[str] = mapped_column(Text)
    net_cents: Mapped[int] = mapped_column(BigInteger)
    # The VAT category of what was supplied; the rate follows from it, the customer and the day.
    product: Mapped[str] = mapped_column(String(16))
    billed: Mapped[str] = mapped_column(String(16))
    # Billed by the close of the period that begins on this day, or by a document of its own.
    billed_period: Mapped[date | None] = mapped_column(Date)
    invoice_id: Mapped[UUID | None] = mapped_column(Uuid)
    withdrawn_at: Mapped[UtcDateTime | None]
    created_at: Mapped[UtcDateTime]
    created_by: Mapped[str] = mapped_column(String(254))
    # The request that made it, which makes it once.
    request_key: Mapped[str] = mapped_column(String(128))

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "charge_id"),
        UniqueConstraint("customer_id", "request_key"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(
            ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("net_cents > 0", name="net_above_zero"),
        CheckConstraint("product IN ('standard', 'reduced', 'zero')", name="product"),
        CheckConstraint("billed IN ('next_invoice', 'at_once')", name="billed"),
        CheckConstraint("num_nonnulls(billed_period, invoice_id, withdrawn_at) <= 1", name="one_end"),
        Index(
            "ix_charge_pending",
            "customer_id",
            postgresql_where=text("billed_period IS NULL AND invoice_id IS NULL AND withdrawn_at IS NULL"),
        ),
        Index("ix_charge_invoice", "customer_id", "invoice_id"),
    )


class ChargeAttachment(Model):
    """What was attached to a charge, a work order for example: bytes that never change, and their hash."""

    __tablename__ = "charge_attachment"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    charge_id: Mapped[str] = mapped_column(String(64))
    filename: Mapped[str] = mapped_column(String(120))
    content_type: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "charge_id"),
        ForeignKeyConstraint(
            ["customer_id", "charge_id"], ["charge.customer_id", "charge.charge_id"], ondelete="RESTRICT"
        ),
    )

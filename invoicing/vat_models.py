"""Tables of checked VAT numbers: what is to be asked when, and every answer there was."""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import CustomerKey, Model, UtcDateTime


class VatWatch(Model):
    """A customer's VAT number as it is watched: `waiting` until the register has said whether it is right."""

    __tablename__ = "vat_watch"

    customer_id: Mapped[CustomerKey]
    vat_number: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(8))
    # Of those who asked in vain since the last answer: how often, and what was said last.
    tries: Mapped[int] = mapped_column(Integer)
    fault: Mapped[str] = mapped_column(String(64))
    answered_at: Mapped[UtcDateTime | None]
    next_check_at: Mapped[UtcDateTime]

    __table_args__ = (
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("status IN ('waiting', 'valid', 'invalid')", name="status"),
        Index("ix_vat_watch_next_check_at", "next_check_at"),
        Index("ix_vat_watch_status", "status"),
    )


class VatCheck(Model):
    """One question and its answer, as evidence. Never changed."""

    __tablename__ = "vat_check"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    check_id: Mapped[UUID] = mapped_column(Uuid)
    vat_number: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(12))
    fault: Mapped[str] = mapped_column(String(64))
    consultation_number: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(300))
    address: Mapped[str] = mapped_column(String(500))
    asked_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "check_id"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("status IN ('valid', 'invalid', 'unavailable')", name="status"),
        Index("ix_vat_check_asked_at", "customer_id", "vat_number", "asked_at"),
    )

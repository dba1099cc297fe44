"""Tables of paying and chasing: orders to pay, automatic payment, steps of dunning, late fees, write-offs.

What was done is a row with a key that lets it happen once; what an operator decided says who and why.
"""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import CustomerKey, Micros, Model, UtcDateTime


def _of_invoice() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
    )


def _of_customer() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT")


class PaymentOrder(Model):
    """What a payment is for, kept before the payment is asked for; the payment bears the same request key.

    While a charge of a stored mandate has no payment yet, its order holds the place of one for a moment.
    """

    __tablename__ = "payment_order"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    request_key: Mapped[str] = mapped_column(String(128))
    payment_method_id: Mapped[str | None] = mapped_column(String(64))
    amount_micros: Mapped[Micros]
    ordered_at: Mapped[UtcDateTime]
    # The payment that came of it, or that none did: from then on the order holds no place.
    top_up_id: Mapped[str | None] = mapped_column(String(64))
    given_up_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "request_key"),
        _of_customer(),
        CheckConstraint("amount_micros > 0", name="amount_positive"),
    )


class PaymentOrderShare(Model):
    """An invoice that an order pays, the oldest first, and how much of it."""

    __tablename__ = "payment_order_share"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    request_key: Mapped[str] = mapped_column(String(128))
    position: Mapped[int] = mapped_column(Integer)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    amount_micros: Mapped[Micros]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "request_key", "position"),
        UniqueConstraint("customer_id", "request_key", "invoice_id"),
        ForeignKeyConstraint(
            ["customer_id", "request_key"],
            ["payment_order.customer_id", "payment_order.request_key"],
            ondelete="RESTRICT",
        ),
        _of_invoice(),
        CheckConstraint("amount_micros > 0", name="amount_positive"),
    )


class AutoPay(Model):
    """Whether a customer's invoices are collected on their due date, and the consent that allows it."""

    __tablename__ = "auto_pay"

    customer_id: Mapped[CustomerKey]
    enabled: Mapped[bool] = mapped_column(Boolean)
    consent_id: Mapped[str | None] = mapped_column(String(64))
    changed_at: Mapped[UtcDateTime]

    __table_args__ = (
        _of_customer(),
        ForeignKeyConstraint(
            ["customer_id", "consent_id"], ["consent.customer_id", "consent.consent_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("NOT enabled OR consent_id IS NOT NULL", name="enabled_with_consent"),
        Index("ix_auto_pay_enabled", "customer_id", postgresql_where=text("enabled")),
    )


class AutoPayment(Model):
    """The collection of one invoice on one due date: there is one, whatever runs twice or dies."""

    __tablename__ = "auto_payment"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    due_date: Mapped[date] = mapped_column(Date)
    amount_micros: Mapped[Micros]
    status: Mapped[str] = mapped_column(String(8))
    # The methods that may be charged, in the customer's order, and which of them is being tried.
    methods: Mapped[list[str]] = mapped_column(JSONB)
    tried: Mapped[int] = mapped_column(Integer, default=0)
    top_up_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[UtcDateTime]
    ended_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id", "due_date"),
        _of_invoice(),
        CheckConstraint("status IN ('planned', 'asked', 'skipped', 'refused')", name="status"),
        Index("ix_auto_payment_planned", "created_at", postgresql_where=text("status = 'planned'")),
    )


class DunningStep(Model):
    """A step of chasing that was done, with what it said.

    Each is done once per invoice. What had to be done again, because a payment was taken back, bears its day
    in the key: `final_demand:2027-02-04`.
    """

    __tablename__ = "dunning_step"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    step: Mapped[str] = mapped_column(String(24))
    done_on: Mapped[date] = mapped_column(Date)
    done_at: Mapped[UtcDateTime]
    outstanding_micros: Mapped[Micros]
    # What the letter named: the fee that comes when nothing is paid, or that was charged.
    fee_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id", "step"),
        _of_invoice(),
        CheckConstraint("fee_cents >= 0", name="fee_not_negative"),
    )

    @property
    def name(self) -> str:
        """Which step it was, whether for the first time or again."""
        return self.step.partition(":")[0]


class DunningPause(Model):
    """An operator has stopped the chasing of a customer, or of one invoice, until a day or until resumed."""

    __tablename__ = "dunning_pause"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    pause_id: Mapped[UUID] = mapped_column(Uuid)
    invoice_id: Mapped[UUID | None] = mapped_column(Uuid)
    reason: Mapped[str] = mapped_column(Text)
    until: Mapped[date | None] = mapped_column(Date)
    paused_at: Mapped[UtcDateTime]
    paused_by_user_id: Mapped[int | None] = mapped_column(BigInteger)
    resumed_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "pause_id"),
        _of_customer(),
        _of_invoice(),
        Index("ix_dunning_pause_open", "customer_id", postgresql_where=text("resumed_at IS NULL")),
    )


class LateFee(Model):
    """The claim for paying late that stands beside an issued invoice; without VAT. Waived by an operator."""

    __tablename__ = "late_fee"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    basis: Mapped[str] = mapped_column(String(64))
    charged_on: Mapped[date] = mapped_column(Date)
    waived_at: Mapped[UtcDateTime | None]
    waived_because: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id"),
        _of_invoice(),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
    )


class WriteOff(Model):
    """Money given up as uncollectible, or below zero, that arrived all the same; with the VAT in it."""

    __tablename__ = "write_off"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    write_off_id: Mapped[UUID] = mapped_column(Uuid)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    amount_micros: Mapped[Micros]
    vat_cents: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    booked_on: Mapped[date] = mapped_column(Date)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "write_off_id"),
        _of_invoice(),
        CheckConstraint("amount_micros <> 0", name="amount_not_zero"),
        Index("ix_write_off_invoice", "customer_id", "invoice_id"),
        Index("ix_write_off_booked_on", "booked_on"),
    )

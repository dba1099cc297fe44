"""Tables of top-ups, payment methods, consents, automatic top-up and reversals.

Every key leads with the customer. One top-up is one attempt at one payment: what was asked, the exact body
and key it was asked with, and what Mollie last said of it.
"""

import uuid
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    Enum,
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
from sqlalchemy.orm import Mapped, mapped_column

from app.db import CustomerKey, Micros, Model, UtcDateTime
from topups.decisions import Reason
from topups.states import RefundStatus, Status

PUBLIC_ID_LENGTH = 64


def _words(kind: type[Any], length: int) -> Enum:
    """A StrEnum kept as its value, not its name."""
    return Enum(kind, native_enum=False, length=length, values_callable=lambda k: [m.value for m in k])


class PspCustomer(Model):
    """The customer as Mollie knows it; made once, with a key of its own."""

    __tablename__ = "psp_customer"

    customer_id: Mapped[CustomerKey]
    idempotency_key: Mapped[uuid.UUID] = mapped_column(Uuid)
    body: Mapped[str] = mapped_column(Text)
    mollie_customer_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[UtcDateTime]

    __table_args__ = (ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),)


class PaymentMethod(Model):
    """A stored mandate: an account or card that may be charged without the payer present.

    `position` orders the methods that automatic top-up may use; without one it is for payments by hand only.
    """

    __tablename__ = "payment_method"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    payment_method_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    mollie_mandate_id: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    mandate_reference: Mapped[str | None] = mapped_column(String(64))
    holder: Mapped[str | None] = mapped_column(String(200))
    account_mask: Mapped[str | None] = mapped_column(String(32))
    card_label: Mapped[str | None] = mapped_column(String(64))
    card_expires_on: Mapped[str | None] = mapped_column(String(10))
    position: Mapped[int | None] = mapped_column(Integer)
    retries: Mapped[int] = mapped_column(Integer, default=0)
    blocked_until: Mapped[UtcDateTime | None]
    waits_for_customer: Mapped[bool] = mapped_column(Boolean, default=False)
    last_failure_code: Mapped[str | None] = mapped_column(String(64))
    looked_at: Mapped[UtcDateTime]
    created_at: Mapped[UtcDateTime]
    revoked_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "payment_method_id"),
        UniqueConstraint("customer_id", "mollie_mandate_id"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("status IN ('pending', 'valid', 'revoked')", name="status"),
        Index("ix_payment_method_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
        Index("ix_payment_method_unsettled", "looked_at", postgresql_where=text("status = 'pending'")),
    )


class Consent(Model):
    """What a customer agreed to, in the words and the language it was shown in. Never changed."""

    __tablename__ = "consent"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    consent_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    kind: Mapped[str] = mapped_column(String(24))
    text_version: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    locale: Mapped[str] = mapped_column(String(2))
    creditor_name: Mapped[str] = mapped_column(String(200))
    creditor_id: Mapped[str] = mapped_column(String(64))
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    api_key_id: Mapped[str | None] = mapped_column(String(16))
    threshold_micros: Mapped[int | None] = mapped_column(BigInteger)
    amount_micros: Mapped[int | None] = mapped_column(BigInteger)
    target_micros: Mapped[int | None] = mapped_column(BigInteger)
    monthly_maximum_micros: Mapped[int | None] = mapped_column(BigInteger)
    calendar_micros: Mapped[int | None] = mapped_column(BigInteger)
    given_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "consent_id"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("kind IN ('save_method', 'automatic_top_up', 'automatic_payment')", name="kind"),
    )


class TopUp(Model):
    """One payment through Mollie: to the balance, for an invoice, or of nothing, to add a method.

    What is paid is `amount_micros`, which is credited, and `fee_micros` (VAT included), which is not.
    """

    __tablename__ = "top_up"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    top_up_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    origin: Mapped[str] = mapped_column(String(12))
    purpose: Mapped[str] = mapped_column(String(8))
    invoice_number: Mapped[str | None] = mapped_column(String(32))
    amount_micros: Mapped[Micros]
    fee_micros: Mapped[Micros] = mapped_column(default=0)
    fee_vat_micros: Mapped[Micros] = mapped_column(default=0)
    currency: Mapped[str] = mapped_column(String(3))
    method: Mapped[str | None] = mapped_column(String(32))
    sequence_type: Mapped[str] = mapped_column(String(12))
    payment_method_id: Mapped[str | None] = mapped_column(String(PUBLIC_ID_LENGTH))
    consent_id: Mapped[str | None] = mapped_column(String(PUBLIC_ID_LENGTH))
    request_key: Mapped[str] = mapped_column(String(128))
    return_url: Mapped[str | None] = mapped_column(String(2000))

    status: Mapped[Status] = mapped_column(_words(Status, 12))
    idempotency_key: Mapped[uuid.UUID] = mapped_column(Uuid)
    body: Mapped[str | None] = mapped_column(Text)
    first_submitted_at: Mapped[UtcDateTime | None]
    submitted_at: Mapped[UtcDateTime | None]
    mollie_payment_id: Mapped[str | None] = mapped_column(String(64))
    mollie_mandate_id: Mapped[str | None] = mapped_column(String(64))
    checkout_url: Mapped[str | None] = mapped_column(String(2000))
    expires_at: Mapped[UtcDateTime | None]
    expected_on: Mapped[date | None] = mapped_column(Date)

    provisional_micros: Mapped[Micros] = mapped_column(default=0)
    refunded_micros: Mapped[Micros] = mapped_column(default=0)
    charged_back_micros: Mapped[Micros] = mapped_column(default=0)
    failure_code: Mapped[str | None] = mapped_column(String(64))
    failure_message: Mapped[str | None] = mapped_column(String(500))
    problem: Mapped[str | None] = mapped_column(String(64))

    created_at: Mapped[UtcDateTime]
    ended_at: Mapped[UtcDateTime | None]
    looked_at: Mapped[UtcDateTime | None]
    look_at: Mapped[UtcDateTime | None]
    looks: Mapped[int] = mapped_column(Integer, default=0)

    @property
    def paid_micros(self) -> int:
        """What the payer pays: the amount and the fee."""
        return self.amount_micros + self.fee_micros

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "top_up_id"),
        UniqueConstraint("customer_id", "request_key"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(
            ["customer_id", "payment_method_id"],
            ["payment_method.customer_id", "payment_method.payment_method_id"],
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["customer_id", "consent_id"], ["consent.customer_id", "consent.consent_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("origin IN ('manual', 'automatic', 'auto_pay')", name="origin"),
        CheckConstraint("purpose IN ('balance', 'invoice', 'method')", name="purpose"),
        CheckConstraint("sequence_type IN ('oneoff', 'first', 'recurring')", name="sequence_type"),
        CheckConstraint("amount_micros >= 0 AND mod(amount_micros, 10000) = 0", name="amount_whole_cents"),
        # Nothing is paid where only a method is added, and nowhere else.
        CheckConstraint("(amount_micros = 0) = (purpose = 'method')", name="nothing_paid_for_method"),
        CheckConstraint("fee_micros >= 0 AND mod(fee_micros, 10000) = 0", name="fee_whole_cents"),
        CheckConstraint("fee_vat_micros BETWEEN 0 AND fee_micros", name="fee_vat_within_fee"),
        CheckConstraint("provisional_micros BETWEEN 0 AND amount_micros", name="provisional_within_amount"),
        CheckConstraint("(purpose = 'invoice') = (invoice_number IS NOT NULL)", name="invoice_has_number"),
        # Two workers, two processes or two evaluations at once: the database lets one automatic charge start.
        Index(
            "uq_top_up_one_automatic_attempt",
            "customer_id",
            unique=True,
            postgresql_where=text(
                "origin = 'automatic' AND status IN ('requested', 'submitting', 'unknown')"
            ),
        ),
        Index(
            "uq_top_up_mollie_payment_id",
            "customer_id",
            "mollie_payment_id",
            unique=True,
            postgresql_where=text("mollie_payment_id IS NOT NULL"),
        ),
        Index("ix_top_up_mollie_payment_id", "mollie_payment_id"),
        Index("ix_top_up_failed", "ended_at", postgresql_where=text("status = 'failed'")),
        Index("ix_top_up_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_top_up_created_at", "customer_id", "created_at"),
        Index(
            "ix_top_up_under_way",
            "customer_id",
            postgresql_where=text("status IN ('requested', 'submitting', 'unknown', 'open', 'pending')"),
        ),
    )


class AutoTopUp(Model):
    """The customer's rule for automatic top-up, and the engine's durable state for it."""

    __tablename__ = "auto_top_up"

    customer_id: Mapped[CustomerKey]
    enabled: Mapped[bool] = mapped_column(Boolean)
    threshold_micros: Mapped[Micros]
    amount_micros: Mapped[int | None] = mapped_column(BigInteger)
    target_micros: Mapped[int | None] = mapped_column(BigInteger)
    monthly_maximum_micros: Mapped[Micros]
    calendar_micros: Mapped[int | None] = mapped_column(BigInteger)
    calendar_on: Mapped[date | None] = mapped_column(Date)
    consent_id: Mapped[str | None] = mapped_column(String(PUBLIC_ID_LENGTH))
    enabled_at: Mapped[UtcDateTime | None]
    disabled_at: Mapped[UtcDateTime | None]
    failures_in_row: Mapped[int] = mapped_column(Integer, default=0)
    paused_at: Mapped[UtcDateTime | None]
    paused_because: Mapped[str | None] = mapped_column(String(24))
    evaluate_at: Mapped[UtcDateTime | None]
    updated_at: Mapped[UtcDateTime]

    __table_args__ = (
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(
            ["customer_id", "consent_id"], ["consent.customer_id", "consent.consent_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("(amount_micros IS NULL) <> (target_micros IS NULL)", name="amount_or_target"),
        CheckConstraint("threshold_micros > 0", name="threshold_positive"),
        CheckConstraint("monthly_maximum_micros >= amount_micros", name="maximum_covers_amount"),
        CheckConstraint("target_micros > threshold_micros", name="target_above_threshold"),
        CheckConstraint("monthly_maximum_micros >= calendar_micros", name="maximum_covers_calendar"),
        CheckConstraint("(calendar_micros IS NULL) = (calendar_on IS NULL)", name="calendar_has_day"),
        CheckConstraint("NOT enabled OR consent_id IS NOT NULL", name="enabled_with_consent"),
        Index("ix_auto_top_up_evaluate_at", "evaluate_at", postgresql_where=text("evaluate_at IS NOT NULL")),
    )


class TopUpDecision(Model):
    """Why a top-up happened or did not; the same answer on the same day is counted, not repeated."""

    __tablename__ = "top_up_decision"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[Reason] = mapped_column(_words(Reason, 24))
    available_micros: Mapped[Micros]
    in_flight_micros: Mapped[Micros]
    month_used_micros: Mapped[Micros]
    amount_micros: Mapped[Micros]
    payment_method_id: Mapped[str | None] = mapped_column(String(PUBLIC_ID_LENGTH))
    top_up_id: Mapped[str | None] = mapped_column(String(PUBLIC_ID_LENGTH))
    times: Mapped[int] = mapped_column(Integer, default=1)
    first_at: Mapped[UtcDateTime]
    decided_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "number"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
    )


class Refund(Model):
    """Money sent back to the payer: asked for by us with a stored key and body, or seen at Mollie.

    One that somebody made in Mollie's dashboard has neither request key nor body.
    """

    __tablename__ = "refund"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    refund_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    top_up_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    mollie_refund_id: Mapped[str | None] = mapped_column(String(64))
    amount_micros: Mapped[Micros]
    status: Mapped[RefundStatus] = mapped_column(_words(RefundStatus, 16))
    request_key: Mapped[str | None] = mapped_column(String(128))
    idempotency_key: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    body: Mapped[str | None] = mapped_column(Text)
    forced: Mapped[bool] = mapped_column(Boolean, default=False)
    submitted_at: Mapped[UtcDateTime | None]
    failure_message: Mapped[str | None] = mapped_column(String(500))
    look_at: Mapped[UtcDateTime | None]
    looks: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[UtcDateTime]
    updated_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "refund_id"),
        UniqueConstraint("customer_id", "mollie_refund_id"),
        UniqueConstraint("customer_id", "request_key"),
        ForeignKeyConstraint(
            ["customer_id", "top_up_id"], ["top_up.customer_id", "top_up.top_up_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("amount_micros > 0", name="amount_positive"),
        Index("ix_refund_top_up_id", "customer_id", "top_up_id"),
        Index("ix_refund_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
    )


class Chargeback(Model):
    """Money that the payer's bank took back, perhaps given back later (`reversed_at`)."""

    __tablename__ = "chargeback"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    chargeback_id: Mapped[str] = mapped_column(String(64))
    top_up_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    amount_micros: Mapped[Micros]
    reason_code: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[UtcDateTime]
    reversed_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "chargeback_id"),
        ForeignKeyConstraint(
            ["customer_id", "top_up_id"], ["top_up.customer_id", "top_up.top_up_id"], ondelete="RESTRICT"
        ),
        Index("ix_chargeback_top_up_id", "customer_id", "top_up_id"),
    )


class WebhookCall(Model):
    """Mollie said "look": stored before it is answered, handled by a job, found by the sweep if that is lost.

    No foreign key: a call is stored as it came, whatever it names.
    """

    __tablename__ = "webhook_call"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    webhook_call_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    top_up_id: Mapped[str] = mapped_column(String(PUBLIC_ID_LENGTH))
    mollie_payment_id: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[UtcDateTime]
    handled_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "webhook_call_id"),
        Index("ix_webhook_call_top_up_id", "customer_id", "top_up_id"),
        Index("ix_webhook_call_unhandled", "received_at", postgresql_where=text("handled_at IS NULL")),
    )

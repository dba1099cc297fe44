"""Tables of the ledger. Transfers are append-only; a balance always equals the sum of its transfers."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import CustomerKey, Micros, Model, UtcDateTime


class BalanceRow(Model):
    """A customer's money now. Its row lock orders everything that happens to the customer."""

    __tablename__ = "balance"

    customer_id: Mapped[CustomerKey]
    prepaid_micros: Mapped[Micros] = mapped_column(default=0)
    credits_micros: Mapped[Micros] = mapped_column(default=0)
    promo_micros: Mapped[Micros] = mapped_column(default=0)
    held_micros: Mapped[Micros] = mapped_column(default=0)
    receivable_micros: Mapped[Micros] = mapped_column(default=0)
    overdraft_micros: Mapped[Micros] = mapped_column(default=0)
    low_mark_micros: Mapped[int | None] = mapped_column(BigInteger)
    attention_mark_micros: Mapped[int | None] = mapped_column(BigInteger)
    attention_at: Mapped[UtcDateTime | None]
    last_transfer_number: Mapped[int] = mapped_column(BigInteger, default=0)
    suspended_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("promo_micros >= 0", name="promo_not_negative"),
        CheckConstraint("credits_micros >= 0", name="credits_not_negative"),
        CheckConstraint("held_micros >= 0", name="held_not_negative"),
        Index("ix_balance_attention_at", "attention_at", postgresql_where=text("attention_at IS NOT NULL")),
        # Half-empty pages let an update stay on its page and touch no index (HOT).
        {"postgresql_with": {"fillfactor": "50"}},
    )


class SuspensionCause(Model):
    """Why a customer is suspended, and since when; `suspended_at` is set while there is any cause."""

    __tablename__ = "suspension_cause"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    cause: Mapped[str] = mapped_column(String(16))
    since: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "cause"),
        ForeignKeyConstraint(["customer_id"], ["balance.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("cause IN ('operator', 'dunning')", name="cause"),
    )


class Transfer(Model):
    """One movement between two sides, numbered per customer. Never updated, never deleted."""

    __tablename__ = "transfer"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    debit: Mapped[str] = mapped_column(String(16))
    credit: Mapped[str] = mapped_column(String(16))
    amount_micros: Mapped[Micros]
    reference: Mapped[str] = mapped_column(String(128))
    balance_after_micros: Mapped[Micros]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "number"),
        UniqueConstraint("customer_id", "reference"),
        ForeignKeyConstraint(["customer_id"], ["balance.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("amount_micros > 0", name="amount_positive"),
        CheckConstraint("debit <> credit", name="two_sides"),
        # Sums per month leave usage out, and so does this index: recording usage pays nothing for it.
        Index(
            "ix_transfer_booked",
            "created_at",
            postgresql_include=["kind", "debit", "credit", "amount_micros"],
            postgresql_where=text("kind <> 'usage'"),
        ),
    )


class Grant(Model):
    """Promotional credit: VAT-inclusive spending power that never becomes cash."""

    __tablename__ = "grant"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    grant_id: Mapped[int] = mapped_column(Integer)
    public_id: Mapped[str] = mapped_column(String(64))
    amount_micros: Mapped[Micros]
    remaining_micros: Mapped[Micros]
    priority: Mapped[int] = mapped_column(Integer, default=100)
    expires_at: Mapped[UtcDateTime | None]
    reason: Mapped[str] = mapped_column(String(200))
    reference: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "grant_id"),
        UniqueConstraint("customer_id", "reference"),
        UniqueConstraint("customer_id", "public_id"),
        ForeignKeyConstraint(["customer_id"], ["balance.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("amount_micros > 0", name="amount_positive"),
        CheckConstraint("remaining_micros BETWEEN 0 AND amount_micros", name="remaining_within_amount"),
        Index("ix_grant_open", "customer_id", postgresql_where=text("remaining_micros > 0")),
    )


class Hold(Model):
    """An amount set aside before the work. The open ones add up to the balance's `held_micros`.

    `reference` is what makes a repeated request answer the same hold.
    """

    __tablename__ = "hold"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    hold_id: Mapped[int] = mapped_column(BigInteger)
    public_id: Mapped[str] = mapped_column(String(64))
    amount_micros: Mapped[Micros]
    status: Mapped[str] = mapped_column(String(8))
    reference: Mapped[str] = mapped_column(String(128))
    expires_at: Mapped[UtcDateTime]
    captured_micros: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[UtcDateTime]
    ended_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "hold_id"),
        UniqueConstraint("customer_id", "reference"),
        UniqueConstraint("customer_id", "public_id"),
        ForeignKeyConstraint(["customer_id"], ["balance.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("amount_micros >= 0", name="amount_not_negative"),
        CheckConstraint("status IN ('open', 'captured', 'released', 'expired')", name="status"),
        Index("ix_hold_open", "expires_at", postgresql_where=text("status = 'open'")),
    )


class LedgerSeal(Model):
    """The hash over a customer's transfers up to a number, chained: a changed transfer breaks it."""

    __tablename__ = "ledger_seal"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    through_number: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "through_number"),
        ForeignKeyConstraint(["customer_id"], ["balance.customer_id"], ondelete="RESTRICT"),
    )

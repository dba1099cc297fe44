"""Tables of subscriptions: the provider's plans, who has which, which days were charged, what was agreed."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model, UtcDateTime


class Plan(Model):
    """What the provider offers for a net price per month or year. Small and shared by all customers."""

    __tablename__ = "plan"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    price: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    interval: Mapped[str] = mapped_column(String(8))
    product: Mapped[str] = mapped_column(String(16))
    is_offered: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        CheckConstraint("interval IN ('month', 'year')", name="interval"),
        CheckConstraint("product IN ('standard', 'reduced', 'zero')", name="product"),
        CheckConstraint("price >= 0", name="price"),
    )


class Subscription(Model):
    """A customer's plan. Its periods count from `anchor`; all before `charged_through` have been charged.

    `own_price` replaces the plan's. `revision` counts what was agreed, so that days charged anew after a
    change differ from those charged before it.
    """

    __tablename__ = "subscription"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    subscription_id: Mapped[str] = mapped_column(String(64))
    plan_code: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int] = mapped_column(Integer)
    own_price: Mapped[Decimal | None] = mapped_column(Numeric(18, 6))
    starts_on: Mapped[date] = mapped_column(Date)
    anchor: Mapped[date] = mapped_column(Date)
    charged_through: Mapped[date] = mapped_column(Date)
    # The first day without service, once it was cancelled.
    ends_on: Mapped[date | None] = mapped_column(Date)
    status: Mapped[str] = mapped_column(String(10))
    revision: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "subscription_id"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(["plan_code"], ["plan.code"], ondelete="RESTRICT"),
        CheckConstraint("status IN ('active', 'cancelled', 'ended')", name="status"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("own_price >= 0", name="own_price"),
        CheckConstraint("(status = 'active') = (ends_on IS NULL)", name="ends_when_cancelled"),
        Index(
            "ix_subscription_to_charge",
            "charged_through",
            postgresql_where=text("status <> 'ended'"),
        ),
    )


class SubscriptionSpan(Model):
    """Days of one period that were charged: `starts_on` to `ends_on` of `period_start` to `period_end`.

    `full_cents` is the net price of the whole period, from which every share is counted; `net_cents` what
    was charged. A change or cancellation draws `ends_on` nearer and credits what lies after it. It waits
    until a close or a document of its own bills it.
    """

    __tablename__ = "subscription_span"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    subscription_id: Mapped[str] = mapped_column(String(64))
    period_start: Mapped[date] = mapped_column(Date)
    revision: Mapped[int] = mapped_column(Integer)
    period_end: Mapped[date] = mapped_column(Date)
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date] = mapped_column(Date)
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    interval: Mapped[str] = mapped_column(String(8))
    product: Mapped[str] = mapped_column(String(16))
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    full_cents: Mapped[int] = mapped_column(BigInteger)
    net_cents: Mapped[int] = mapped_column(BigInteger)
    # As it stands on the invoice.
    tax_category: Mapped[str | None] = mapped_column(String(2))
    tax_percent: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    # Billed by the close of the period that begins on this day, or by a document of its own.
    billed_period: Mapped[date | None] = mapped_column(Date)
    invoice_id: Mapped[UUID | None] = mapped_column(Uuid)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "subscription_id", "period_start", "revision"),
        ForeignKeyConstraint(
            ["customer_id", "subscription_id"],
            ["subscription.customer_id", "subscription.subscription_id"],
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
        ),
        CheckConstraint(
            "period_start <= starts_on AND starts_on <= ends_on AND ends_on <= period_end", name="days"
        ),
        CheckConstraint("net_cents BETWEEN 0 AND full_cents", name="net_within_full"),
        CheckConstraint("num_nonnulls(billed_period, invoice_id) <= 1", name="billed_once"),
        Index(
            "ix_subscription_span_pending",
            "customer_id",
            postgresql_where=text("billed_period IS NULL AND invoice_id IS NULL"),
        ),
        Index("ix_subscription_span_invoice", "customer_id", "invoice_id"),
    )


class SubscriptionEvent(Model):
    """What was agreed: started, changed, cancelled, resumed; by whom, from which day, for which price."""

    __tablename__ = "subscription_event"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    subscription_id: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(10))
    effective_on: Mapped[date] = mapped_column(Date)
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    interval: Mapped[str] = mapped_column(String(8))
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    # VAT included.
    credited_cents: Mapped[int] = mapped_column(BigInteger)
    agreed_by: Mapped[str] = mapped_column(String(254))
    agreed_at: Mapped[UtcDateTime]
    # The request that asked for it, which makes it once.
    request_key: Mapped[str] = mapped_column(String(128))

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "subscription_id", "revision"),
        UniqueConstraint("customer_id", "request_key"),
        ForeignKeyConstraint(
            ["customer_id", "subscription_id"],
            ["subscription.customer_id", "subscription.subscription_id"],
            ondelete="RESTRICT",
        ),
        CheckConstraint("kind IN ('started', 'changed', 'cancelled', 'resumed')", name="kind"),
    )

"""The table of adjustments: what staff adds to a balance, takes off it or gives, and who agreed."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import CustomerKey, Micros, Model, UtcDateTime


class Adjustment(Model):
    """Asked for by one person; above the limit a second one approves it before anything moves.

    `amount_micros` of a balance may be below zero, of a grant never. `decided_by_user_id` is empty where
    nobody had to approve.
    """

    __tablename__ = "adjustment"

    customer_id: Mapped[CustomerKey]
    adjustment_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    amount_micros: Mapped[Micros]
    reason: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[UtcDateTime | None]
    status: Mapped[str] = mapped_column(String(8))
    requested_by_user_id: Mapped[int] = mapped_column(BigInteger)
    requested_at: Mapped[UtcDateTime]
    request_key: Mapped[str] = mapped_column(String(64))
    decided_by_user_id: Mapped[int | None] = mapped_column(BigInteger)
    decided_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        ForeignKeyConstraint(["customer_id"], ["balance.customer_id"], ondelete="RESTRICT"),
        UniqueConstraint("customer_id", "request_key"),
        CheckConstraint("kind IN ('balance', 'grant')", name="kind"),
        CheckConstraint("status IN ('pending', 'done', 'declined')", name="status"),
        CheckConstraint("amount_micros <> 0", name="amount"),
        CheckConstraint("kind = 'balance' OR amount_micros > 0", name="grant_gives"),
        CheckConstraint("(status = 'pending') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("decided_by_user_id <> requested_by_user_id", name="second_person"),
        Index("ix_adjustment_pending", "requested_at", postgresql_where=text("status = 'pending'")),
        Index("ix_adjustment_decided_at", "decided_at"),
    )

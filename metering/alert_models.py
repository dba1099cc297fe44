"""Tables of alerts: what a customer wants to be warned of, and each time it came about."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Micros, Model, UtcDateTime


class AlertRule(Model):
    """One thing to warn of. `value` is micros, a percentage or days, as `kind` says."""

    __tablename__ = "alert_rule"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[int] = mapped_column(BigInteger)
    refuses_holds: Mapped[bool]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "kind", "value"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("kind IN ('amount', 'percentage', 'days', 'spending_limit')", name="kind"),
        CheckConstraint("value > 0", name="value_positive"),
        CheckConstraint("NOT refuses_holds OR kind = 'spending_limit'", name="only_limits_refuse"),
        Index(
            "uq_alert_rule_one_of_a_kind",
            "customer_id",
            "kind",
            unique=True,
            postgresql_where=text("kind IN ('days', 'spending_limit')"),
        ),
    )


class AlertCrossing(Model):
    """One crossing, told once: open until the balance has risen above its mark again."""

    __tablename__ = "alert_crossing"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(Integer)
    available_micros: Mapped[Micros]
    crossed_at: Mapped[UtcDateTime]
    mailed_at: Mapped[UtcDateTime | None]
    rearmed_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "kind", "value", "number"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        Index(
            "uq_alert_crossing_open",
            "customer_id",
            "kind",
            "value",
            unique=True,
            postgresql_where=text("rearmed_at IS NULL"),
        ),
    )

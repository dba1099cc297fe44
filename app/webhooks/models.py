"""Tables of outgoing webhooks: who wants to be told, what there was to tell, and how telling went."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model, UtcDateTime

ID_LENGTH = 64


class WebhookEndpoint(Model):
    """An address of the provider's own systems. Its secret signs, so it is kept, and shown once.

    After a rotation the previous secret signs as well for a while, so that the receiver can follow.
    """

    __tablename__ = "webhook_endpoint"

    endpoint_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    secret: Mapped[str] = mapped_column(String(128))
    previous_secret: Mapped[str | None] = mapped_column(String(128))
    previous_secret_until: Mapped[UtcDateTime | None]
    failing_since: Mapped[UtcDateTime | None]
    disabled_at: Mapped[UtcDateTime | None]
    disabled_because: Mapped[str | None] = mapped_column(String(16))
    deleted_at: Mapped[UtcDateTime | None]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (CheckConstraint("disabled_because IN ('failing', 'gone')", name="disabled_because"),)

    def wants(self, event_type: str) -> bool:
        return event_type in self.events


class WebhookMessage(Model):
    """One thing that happened, in the exact bytes that are signed. The same key is told once."""

    __tablename__ = "webhook_message"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    message_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    event_type: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    dedupe_key: Mapped[str] = mapped_column(String(160))
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "message_id"),
        UniqueConstraint("customer_id", "dedupe_key"),
        Index("ix_webhook_message_created_at", "created_at"),
    )


class WebhookDelivery(Model):
    """One message for one endpoint: waiting, delivered, or given up.

    `tries` counts within the schedule of pauses and starts anew with a replay; `attempts` never does.
    """

    __tablename__ = "webhook_delivery"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    delivery_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    number: Mapped[int] = mapped_column(BigInteger, Identity())
    message_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    event_type: Mapped[str] = mapped_column(String(64))
    endpoint_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    status: Mapped[str] = mapped_column(String(12))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[UtcDateTime | None]
    delivered_at: Mapped[UtcDateTime | None]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "delivery_id"),
        UniqueConstraint("customer_id", "message_id", "endpoint_id"),
        ForeignKeyConstraint(
            ["customer_id", "message_id"],
            ["webhook_message.customer_id", "webhook_message.message_id"],
            ondelete="RESTRICT",
        ),
        CheckConstraint("status IN ('waiting', 'delivered', 'failed')", name="status"),
        Index("ix_webhook_delivery_number", "number"),
        Index("ix_webhook_delivery_due", "next_attempt_at", postgresql_where=text("status = 'waiting'")),
    )


class WebhookAttempt(Model):
    """One request that was made: when, how long it took, what came back. `error` when nothing did."""

    __tablename__ = "webhook_attempt"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    delivery_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    number: Mapped[int] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(Integer)
    latency_ms: Mapped[int] = mapped_column(Integer)
    answer: Mapped[str] = mapped_column(String(1000))
    error: Mapped[str | None] = mapped_column(String(300))
    attempted_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "delivery_id", "number"),
        ForeignKeyConstraint(
            ["customer_id", "delivery_id"],
            ["webhook_delivery.customer_id", "webhook_delivery.delivery_id"],
            ondelete="RESTRICT",
        ),
    )

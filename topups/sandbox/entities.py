"""What the sandbox remembers. Amounts are whole cents, times aware UTC.

`due_at` is when something next happens to an entity by itself.
"""

from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Literal

import msgspec

PaymentStatus = Literal["open", "pending", "authorized", "paid", "failed", "canceled", "expired"]
MandateStatus = Literal["valid", "pending", "invalid", "revoked"]
RefundStatus = Literal["queued", "pending", "processing", "refunded", "failed", "canceled"]
SequenceType = Literal["oneoff", "first", "recurring"]
DeliveryStatus = Literal["waiting", "under_way", "delivered", "given_up", "dropped"]


class Entity(msgspec.Struct, kw_only=True):
    """A stored document; `owner` is what its lists are filtered by."""

    kind: ClassVar[str]
    id: str
    created_at: datetime
    due_at: datetime | None = None

    @property
    def owner(self) -> str:
        return ""


class Customer(Entity, kw_only=True):
    kind: ClassVar[str] = "customer"
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    metadata: Any = None
    deleted: bool = False


class Mandate(Entity, kw_only=True):
    kind: ClassVar[str] = "mandate"
    customer_id: str
    method: str
    status: MandateStatus
    details: dict[str, str | None]
    reference: str | None
    signature_date: date

    @property
    def owner(self) -> str:
        return self.customer_id


class Plan(msgspec.Struct, kw_only=True):
    """How a payment that settles by itself will end; cards end at once, direct debits after a while."""

    status: Literal["paid", "failed", "pending"] = "paid"
    failure_reason: str | None = None
    after: timedelta | None = None
    after_business_days: int | None = None


class Payment(Entity, kw_only=True):
    kind: ClassVar[str] = "payment"
    amount_cents: int
    description: str
    status: PaymentStatus = "open"
    sequence_type: SequenceType = "oneoff"
    method: str | None = None
    offered_methods: list[str] = []
    metadata: Any = None
    redirect_url: str | None = None
    cancel_url: str | None = None
    webhook_url: str | None = None
    locale: str | None = None
    customer_id: str | None = None
    mandate_id: str | None = None
    details: dict[str, Any] = {}
    amount_refunded_cents: int = 0
    amount_charged_back_cents: int = 0
    has_refunds: bool = False
    has_chargebacks: bool = False
    authorized_at: datetime | None = None
    paid_at: datetime | None = None
    failed_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    plan: Plan = msgspec.field(default_factory=Plan)

    @property
    def owner(self) -> str:
        return self.customer_id or ""

    @property
    def amount_remaining_cents(self) -> int:
        return max(0, self.amount_cents - self.amount_refunded_cents - self.amount_charged_back_cents)


class Refund(Entity, kw_only=True):
    kind: ClassVar[str] = "refund"
    payment_id: str
    amount_cents: int
    description: str
    status: RefundStatus = "pending"
    metadata: Any = None

    @property
    def owner(self) -> str:
        return self.payment_id


class Chargeback(Entity, kw_only=True):
    kind: ClassVar[str] = "chargeback"
    payment_id: str
    amount_cents: int
    code: str | None = None
    reversed_at: datetime | None = None

    @property
    def owner(self) -> str:
        return self.payment_id


class Attempt(msgspec.Struct, kw_only=True):
    """One call of a webhook: the status that was answered, or what went wrong."""

    at: datetime
    status: int | None = None
    error: str | None = None
    took_ms: int = 0


class Delivery(Entity, kw_only=True):
    """A webhook on its way, with all its attempts."""

    kind: ClassVar[str] = "delivery"
    payment_id: str
    url: str
    event: str
    status: DeliveryStatus = "waiting"
    attempts: list[Attempt] = []
    held: bool = False

    @property
    def owner(self) -> str:
        return self.payment_id


class Exchange(Entity, kw_only=True):
    """One request to the API as it was answered. `received_at` is real time, for measuring."""

    kind: ClassVar[str] = "exchange"
    received_at: datetime
    method: str
    path: str
    query: str
    body: Any
    idempotency_key: str | None
    status: int
    fault: str | None = None
    replayed: bool = False


class Replay(Entity, kw_only=True):
    """An idempotency key: who sent it with what, and the answer once there is one."""

    kind: ClassVar[str] = "replay"
    fingerprint: str
    status: int | None = None
    body: Any = None


class Outcome(Entity, kw_only=True):
    """A rule for charges still to come: the next `times` that match end as `plan` says."""

    kind: ClassVar[str] = "outcome"
    plan: Plan
    times: int | None = 1
    customer_id: str | None = None
    mandate_id: str | None = None
    method: str | None = None


class Fault(Entity, kw_only=True):
    """Something to go wrong on purpose. `match` and `action` are described in `faults.py`."""

    kind: ClassVar[str] = "fault"
    action: str
    match: dict[str, str] = {}
    times: int | None = 1
    probability: float = 1.0
    parameters: dict[str, Any] = {}
    struck: int = 0

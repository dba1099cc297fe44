"""The API's shapes of webhook endpoints and deliveries, as its reference states them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Event = Literal[
    "balance.low", "balance.exhausted", "balance.spending_limit", "top_up.paid", "top_up.failed",
    "top_up.charged_back", "auto_top_up.paused", "payment_method.valid", "payment_method.revoked",
    "invoice.requested", "invoice.issued", "invoice.paid", "invoice.overdue",
]  # fmt: skip
DeliveryStatus = Literal["waiting", "delivered", "failed"]


class NewEndpoint(Struct):
    """Messages are signed as Standard Webhooks says: check `webhook-signature` with the endpoint's secret."""

    url: Annotated[str, Meta(max_length=2000, examples=["https://shop.example/hooks/tegoed"])]
    events: Annotated[
        Annotated[list[Event], Meta(min_length=1)] | None, Meta(description="All when left out.")
    ] = None


class Endpoint(Struct):
    id: str
    url: str
    events: list[Event]
    status: Literal["enabled", "disabled"]
    disabled_because: Annotated[
        Literal["failing", "gone"] | None,
        Meta(description="`failing`: nothing arrived for days. `gone`: the receiver answered 410."),
    ]
    created_at: datetime


class EndpointWithSecret(Endpoint):
    secret: Annotated[str, Meta(description="Shown this once.")]


class Attempt(Struct):
    at: datetime
    status_code: int | None
    latency_ms: int
    answer: Annotated[str, Meta(description="The first bytes of what was answered.")]
    error: str | None


class Delivery(Struct):
    id: str
    message_id: Annotated[str, Meta(description="`webhook-id`: the same in every attempt and replay.")]
    endpoint: str
    event: Event
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    last_attempt: Attempt | None


class DeliveryQuery(Struct):
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str | UnsetType, Meta(description="`next_cursor` of the page before.")] = UNSET
    endpoint: str | UnsetType = UNSET
    status: DeliveryStatus | UnsetType = UNSET


class ReplayWish(Struct):
    endpoint: str
    since: Annotated[datetime, Meta(examples=["2026-11-01T00:00:00Z"])]


class Replayed(Struct):
    replayed: Annotated[int, Meta(description="How many messages are sent again.")]

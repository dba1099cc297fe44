"""Outgoing webhooks as slices, the API and the desk use them. A thin facade over named modules."""

from app.webhooks.endpoints import (
    EVENTS,
    TooManyEndpoints,
    UnknownEndpoint,
    delete,
    enable,
    endpoints,
    find,
    register,
    rotate,
)
from app.webhooks.endpoints import to_json as endpoint_json
from app.webhooks.messages import (
    EndpointDisabled,
    UnknownDelivery,
    deliveries,
    last_attempts,
    replay,
    replay_since,
    tell,
)
from app.webhooks.messages import to_json as delivery_json
from app.webhooks.targets import InvalidUrl

__all__ = [
    "EVENTS",
    "EndpointDisabled",
    "InvalidUrl",
    "TooManyEndpoints",
    "UnknownDelivery",
    "UnknownEndpoint",
    "delete",
    "deliveries",
    "delivery_json",
    "enable",
    "endpoint_json",
    "endpoints",
    "find",
    "last_attempts",
    "register",
    "replay",
    "replay_since",
    "rotate",
    "tell",
]

"""`/v1/webhook-endpoints` and `/v1/webhook-deliveries`: who is told what happens here, and how that went."""

from datetime import datetime
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.customers.auth import require_api_key
from app.db import in_unit_of_work
from app.desk import webhook_shapes as shapes
from app.errors import Invalid
from app.reference.statements import Listed, describe
from app.webhooks import service

blueprint = Blueprint("webhooks_api", __name__, url_prefix="/v1")


@blueprint.get("/webhook-endpoints")
@require_api_key
@describe(Listed[shapes.Endpoint])
def list_endpoints() -> ResponseReturnValue:
    """List the addresses that are told what happens."""
    return jsonify(api.listed([service.endpoint_json(endpoint) for endpoint in service.endpoints()], None))


@blueprint.post("/webhook-endpoints")
@require_api_key
@api.idempotent(required=False)
@describe(
    shapes.EndpointWithSecret,
    201,
    takes=shapes.NewEndpoint,
    problems=(service.InvalidUrl, service.TooManyEndpoints),
)
def register_endpoint() -> ResponseReturnValue:
    """Register an address; the answer alone shows its secret."""
    body = api.read_object("url", "events")

    def register() -> dict[str, Any]:
        endpoint, secret = service.register(body.get("url"), body.get("events"))
        return service.endpoint_json(endpoint) | {"secret": secret}

    return jsonify(in_unit_of_work(register)), 201


@blueprint.delete("/webhook-endpoints/<endpoint_id>")
@require_api_key
@describe(None, 204, problems=(service.UnknownEndpoint,))
def delete_endpoint(endpoint_id: str) -> ResponseReturnValue:
    """Delete an address; its deliveries stay in the log."""
    in_unit_of_work(service.delete, endpoint_id)
    return "", 204


@blueprint.post("/webhook-endpoints/<endpoint_id>/rotate")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.EndpointWithSecret, problems=(service.UnknownEndpoint,))
def rotate_secret(endpoint_id: str) -> ResponseReturnValue:
    """Give an address a new secret; for 24 hours messages are signed with both."""

    def rotate() -> dict[str, Any]:
        endpoint, secret = service.rotate(endpoint_id)
        return service.endpoint_json(endpoint) | {"secret": secret}

    return jsonify(in_unit_of_work(rotate))


@blueprint.post("/webhook-endpoints/<endpoint_id>/enable")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.Endpoint, problems=(service.UnknownEndpoint,))
def enable_endpoint(endpoint_id: str) -> ResponseReturnValue:
    """Switch an address on again that was switched off because nothing arrived."""
    return jsonify(in_unit_of_work(lambda: service.endpoint_json(service.enable(endpoint_id))))


@blueprint.get("/webhook-deliveries")
@require_api_key
@describe(Listed[shapes.Delivery], query=shapes.DeliveryQuery)
def list_deliveries() -> ResponseReturnValue:
    """List deliveries, the newest first, each with its latest attempt."""
    size = api.page_size()
    status = request.args.get("status")
    if status not in (None, "waiting", "delivered", "failed"):
        raise Invalid(
            lazy_gettext("Choose one of: %(choices)s.", choices="waiting, delivered, failed"), field="status"
        )
    endpoint_id = request.args.get("endpoint")
    found = service.deliveries(endpoint_id=endpoint_id, status=status, before=api.cursor(), limit=size + 1)
    last = service.last_attempts(found[:size])
    listed = [service.delivery_json(one, last.get(one.delivery_id)) for one in found[:size]]
    return jsonify(api.listed(listed, found[size - 1].number if len(found) > size else None))


@blueprint.post("/webhook-deliveries/<delivery_id>/replay")
@require_api_key
@api.idempotent(required=False)
@describe(
    shapes.Delivery,
    202,
    problems=(service.UnknownDelivery, service.UnknownEndpoint, service.EndpointDisabled),
)
def replay_delivery(delivery_id: str) -> ResponseReturnValue:
    """Send one delivery again, under the same message id."""

    def replay() -> dict[str, Any]:
        delivery = service.replay(delivery_id)
        return service.delivery_json(delivery, service.last_attempts([delivery]).get(delivery_id))

    return jsonify(in_unit_of_work(replay)), 202


@blueprint.post("/webhook-deliveries/replay")
@require_api_key
@api.idempotent(required=False)
@describe(
    shapes.Replayed,
    202,
    takes=shapes.ReplayWish,
    problems=(service.UnknownEndpoint, service.EndpointDisabled),
)
def replay_since() -> ResponseReturnValue:
    """Send an address everything since a moment, also what it never got."""
    body = api.read_object("endpoint", "since")
    endpoint_id = body.get("endpoint")
    if not isinstance(endpoint_id, str):
        raise service.UnknownEndpoint
    since = _moment(body.get("since"))
    return jsonify(replayed=in_unit_of_work(service.replay_since, endpoint_id, since)), 202


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(
            lazy_gettext("Give a moment with its zone, such as 2026-11-01T00:00:00Z."), field="since"
        )
    return moment

"""`/v1/events`, voids, meters and prices.

Events need no Idempotency-Key: (customer, source, id) is theirs. Meters are put, so they need none either.
"""

from typing import Any, Final, cast

import msgspec
from flask import Blueprint, Flask, Response, g, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.clock import utc_now
from app.config import settings
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import AppError, Invalid, TooLarge, Unavailable, UnsupportedMediaType
from app.ledger.debits import LockedBalance
from app.money import Money
from app.reference.statements import Listed, describe
from metering import attention, group_commit, meters, service, shapes
from metering.cloudevents import (
    MAX_EVENTS,
    MAX_ID,
    MAX_SOURCE,
    BodyInvalid,
    ReadEvents,
    Refusal,
    TooManyEvents,
    Window,
    read_binary,
    read_many,
    read_one,
)
from metering.verdicts import Verdict

blueprint = Blueprint("metering_api", __name__, url_prefix="/v1")

ONE: Final = "application/cloudevents+json"
MANY: Final = "application/cloudevents-batch+json"


@blueprint.record
def _wire(state: BlueprintSetupState) -> None:
    """Give the application its committing thread and the one that asks for attention."""
    app = cast("Flask", state.app)
    group_commit.init_app(app)
    attention.init_app(app)


class EmptyBatch(Invalid):
    code = "empty_batch"
    title = lazy_gettext("The batch holds no event.")


class BatchTooLarge(TooLarge):
    code = "too_many_events"
    title = lazy_gettext("A batch holds at most %(most)s events.", most=MAX_EVENTS)


class EventRefused(AppError):
    """A single event that is not recorded, with the verdict's own code and status."""

    title = lazy_gettext("The event was not recorded.")

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.verdict.detail, id=refusal.event_id)
        self.status = refusal.verdict.status  # type: ignore[misc]  # one class for all verdicts
        self.code = refusal.verdict.code  # type: ignore[misc]  # likewise


REFUSALS: Final = tuple(
    (verdict.status, verdict.code, verdict.detail) for verdict in Verdict if verdict.is_refusal
)


@blueprint.post("/events")
@require_api_key
@describe(
    shapes.Taken,
    takes={
        ONE: shapes.CloudEvent,
        MANY: list[shapes.CloudEvent],
        "application/json": shapes.CloudEvent | list[shapes.CloudEvent],
    },
    problems=(EmptyBatch, BatchTooLarge, Unavailable, *REFUSALS),
)
def take_events() -> ResponseReturnValue:
    """Record one event or many.

    Answered once they are durable. One event is answered with a problem when it is refused; many are
    answered with 200 and a verdict each. HTTP binary mode is understood as well: attributes in `ce-`
    headers, the body is the data.
    """
    read, is_single = read_events()
    if read.count == 0:
        raise EmptyBatch
    if is_single and read.refusals:
        raise EventRefused(read.refusals[0])
    taken = service.record_events(read, only_customer_id=g.key_customer_id)
    if is_single and taken.refusals:
        raise EventRefused(taken.refusals[0])
    answer = {
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "rejected": [_refusal_json(refusal) for refusal in taken.refusals],
        "balances": {name: balance_json(balance) for name, balance in taken.balances.items()},
    }
    return Response(msgspec.json.encode(answer), mimetype="application/json")


def read_events() -> tuple[ReadEvents, bool]:
    """The request's events, and whether it is about a single one."""
    now, set_ = utc_now(), settings()
    window = Window.around(now, set_.event_max_age_days, set_.event_max_ahead_seconds)
    kind = request.mimetype
    is_binary = "ce-specversion" in request.headers
    if kind not in (ONE, MANY, "application/json") and not (is_binary and kind.endswith("+json")):
        raise UnsupportedMediaType(
            lazy_gettext("Send events as application/cloudevents+json, its batch form, or JSON.")
        )
    body = api.read_body()
    try:
        if is_binary and kind not in (ONE, MANY):
            headers = {name.lower(): value for name, value in request.headers.items()}
            return read_binary(headers, body, window), True
        if kind == MANY or (kind != ONE and body.lstrip()[:1] == b"["):
            return read_many(body, window), False
        return read_one(body, window), True
    except BodyInvalid as error:
        raise api.InvalidJson(str(error)) from error
    except TooManyEvents as error:
        raise BatchTooLarge from error


def _refusal_json(refusal: Refusal) -> dict[str, Any]:
    verdict = refusal.verdict
    return {
        "index": refusal.index,
        "id": refusal.event_id,
        "code": verdict.code,
        "detail": str(verdict.detail),
    }


def balance_json(balance: LockedBalance) -> dict[str, Any]:
    """The balance after events, in its API shape."""
    return {"available": _money(balance.available_micros), "state": balance.state}


def _money(micros: int) -> dict[str, str]:
    return Money(micros, settings().currency).to_json()


@blueprint.post("/customers/<reference>/events/void")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.VoidedEvent, takes=shapes.EventName, problems=(UnknownCustomer, service.UnknownEvent))
def void_event(reference: str) -> ResponseReturnValue:
    """Take an event back; again is harmless."""
    body = api.read_object("source", "id")
    source = _text(body.get("source"), "source", MAX_SOURCE)
    event_id = _text(body.get("id"), "id", MAX_ID)
    customer_id = find_customer(reference).customer_id
    voided = in_unit_of_work(service.void, customer_id, source, event_id)
    return jsonify(
        source=source,
        id=event_id,
        voided_at=voided.at.isoformat(),
        returned=_money(voided.micros),
        balance=balance_json(voided.balance),
    )


def _text(value: object, field: str, most: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= most or "\0" in value:
        raise Invalid(lazy_gettext("Give a text of 1 to %(most)s characters.", most=most), field=field)
    return value


@blueprint.get("/meters")
@require_api_key
@describe(Listed[shapes.Meter])
def list_meters() -> ResponseReturnValue:
    """List the meters."""
    return jsonify(api.listed(meters.list_meters(), None))


@blueprint.put("/meters/<code>")
@require_api_key
@describe(shapes.Meter, 200, 201, takes=shapes.MeterFacts, problems=(meters.MeterInUse,))
def put_meter(code: str) -> ResponseReturnValue:
    """Make a meter, or change it."""
    facts = api.read_object(*meters.METER_FIELDS)
    meter, is_new = in_unit_of_work(meters.put_meter, code, facts)
    return jsonify(meter), 201 if is_new else 200


@blueprint.get("/meters/<code>/prices")
@require_api_key
@describe(Listed[shapes.Price], problems=(meters.UnknownMeter,))
def list_prices(code: str) -> ResponseReturnValue:
    """List a meter's prices, the newest first."""
    return jsonify(api.listed(meters.list_prices(code), None))


@blueprint.post("/meters/<code>/prices")
@require_api_key
@api.idempotent(required=False)
@describe(
    shapes.Price,
    201,
    takes=shapes.NewPrice,
    problems=(meters.UnknownMeter, meters.PriceAmbiguous, meters.CurrencyNotSupported),
)
def publish_price(code: str) -> ResponseReturnValue:
    """Publish a price.

    Periods that have begun keep theirs; only a meter's first price joins them.
    """
    document = api.read_object(*meters.PRICE_FIELDS)
    return jsonify(in_unit_of_work(meters.publish_price, code, document)), 201

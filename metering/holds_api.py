"""`/v1/…/holds`: authorise work before it is done, then capture what it really was, or release it."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.clock import utc_now
from app.config import settings
from app.customers.auth import require_api_key
from app.customers.service import HOUSE_REFERENCE, UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid
from app.ledger import holds as ledger
from app.ledger.models import Hold
from app.money import InvalidMoney, Money
from app.reference.statements import Listed, Paging, describe
from metering import hold_shapes as shapes
from metering import holds
from metering.aggregation import as_quantity, dimensions_of
from metering.alerts import SpendingLimitReached
from metering.api import MANY, ONE, REFUSALS, EmptyBatch, balance_json, read_events
from metering.attention import attention
from metering.meters import UnknownMeter
from metering.shapes import CloudEvent

blueprint = Blueprint("holds_api", __name__, url_prefix="/v1")

DEFAULT_SECONDS: Final = 3600
MAX_SECONDS: Final = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be held: an amount, or a quantity of a meter."""

    amount_micros: int | None
    meter: str
    quantity: Decimal
    dimensions: dict[str, str]


@blueprint.get("/customers/<reference>/holds")
@require_api_key
@describe(Listed[shapes.Hold], query=Paging, problems=(UnknownCustomer,))
def list_holds(reference: str) -> ResponseReturnValue:
    """Holds, the newest first."""
    limit, before = api.page_size(), api.cursor()
    found = ledger.holds(_customer_id(reference), limit=limit + 1, before=before)
    more = found[limit - 1].hold_id if len(found) > limit else None
    return jsonify(api.listed([_hold_json(hold) for hold in found[:limit]], more))


@blueprint.post("/customers/<reference>/holds")
@require_api_key
@api.idempotent(required=True)
@describe(
    shapes.Hold,
    201,
    takes=shapes.NewHold,
    problems=(
        UnknownCustomer, UnknownMeter, InvalidMoney, holds.NoPrice, ledger.InsufficientBalance,
        ledger.CustomerSuspended, SpendingLimitReached,
    ),
)  # fmt: skip
def place_hold(reference: str) -> ResponseReturnValue:
    """Set an amount aside before the work; refused with 402 when the balance does not cover it."""
    body = api.read_object("amount", "meter", "quantity", "dimensions", "expires_in")
    wanted, life = _wanted(body), _life(body.get("expires_in", DEFAULT_SECONDS))
    customer_id = _customer_id(reference)
    key = hashlib.sha256(g.idempotency_key.encode()).hexdigest()

    def place() -> tuple[dict[str, Any], bool]:
        amount = wanted.amount_micros
        if amount is None:
            amount = holds.estimate_micros(customer_id, wanted.meter, wanted.quantity, wanted.dimensions)
        placed = ledger.place_hold(customer_id, amount, expires_at=utc_now() + life, reference=f"api-{key}")
        return _hold_json(placed.hold), placed.has_crossed

    answer, has_crossed = in_unit_of_work(place)
    if has_crossed:
        attention().tell([customer_id])
    return jsonify(answer), 201


def _customer_id(reference: str) -> int:
    if reference == HOUSE_REFERENCE:
        raise UnknownCustomer
    return find_customer(reference).customer_id


def _wanted(body: dict[str, Any]) -> _Wanted:
    if "amount" in body:
        if "meter" in body or "quantity" in body or "dimensions" in body:
            raise Invalid(lazy_gettext("Give an amount, or a meter and a quantity."), field="amount")
        amount = Money.from_json(body["amount"], currency=settings().currency)
        if amount.micros <= 0:
            raise Invalid(lazy_gettext("The amount must be above zero."), field="amount")
        return _Wanted(amount.micros, "", Decimal(0), {})
    meter, quantity = body.get("meter"), as_quantity(body.get("quantity"))
    if not isinstance(meter, str):
        raise Invalid(lazy_gettext("Give an amount, or a meter and a quantity."), field="meter")
    if quantity is None:
        raise Invalid(lazy_gettext("Give a quantity above zero."), field="quantity")
    given = body.get("dimensions")
    given = {} if given is None else given
    dimensions = dimensions_of(list(given), given) if isinstance(given, dict) else None
    if dimensions is None:
        raise Invalid(lazy_gettext("Give dimensions with their values as text."), field="dimensions")
    return _Wanted(None, meter, quantity, dimensions)


def _life(seconds: object) -> timedelta:
    is_whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not is_whole or not 1 <= int(str(seconds)) <= MAX_SECONDS:
        raise Invalid(
            lazy_gettext("Give a whole number of seconds, at most %(most)s.", most=MAX_SECONDS),
            field="expires_in",
        )
    return timedelta(seconds=int(str(seconds)))


@blueprint.post("/holds/<hold_id>/capture")
@require_api_key
@api.idempotent(required=False)
@describe(
    shapes.CapturedHold,
    takes={ONE: CloudEvent, MANY: list[CloudEvent], "application/json": CloudEvent | list[CloudEvent]},
    problems=(EmptyBatch, ledger.UnknownHold, ledger.HoldEnded, holds.OtherSubject, *REFUSALS),
)
def capture_hold(hold_id: str) -> ResponseReturnValue:
    """Record the event or events of the work and end the hold: all of them, or none.

    They may cost less than was held, or more; those of an expired hold are recorded too. The same events
    again are harmless.
    """
    read, _ = read_events()
    if read.count == 0:
        raise EmptyBatch

    def capture() -> tuple[dict[str, Any], list[int]]:
        captured = holds.capture(hold_id, read)
        answer = _hold_json(captured.hold) | {
            "accepted": captured.accepted,
            "duplicates": captured.duplicates,
            "balance": balance_json(captured.balance),
        }
        return answer, captured.crossed

    answer, crossed = in_unit_of_work(capture)
    if crossed:
        attention().tell(crossed)
    return jsonify(answer)


@blueprint.post("/holds/<hold_id>/release")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.Hold, problems=(ledger.UnknownHold, ledger.HoldEnded))
def release_hold(hold_id: str) -> ResponseReturnValue:
    """Set free what is held; again is harmless."""
    return jsonify(in_unit_of_work(lambda: _hold_json(ledger.release_hold(hold_id))))


def _hold_json(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.public_id,
        "amount": _money(hold.amount_micros),
        "status": hold.status,
        "expires_at": hold.expires_at.isoformat(),
        "captured": None if hold.captured_micros is None else _money(hold.captured_micros),
        "created_at": hold.created_at.isoformat(),
    }


def _money(micros: int) -> dict[str, str]:
    return Money(micros, settings().currency).to_json()

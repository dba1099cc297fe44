"""The v2 API's routes. Each reads the request, calls one function, and answers as Mollie does."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response, request

from topups.sandbox.answers import Json, base_url, documentation, entity_json
from topups.sandbox.chargebacks import get_chargeback
from topups.sandbox.customers import (
    create_customer,
    customers,
    delete_customer,
    get_customer,
    update_customer,
)
from topups.sandbox.embeds import embedded
from topups.sandbox.entities import Chargeback, Entity, Payment, Refund
from topups.sandbox.exchange import Answer, Handler, exchange
from topups.sandbox.mandates import create_mandate, get_mandate, mandates_of, revoke_mandate
from topups.sandbox.methods import METHODS, get_method, method_json, offered_methods
from topups.sandbox.paging import page_json
from topups.sandbox.payments import cancel_payment, create_payment, get_payment, update_payment
from topups.sandbox.problems import Problem, unknown
from topups.sandbox.refunds import cancel_refund, create_refund, get_refund
from topups.sandbox.stale import seen
from topups.sandbox.world import World

api = Blueprint("api", __name__, url_prefix="/v2")
H = TypeVar("H", bound=Handler)


def route(rule: str, method: str) -> Callable[[H], H]:
    """Registers a handler behind `exchange`, which gives it the world inside a transaction."""

    def register(handler: H) -> H:
        @wraps(handler)
        def view(**arguments: str) -> Response:
            return exchange(handler, **arguments)

        api.add_url_rule(rule, endpoint=handler.__name__, view_func=view, methods=[method])
        return handler

    return register


def json_body() -> dict[str, Any]:
    raw = request.get_data()
    if not raw:
        return {}
    try:
        data = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(400, "The request body is not valid JSON.") from None
    if not isinstance(data, dict):
        raise Problem(400, "The request body should be a JSON object.")
    return data


def show(world: World, entity: Entity, status: int = 200) -> Answer:
    visible = seen(world, entity) if request.method == "GET" else entity
    if visible is None:
        raise unknown(entity.id)
    return Answer(status, {**entity_json(visible), **embedded(world, visible)})


@route("/payments", "POST")
def payments_create(world: World) -> Answer:
    return show(world, create_payment(world, json_body()), 201)


@route("/payments", "GET")
def payments_list(world: World) -> Answer:
    return Answer(200, page_json(world, "payments", world.store.every(Payment)))


@route("/payments/<payment_id>", "GET")
def payments_get(world: World, payment_id: str) -> Answer:
    return show(world, get_payment(world, payment_id))


@route("/payments/<payment_id>", "PATCH")
def payments_update(world: World, payment_id: str) -> Answer:
    return show(world, update_payment(world, payment_id, json_body()))


@route("/payments/<payment_id>", "DELETE")
def payments_cancel(world: World, payment_id: str) -> Answer:
    return show(world, cancel_payment(world, payment_id))


@route("/payments/<payment_id>/refunds", "POST")
def refunds_create(world: World, payment_id: str) -> Answer:
    return show(world, create_refund(world, payment_id, json_body()), 201)


@route("/payments/<payment_id>/refunds", "GET")
def payment_refunds_list(world: World, payment_id: str) -> Answer:
    get_payment(world, payment_id)
    return Answer(200, page_json(world, "refunds", world.store.every(Refund, owner=payment_id)))


@route("/payments/<payment_id>/refunds/<refund_id>", "GET")
def refunds_get(world: World, payment_id: str, refund_id: str) -> Answer:
    return show(world, get_refund(world, payment_id, refund_id))


@route("/payments/<payment_id>/refunds/<refund_id>", "DELETE")
def refunds_cancel(world: World, payment_id: str, refund_id: str) -> Answer:
    cancel_refund(world, payment_id, refund_id)
    return Answer(204)


@route("/refunds", "GET")
def refunds_list(world: World) -> Answer:
    return Answer(200, page_json(world, "refunds", world.store.every(Refund)))


@route("/payments/<payment_id>/chargebacks", "GET")
def payment_chargebacks_list(world: World, payment_id: str) -> Answer:
    get_payment(world, payment_id)
    return Answer(200, page_json(world, "chargebacks", world.store.every(Chargeback, owner=payment_id)))


@route("/payments/<payment_id>/chargebacks/<chargeback_id>", "GET")
def chargebacks_get(world: World, payment_id: str, chargeback_id: str) -> Answer:
    return show(world, get_chargeback(world, payment_id, chargeback_id))


@route("/chargebacks", "GET")
def chargebacks_list(world: World) -> Answer:
    return Answer(200, page_json(world, "chargebacks", world.store.every(Chargeback)))


@route("/customers", "POST")
def customers_create(world: World) -> Answer:
    return show(world, create_customer(world, json_body()), 201)


@route("/customers", "GET")
def customers_list(world: World) -> Answer:
    return Answer(200, page_json(world, "customers", customers(world)))


@route("/customers/<customer_id>", "GET")
def customers_get(world: World, customer_id: str) -> Answer:
    return show(world, get_customer(world, customer_id))


@route("/customers/<customer_id>", "PATCH")
def customers_update(world: World, customer_id: str) -> Answer:
    return show(world, update_customer(world, customer_id, json_body()))


@route("/customers/<customer_id>", "DELETE")
def customers_delete(world: World, customer_id: str) -> Answer:
    delete_customer(world, customer_id)
    return Answer(204)


@route("/customers/<customer_id>/payments", "POST")
def customer_payments_create(world: World, customer_id: str) -> Answer:
    return show(world, create_payment(world, json_body(), customer_id), 201)


@route("/customers/<customer_id>/payments", "GET")
def customer_payments_list(world: World, customer_id: str) -> Answer:
    get_customer(world, customer_id)
    return Answer(200, page_json(world, "payments", world.store.every(Payment, owner=customer_id)))


@route("/customers/<customer_id>/mandates", "POST")
def mandates_create(world: World, customer_id: str) -> Answer:
    return show(world, create_mandate(world, customer_id, json_body()), 201)


@route("/customers/<customer_id>/mandates", "GET")
def mandates_list(world: World, customer_id: str) -> Answer:
    return Answer(200, page_json(world, "mandates", mandates_of(world, customer_id)))


@route("/customers/<customer_id>/mandates/<mandate_id>", "GET")
def mandates_get(world: World, customer_id: str, mandate_id: str) -> Answer:
    return show(world, get_mandate(world, customer_id, mandate_id))


@route("/customers/<customer_id>/mandates/<mandate_id>", "DELETE")
def mandates_revoke(world: World, customer_id: str, mandate_id: str) -> Answer:
    revoke_mandate(world, customer_id, mandate_id)
    return Answer(204)


@route("/methods", "GET")
def methods_list(world: World) -> Answer:  # noqa: ARG001 - handlers share one signature
    listed = [method_json(each, base_url(), request.args) for each in offered_methods(request.args)]
    return Answer(200, methods_json(listed))


@route("/methods/all", "GET")
def methods_all(world: World) -> Answer:  # noqa: ARG001 - as above
    listed = [method_json(each, base_url(), request.args) for each in METHODS.values()]
    return Answer(200, methods_json(listed))


@route("/methods/<method_id>", "GET")
def methods_get(world: World, method_id: str) -> Answer:  # noqa: ARG001 - as above
    return Answer(200, method_json(get_method(method_id), base_url(), request.args))


def methods_json(listed: list[Json]) -> Json:
    return {
        "count": len(listed),
        "_embedded": {"methods": listed},
        "_links": {
            "self": {"href": request.url, "type": "application/hal+json"},
            "documentation": documentation("list-methods"),
        },
    }

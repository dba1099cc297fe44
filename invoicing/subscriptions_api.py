"""`/v1/customers/…/subscriptions`: agreeing on one, previewing and making a change, cancelling, resuming."""

import contextlib
import hashlib
from datetime import date
from typing import Any, Literal
from uuid import uuid4

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.customers.auth import require_api_key
from app.customers.models import Customer
from app.customers.service import HOUSE_REFERENCE, UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid
from app.reference.statements import Listed, Nothing, describe
from invoicing import plans, subscription_changes, subscriptions
from invoicing import subscription_shapes as shapes
from invoicing.plans import PlanWithdrawn, UnknownPlan
from invoicing.subscription_steps import Cancel, Change, NotCreditable, NothingChanges, NotRunning, Wish
from invoicing.subscriptions import NewSubscription, UnknownSubscription

blueprint = Blueprint("invoicing_subscriptions_api", __name__, url_prefix="/v1")

_UNKNOWN = (UnknownCustomer, UnknownSubscription)
_CHANGING = (*_UNKNOWN, NotRunning, NothingChanges, NotCreditable)


@blueprint.get("/customers/<reference>/subscriptions")
@require_api_key
@describe(Listed[shapes.Subscription], problems=(UnknownCustomer,))
def list_subscriptions(reference: str) -> ResponseReturnValue:
    """List a customer's subscriptions, those that run first."""
    found = subscriptions.of_customer(_customer(reference).customer_id)
    return jsonify(api.listed([shapes.subscription_json(one) for one in found], None))


@blueprint.post("/customers/<reference>/subscriptions")
@require_api_key
@api.idempotent(required=True)
@describe(
    shapes.Subscription,
    201,
    takes=shapes.SubscriptionFacts,
    problems=(UnknownCustomer, UnknownPlan, PlanWithdrawn),
)
def add_subscription(reference: str) -> ResponseReturnValue:
    """Agree on a subscription. What is due of it is billed at once."""
    body = api.read_object("plan", "quantity", "start", "price")
    customer = _customer(reference)
    price = body.get("price")
    wish = NewSubscription(
        plan_code=_text(body.get("plan"), "plan"),
        quantity=subscriptions.check_quantity(body.get("quantity", 1)),
        starts_on=_day(body.get("start")),
        own_price=None if price is None else plans.read_price(price),
        request_key=_request_key(),
        agreed_by="api",
    )
    subscription_id = in_unit_of_work(lambda: subscriptions.start(customer, wish).subscription_id)
    return jsonify(_one(customer, subscription_id)), 201


@blueprint.get("/customers/<reference>/subscriptions/<subscription_id>")
@require_api_key
@describe(shapes.Subscription, problems=_UNKNOWN)
def read_subscription(reference: str, subscription_id: str) -> ResponseReturnValue:
    """Read a subscription, and what was agreed."""
    return jsonify(_one(_customer(reference), subscription_id))


@blueprint.post("/customers/<reference>/subscriptions/<subscription_id>/preview")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.Preview, takes=shapes.PreviewFacts, problems=(*_CHANGING, UnknownPlan, PlanWithdrawn))
def preview_subscription_change(reference: str, subscription_id: str) -> ResponseReturnValue:
    """See what a change or cancellation would give back and cost. Nothing is changed."""
    body = api.read_object("plan", "quantity", "price", "cancel")
    customer = _customer(reference)
    subscription = subscriptions.find(customer.customer_id, subscription_id)
    wish: Wish = Cancel(when=_when(body["cancel"])) if "cancel" in body else _change(body)
    return jsonify(shapes.preview_json(subscription_changes.quote(customer, subscription, wish)))


@blueprint.patch("/customers/<reference>/subscriptions/<subscription_id>")
@require_api_key
@describe(
    shapes.Subscription,
    takes=shapes.SubscriptionChange,
    problems=(*_UNKNOWN, NotRunning, NotCreditable, UnknownPlan, PlanWithdrawn),
)
def change_subscription(reference: str, subscription_id: str) -> ResponseReturnValue:
    """Change the plan, quantity or price from today on; again it changes nothing.

    Days paid ahead come back as credits, and are billed as agreed now.
    """
    body = api.read_object("plan", "quantity", "price")
    customer = _customer(reference)
    with contextlib.suppress(NothingChanges):
        in_unit_of_work(
            subscription_changes.carry_out,
            customer,
            subscription_id,
            _change(body),
            request_key=f"patch-{uuid4()}",
            agreed_by="api",
        )
    return jsonify(_one(customer, subscription_id))


@blueprint.post("/customers/<reference>/subscriptions/<subscription_id>/cancel")
@require_api_key
@api.idempotent(required=True)
@describe(shapes.Subscription, takes=shapes.Cancellation, problems=_CHANGING)
def cancel_subscription(reference: str, subscription_id: str) -> ResponseReturnValue:
    """Cancel at the end of the running period, or today."""
    wish = Cancel(when=_when(api.read_object("when").get("when", "end_of_period")))
    customer = _customer(reference)
    in_unit_of_work(
        subscription_changes.carry_out,
        customer,
        subscription_id,
        wish,
        request_key=_request_key(),
        agreed_by="api",
    )
    return jsonify(_one(customer, subscription_id))


@blueprint.post("/customers/<reference>/subscriptions/<subscription_id>/resume")
@require_api_key
@api.idempotent(required=True)
@describe(shapes.Subscription, takes=Nothing, problems=(*_UNKNOWN, NotRunning, NothingChanges))
def resume_subscription(reference: str, subscription_id: str) -> ResponseReturnValue:
    """Take a cancellation back while the service still runs."""
    api.read_object()
    customer = _customer(reference)
    in_unit_of_work(
        subscription_changes.resume, customer, subscription_id, request_key=_request_key(), agreed_by="api"
    )
    return jsonify(_one(customer, subscription_id))


def _one(customer: Customer, subscription_id: str) -> dict[str, Any]:
    return shapes.subscription_json(subscriptions.find(customer.customer_id, subscription_id))


def _change(body: dict[str, Any]) -> Change:
    plan, quantity, price = body.get("plan"), body.get("quantity"), body.get("price")
    return Change(
        plan_code=None if plan is None else _text(plan, "plan"),
        quantity=None if quantity is None else subscriptions.check_quantity(quantity),
        own_price=None if price is None else plans.read_price(price),
        keeps_price="price" not in body,
    )


def _when(given: object) -> Literal["end_of_period", "now"]:
    if given == "end_of_period":
        return "end_of_period"
    if given == "now":
        return "now"
    raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices="end_of_period, now"), field="when")


def _text(given: object, field: str) -> str:
    if not isinstance(given, str):
        raise Invalid(lazy_gettext("This field is required."), field=field)
    return given


def _day(given: object) -> date:
    if given is None:
        return subscriptions.today()
    try:
        if isinstance(given, str) and len(given) == len("2026-10-01"):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise Invalid(lazy_gettext("Give a day such as 2026-10-01."), field="start")


def _request_key() -> str:
    return "api:" + hashlib.sha256(str(g.idempotency_key).encode()).hexdigest()


def _customer(reference: str) -> Customer:
    if reference == HOUSE_REFERENCE:
        raise UnknownCustomer
    return find_customer(reference)

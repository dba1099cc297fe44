"""The control API, `/_sandbox`: moves time and states, sets faults, reads the logs. It needs no token.

A call that changes something answers once the webhooks it caused were called; with `"wait": false` in its
body it does not wait.
"""

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, get_args

import msgspec
from flask import Blueprint, Response, current_app, request

from topups.sandbox.answers import entity_json
from topups.sandbox.api import json_body
from topups.sandbox.chargebacks import create_chargeback, reverse_chargeback
from topups.sandbox.clock import add_business_days
from topups.sandbox.entities import (
    Chargeback,
    Delivery,
    Entity,
    Exchange,
    Fault,
    Mandate,
    MandateStatus,
    Outcome,
    Payment,
    PaymentStatus,
    Plan,
    Refund,
    RefundStatus,
)
from topups.sandbox.faults import ACTIONS, add_fault
from topups.sandbox.mandates import set_mandate_status
from topups.sandbox.money import amount_from
from topups.sandbox.payments import choose_method, get_payment, move
from topups.sandbox.problems import Problem, invalid, unknown
from topups.sandbox.refunds import create_dashboard_refund, move_refund
from topups.sandbox.timeline import catch_up, flush, pass_time
from topups.sandbox.totals import totals
from topups.sandbox.webhooks import notify
from topups.sandbox.world import World, new_id, world

control = Blueprint("control", __name__, url_prefix="/_sandbox")


def answer(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status=status, content_type="application/json")


def changed(sandbox: World, body: Any, status: int = 200) -> Response:
    """Answers a change, after its webhooks unless the caller will not wait."""
    if json_body().get("wait", True):
        flush(sandbox)
    sandbox.wake.set()
    return answer(body, status)


def one_of(kinds: Any, data: dict[str, Any], field: str = "status") -> Any:
    """A value of a literal type. Raises Problem 422."""
    value = data.get(field)
    if value not in get_args(kinds):
        raise invalid(field, f"'{field}' is one of {', '.join(get_args(kinds))}")
    return value


def amount_or_all(data: dict[str, Any]) -> int | None:
    return amount_from(data["amount"]) if data.get("amount") else None


@control.get("")
@control.get("/")
def index() -> Response:
    rules = sorted(
        f"{method} {rule.rule}"
        for rule in current_app.url_map.iter_rules()
        if rule.endpoint.startswith("control.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )
    return answer({"calls": rules, "faults": ACTIONS, "now": world().now()})


@control.post("/reset")
def reset() -> Response:
    """Forgets everything; `seed` sets the dice."""
    sandbox = world()
    with sandbox.pump:
        sandbox.reset(int(json_body().get("seed", 0)))
    return answer({"now": sandbox.now()})


@control.get("/clock")
def clock() -> Response:
    sandbox = world()
    return answer({"now": sandbox.now(), "offset_seconds": sandbox.clock.offset.total_seconds()})


@control.post("/clock/advance")
def clock_advance() -> Response:
    """`{"seconds": n}` or `{"business_days": n}`: everything due on the way happens, webhooks included."""
    sandbox, data = world(), json_body()
    try:
        target = sandbox.now() + timedelta(seconds=float(data.get("seconds", 0)))
        target = add_business_days(target, int(data.get("business_days", 0)))
    except (TypeError, ValueError, OverflowError):
        raise invalid("seconds", "'seconds' and 'business_days' are numbers") from None
    if target < sandbox.now() - timedelta(seconds=1):
        raise invalid("seconds", "To go back in time, set the clock")
    pass_time(sandbox, target)
    return clock()


@control.post("/clock/set")
def clock_set() -> Response:
    """`{"now": "2026-10-01T09:00:00Z"}`: forwards what is due on the way happens, backwards nothing does."""
    raw = json_body().get("now")
    try:
        moment = datetime.fromisoformat(str(raw))
    except ValueError:
        raise invalid("now", "'now' is a moment in ISO 8601") from None
    pass_time(world(), moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return clock()


@control.post("/clock/reset")
def clock_reset() -> Response:
    """Back to real time, through everything that is due on the way."""
    sandbox = world()
    pass_time(sandbox, datetime.now(UTC))
    sandbox.clock.reset()
    sandbox.remember_clock()
    return clock()


@control.post("/payments/<payment_id>/state")
def payment_state(payment_id: str) -> Response:
    """`{"status", "failure_reason", "method", "mandate_status", "after_seconds" | "after_business_days"}`."""
    sandbox, data = world(), json_body()
    status: PaymentStatus = one_of(PaymentStatus, data)
    with sandbox.store.transaction():
        catch_up(sandbox)
        payment = get_payment(sandbox, payment_id)
        if data.get("method") and payment.status == "open":
            choose_method(sandbox, payment, str(data["method"]))
        if "after_seconds" in data or "after_business_days" in data:
            plan_later(sandbox, payment, data)
        elif payment.status != status:
            move(
                sandbox,
                payment,
                status,
                at=sandbox.now(),
                failure_reason=data.get("failure_reason"),
                mandate_status=one_of(MandateStatus, {"status": data.get("mandate_status", "valid")}),
            )
        body = entity_json(payment)
    return changed(sandbox, body)


def plan_later(sandbox: World, payment: Payment, data: dict[str, Any]) -> None:
    """Decides now how a pending payment will end, and when."""
    if payment.status != "pending":
        raise Problem(409, f"A payment that is {payment.status} settles no more by itself.")
    payment.plan = plan_from(data)
    now = sandbox.now()
    payment.due_at = add_business_days(
        now + (payment.plan.after or timedelta()), payment.plan.after_business_days or 0
    )
    sandbox.store.save(payment)


def plan_from(data: dict[str, Any]) -> Plan:
    seconds, days = data.get("after_seconds"), data.get("after_business_days")
    status = data.get("status", "paid")
    if status not in {"paid", "failed", "pending"}:
        raise invalid("status", "'status' is one of paid, failed, pending")
    return Plan(
        status=status,
        failure_reason=data.get("failure_reason"),
        after=timedelta(seconds=float(seconds)) if seconds is not None else None,
        after_business_days=int(days) if days is not None else None,
    )


@control.post("/payments/<payment_id>/chargeback")
def payment_chargeback(payment_id: str) -> Response:
    sandbox, data = world(), json_body()
    with sandbox.store.transaction():
        catch_up(sandbox)
        body = entity_json(create_chargeback(sandbox, payment_id, amount_or_all(data), data.get("code")))
    return changed(sandbox, body, 201)


@control.post("/chargebacks/<chargeback_id>/reverse")
def chargeback_reverse(chargeback_id: str) -> Response:
    sandbox = world()
    with sandbox.store.transaction():
        body = entity_json(reverse_chargeback(sandbox, chargeback_id))
    return changed(sandbox, body)


@control.post("/payments/<payment_id>/refund")
def payment_refund(payment_id: str) -> Response:
    """A refund somebody clicked in the dashboard."""
    sandbox, data = world(), json_body()
    with sandbox.store.transaction():
        catch_up(sandbox)
        body = entity_json(create_dashboard_refund(sandbox, payment_id, amount_or_all(data)))
    return changed(sandbox, body, 201)


@control.post("/refunds/<refund_id>/state")
def refund_state(refund_id: str) -> Response:
    sandbox = world()
    status: RefundStatus = one_of(RefundStatus, json_body())
    with sandbox.store.transaction():
        catch_up(sandbox)
        refund = sandbox.store.find(Refund, refund_id)
        if refund is None:
            raise unknown(refund_id)
        if refund.status != status:
            move_refund(sandbox, refund, status, at=sandbox.now())
        body = entity_json(refund)
    return changed(sandbox, body)


@control.post("/mandates/<mandate_id>/state")
def mandate_state(mandate_id: str) -> Response:
    """Mandates have no webhook: whoever wants to know asks."""
    sandbox = world()
    with sandbox.store.transaction():
        mandate = set_mandate_status(sandbox, mandate_id, one_of(MandateStatus, json_body()))
    return answer(entity_json(mandate))


@control.post("/payments/<payment_id>/webhook")
def payment_webhook(payment_id: str) -> Response:
    """Sends the payment's webhook again, `copies` of them at once."""
    sandbox, data = world(), json_body()
    with sandbox.store.transaction():
        payment = get_payment(sandbox, payment_id)
        for _ in range(int(data.get("copies", 1))):
            notify(sandbox, payment, payment.status, at=sandbox.now())
    return changed(sandbox, {"id": payment_id})


@control.post("/webhooks")
def webhook_of_anything() -> Response:
    """`{"url", "id"}`: a webhook for an id of your choice, known or not."""
    sandbox, data = world(), json_body()
    delivery = Delivery(
        id=new_id("whd_"),
        created_at=sandbox.now(),
        due_at=sandbox.now(),
        payment_id=str(data.get("id") or new_id("tr_")),
        url=str(data.get("url", "")),
        event="made up",
    )
    sandbox.store.add(delivery)
    return changed(sandbox, {"id": delivery.payment_id})


@control.post("/flush")
def flush_now() -> Response:
    """Waits until every webhook that is due was called."""
    flush(world())
    return answer({"now": world().now()})


@control.post("/outcomes")
def outcome_add() -> Response:
    """How the next charges end: a plan, `times`, and `match: {customer_id, mandate_id, method}`."""
    sandbox, data = world(), json_body()
    match = data.get("match") or {}
    if unknown_keys := set(match) - {"customer_id", "mandate_id", "method"}:
        raise invalid("match", f"An outcome does not look at {', '.join(sorted(unknown_keys))}")
    outcome = Outcome(
        id=new_id("out_"),
        created_at=sandbox.now(),
        plan=plan_from(data),
        times=data.get("times", 1),
        **match,
    )
    sandbox.store.add(outcome)
    return answer(outcome, 201)


@control.post("/faults")
def fault_add() -> Response:
    return answer(add_fault(world(), json_body()), 201)


@control.delete("/<any(faults, outcomes):name>")
def clear_rules(name: str) -> Response:
    sandbox = world()
    with sandbox.store.transaction():
        for each in sandbox.store.every(Fault if name == "faults" else Outcome):
            sandbox.store.remove(each)
    return answer({}, 200)


@control.get("/faults")
def fault_list() -> Response:
    return answer(world().store.every(Fault))


@control.get("/outcomes")
def outcome_list() -> Response:
    return answer(world().store.every(Outcome))


@control.get("/requests")
def request_list() -> Response:
    """The API requests, newest first; `method`, `path` (patterns) and `limit` narrow them down."""
    fitting = [each for each in world().store.every(Exchange) if fits_query(each, "method", "path")]
    return answer(fitting[: limit()])


@control.get("/deliveries")
def delivery_list() -> Response:
    """The webhooks with their attempts, newest first; `payment_id`, `event`, `status` narrow them down."""
    fitting = [
        each for each in world().store.every(Delivery) if fits_query(each, "payment_id", "event", "status")
    ]
    return answer(fitting[: limit()])


@control.get("/<any(payments, refunds, chargebacks, mandates):kind>")
def entity_list(kind: str) -> Response:
    """All there is of a kind, newest first, as the API shows it and without its faults."""
    kinds: dict[str, type[Entity]] = {
        "payments": Payment,
        "refunds": Refund,
        "chargebacks": Chargeback,
        "mandates": Mandate,
    }
    return answer([entity_json(each) for each in world().store.every(kinds[kind])[: limit()]])


def fits_query(entity: Entity, *names: str) -> bool:
    return all(fnmatchcase(getattr(entity, name), request.args.get(name, "*")) for name in names)


def limit() -> int:
    return request.args.get("limit", 1000, type=int)


@control.get("/totals")
def total_list() -> Response:
    return answer(totals(world()))


@control.errorhandler(Problem)
def refused(problem: Problem) -> Response:
    return answer(problem.body(), problem.status)

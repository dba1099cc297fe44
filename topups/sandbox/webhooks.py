"""Classic webhooks: a form post of `id=tr_…`, unsigned, tried ten times over 26 hours of virtual time.

What is due is claimed under the lock and called outside it, so nobody waits for a slow receiver.
"""

import http.client
import time
from concurrent.futures import wait
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from topups.sandbox.entities import Attempt, Delivery, Fault, Payment
from topups.sandbox.faults import WEBHOOK_ACTIONS, strike
from topups.sandbox.world import World, new_id

# A webhook leaves a moment after what it tells of, so that the call that caused it is answered first.
LEAD = timedelta(milliseconds=50)
# Time since the first attempt, for the second to the tenth.
RETRY_AFTER = [
    *(timedelta(minutes=minutes) for minutes in (1, 3, 7, 15, 31)),
    *(timedelta(hours=hours) for hours in (1, 3, 10, 26)),
]
TIMEOUT_SECONDS = 15
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def notify(world: World, payment: Payment, event: str, *, at: datetime) -> None:
    """Puts a payment's webhook on its way; a fault may lose, double, delay or disguise it."""
    if payment.webhook_url is None:
        return
    delivery = Delivery(
        id=new_id("whd_"),
        created_at=at,
        due_at=at + LEAD,
        payment_id=payment.id,
        url=payment.webhook_url,
        event=event,
    )
    facts = {"payment_id": payment.id, "event": event, "url": payment.webhook_url}
    fault = strike(world, WEBHOOK_ACTIONS, facts)
    for each in [delivery] if fault is None else troubled(delivery, fault):
        world.store.add(each)


def troubled(delivery: Delivery, fault: Fault) -> list[Delivery]:
    """What becomes of a delivery under a fault."""
    assert delivery.due_at is not None  # noqa: S101 - new deliveries are always due
    later = timedelta(seconds=float(fault.parameters.get("seconds", 0)))
    match fault.action:
        case "webhook_drop":
            delivery.status, delivery.due_at = "dropped", None
        case "webhook_delay":
            delivery.due_at += later
        case "webhook_reorder":
            delivery.due_at, delivery.held = delivery.due_at + later, True
        case "webhook_unknown_id":
            return [delivery, copy_of(delivery, delivery.due_at, payment_id=new_id("tr_"))]
        case "webhook_duplicate" | "webhook_concurrent":
            copies = range(1, int(fault.parameters["copies"]))
            return [delivery, *(copy_of(delivery, delivery.due_at + later * number) for number in copies)]
    return [delivery]


def copy_of(delivery: Delivery, due_at: datetime, payment_id: str | None = None) -> Delivery:
    return Delivery(
        id=new_id("whd_"),
        created_at=delivery.created_at,
        due_at=due_at,
        payment_id=payment_id or delivery.payment_id,
        url=delivery.url,
        event=delivery.event,
    )


def claim_due(world: World, until: datetime) -> list[Delivery]:
    """Takes what is due out of the queue: nobody else will send it."""
    with world.store.transaction():
        found = world.store.due(until, [Delivery])
        claimed = [each for each in found if isinstance(each, Delivery)]
        for delivery in claimed:
            delivery.status, delivery.due_at = "under_way", None
            world.store.save(delivery)
    return claimed


def send_due(world: World, until: datetime) -> int:
    """Hands what is due to the couriers, all at once, and does not wait. Returns how many."""
    claimed = claim_due(world, until)
    for delivery in claimed:
        courier = world.couriers.submit(deliver, world, delivery)
        world.under_way.add(courier)
        courier.add_done_callback(world.under_way.discard)
    return len(claimed)


def wait_for_couriers(world: World) -> None:
    wait(list(world.under_way))


def deliver(world: World, delivery: Delivery) -> None:
    """One attempt, and what follows from it: delivered, tried again later, or given up."""
    at = world.now()
    attempt = call(delivery, at)
    with world.store.transaction():
        if world.store.find(Delivery, delivery.id) is None:
            return  # The sandbox was reset meanwhile.
        delivery.attempts.append(attempt)
        made = len(delivery.attempts)
        if attempt.status is not None and 200 <= attempt.status < 300:
            delivery.status = "delivered"
        elif made > len(RETRY_AFTER):
            delivery.status = "given_up"
        else:
            delivery.status = "waiting"
            delivery.due_at = delivery.attempts[0].at + RETRY_AFTER[made - 1]
        world.store.save(delivery)
        release_held(world, except_id=delivery.id)
    world.wake.set()


def release_held(world: World, except_id: str) -> None:
    """A held webhook has now been overtaken and may go."""
    for delivery in world.store.every(Delivery, limit=50):
        if delivery.held and delivery.id != except_id and delivery.status == "waiting":
            delivery.held, delivery.due_at = False, world.now()
            world.store.save(delivery)


def call(delivery: Delivery, at: datetime) -> Attempt:
    """Posts the id; any 2xx counts, redirects are not followed."""
    started = time.monotonic()
    status, error = None, None
    try:
        status = post_id(delivery.url, delivery.payment_id)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    took_ms = round((time.monotonic() - started) * 1000)
    return Attempt(at=at, status=status, error=error, took_ms=took_ms)


def post_id(url: str, payment_id: str) -> int:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise ValueError("the sandbox calls http addresses on loopback only")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            "POST",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            body=urlencode({"id": payment_id}),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": "Mollie.nl HTTP client/1.0 (sandbox)",
            },
        )
        with connection.getresponse() as response:
            response.read()
            return response.status
    finally:
        connection.close()


def resume(world: World) -> None:
    """What was being called when the sandbox last stopped is called again."""
    for delivery in world.store.every(Delivery):
        if delivery.status == "under_way":
            delivery.status, delivery.due_at = "waiting", world.now()
            world.store.save(delivery)

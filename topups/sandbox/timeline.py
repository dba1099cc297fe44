"""What happens by itself as time passes: payments expire or settle, refunds move on, webhooks are retried.

Whoever makes time pass holds `world.pump`. Time is moved from one due moment to the next, so that each thing
happens at its own moment and a receiver that asks back sees the world as it was then.
"""

import threading
from datetime import datetime, timedelta

from topups.sandbox.entities import Entity, Payment, Refund
from topups.sandbox.payments import move
from topups.sandbox.refunds import move_refund
from topups.sandbox.webhooks import LEAD, send_due, wait_for_couriers
from topups.sandbox.world import World

STEPPING: list[type[Entity]] = [Payment, Refund]
TICK_SECONDS = 0.5


def catch_up(world: World) -> None:
    """Does all steps that are due by now, each at its own moment. Webhooks are only put on their way."""
    with world.store.transaction():
        while due := world.store.due(world.now(), STEPPING):
            step(world, due[0])


def step(world: World, entity: Entity) -> None:
    assert entity.due_at is not None  # noqa: S101 - the store found it by its due_at
    match entity:
        case Payment(status="open"):
            move(world, entity, "expired", at=entity.due_at)
        case Payment():
            move(
                world, entity, entity.plan.status, at=entity.due_at, failure_reason=entity.plan.failure_reason
            )
        case Refund(status="processing"):
            move_refund(world, entity, "refunded", at=entity.due_at)
        case Refund():
            move_refund(world, entity, "processing", at=entity.due_at)


def pass_time(world: World, target: datetime) -> None:
    """Moves the clock to a moment, through all that falls due on the way. Backwards nothing happens."""
    with world.pump:
        settle(world)
        while (moment := world.store.next_due_at()) is not None and moment <= target + LEAD:
            if moment > world.now():
                world.clock.move_to(moment)
            settle(world)
        world.clock.move_to(target)
        world.remember_clock()


def flush(world: World) -> None:
    """Sends what is on its way and waits until it is answered, retries that are not yet due excepted."""
    with world.pump:
        settle(world)


def settle(world: World) -> None:
    """Steps and webhooks until nothing is due now. The pump is held."""
    wait_for_couriers(world)
    while True:
        catch_up(world)
        if send_due(world, world.now() + LEAD) == 0:
            return
        wait_for_couriers(world)


class Ticker(threading.Thread):
    """Makes real time pass: a sandbox that nobody asks anything still expires payments and calls webhooks."""

    def __init__(self, world: World) -> None:
        super().__init__(name="sandbox-ticker", daemon=True)
        self.world = world
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            self.world.wake.wait(self.seconds_to_next())
            self.world.wake.clear()
            if self.ended.is_set() or not self.world.pump.acquire(blocking=False):
                # A control call moves time: look again soon.
                self.ended.wait(0.02)
                continue
            try:
                catch_up(self.world)
                send_due(self.world, self.world.now())
            finally:
                self.world.pump.release()

    def seconds_to_next(self) -> float:
        moment = self.world.store.next_due_at()
        if moment is None:
            return TICK_SECONDS
        until = moment - self.world.now()
        return min(TICK_SECONDS, max(until / timedelta(seconds=1), 0.005))

    def end(self) -> None:
        self.ended.set()
        self.world.wake.set()
        self.join()

"""`Idempotency-Key` on POST, remembered for a virtual hour: other body 400, concurrent 409, else a replay."""

import hashlib
from datetime import timedelta
from typing import Any

from topups.sandbox.entities import Replay
from topups.sandbox.problems import Problem
from topups.sandbox.world import World

REMEMBERED_FOR = timedelta(hours=1)


def begin(world: World, token: str, key: str, *, request_line: str, body: bytes) -> Replay:
    """Claims the key, or finds the answer it had. Raises Problem 400 or 409."""
    fingerprint = hashlib.sha256(request_line.encode() + b"\0" + body).hexdigest()
    claim = Replay(id=f"{token} {key}", created_at=world.now(), fingerprint=fingerprint)
    with world.store.transaction():
        known = world.store.find(Replay, claim.id)
        if known is not None and world.now() - known.created_at > REMEMBERED_FOR:
            world.store.remove(known)
            known = None
        if known is None:
            world.store.add(claim)
            return claim
    if known.fingerprint != fingerprint:
        raise Problem(400, "This idempotency key was used before with different parameters.")
    if known.status is None:
        raise Problem(409, "A request with this idempotency key is being processed.")
    return known


def finish(world: World, replay: Replay, status: int, body: Any) -> None:
    replay.status, replay.body = status, body
    world.store.save(replay)


def release(world: World, replay: Replay) -> None:
    """Nothing was executed: the key is free again."""
    world.store.remove(replay)


def forget_interrupted(world: World) -> None:
    """What was under way when the sandbox last stopped will never be answered."""
    for replay in world.store.every(Replay):
        if replay.status is None:
            world.store.remove(replay)

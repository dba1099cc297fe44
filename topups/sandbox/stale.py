"""Stale reads: a request struck by that fault sees each entity as it was before its last change."""

from datetime import timedelta
from typing import TypeVar

from flask import g

from topups.sandbox.entities import Entity
from topups.sandbox.world import World

E = TypeVar("E", bound=Entity)
NOT_YET_SEEN = timedelta(seconds=60)


def seen(world: World, entity: E) -> E | None:
    """The entity as this request sees it; None when it is too young for a replica that lags."""
    if not g.get("stale"):
        return entity
    earlier = world.store.before(entity)
    if earlier is None and world.now() - entity.created_at < NOT_YET_SEEN:
        return None
    return earlier or entity

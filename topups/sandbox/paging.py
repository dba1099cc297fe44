"""Lists as Mollie pages them: newest first, `from` names the first item, `limit` is 1 to 250."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from topups.sandbox.answers import Json, base_url, documentation, entity_json
from topups.sandbox.embeds import embedded
from topups.sandbox.entities import Entity
from topups.sandbox.problems import Problem
from topups.sandbox.stale import seen
from topups.sandbox.world import World

LIMIT, HIGHEST_LIMIT = 50, 250


def page_json(world: World, name: str, entities: Sequence[Entity]) -> Json:
    """The page that the query asks for, with links that begin as the caller's own endpoint does."""
    visible = [each for each in (seen(world, entity) for entity in entities) if each is not None]
    if request.args.get("sort") == "asc":
        visible.reverse()
    limit = limit_from_query()
    start = start_from_query(visible)
    shown = visible[start : start + limit]
    following = visible[start + limit : start + limit + 1]
    return {
        "count": len(shown),
        "_embedded": {name: [{**entity_json(each), **embedded(world, each)} for each in shown]},
        "_links": {
            "self": page_link(limit, from_id=request.args.get("from")),
            "previous": page_link(limit, from_id=visible[max(0, start - limit)].id) if start else None,
            "next": page_link(limit, from_id=following[0].id) if following else None,
            "documentation": documentation(f"list-{name}"),
        },
    }


def limit_from_query() -> int:
    raw = request.args.get("limit", str(LIMIT))
    if not raw.isdigit() or not 1 <= int(raw) <= HIGHEST_LIMIT:
        raise Problem(400, f"The limit should be between 1 and {HIGHEST_LIMIT}.", "limit")
    return int(raw)


def start_from_query(entities: Sequence[Entity]) -> int:
    from_id = request.args.get("from")
    if from_id is None:
        return 0
    for index, entity in enumerate(entities):
        if entity.id == from_id:
            return index
    raise Problem(400, "Invalid cursor value", "from")


def page_link(limit: int, from_id: str | None) -> dict[str, Any]:
    query = {key: value for key, value in request.args.items() if key not in {"from", "limit"}}
    position = ({"from": from_id} if from_id else {}) | {"limit": str(limit)}
    href = f"{base_url()}{request.path[1:]}?{urlencode(query | position)}"
    return {"href": href, "type": "application/hal+json"}

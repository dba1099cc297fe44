"""Things that go wrong on purpose, by seeded dice.

A fault is `{"match", "times", "probability", "action"}`. `action` is a name, or `{"type": name, …}` with its
parameters; a bare number is a status. `times` counts strikes (1 unless told, null for ever), `probability` is
rolled per candidate. `match` narrows it down with shell-style patterns, all of which must fit: for requests
`method`, `path`, `query`, `body`, `idempotency_key`; for webhooks `payment_id`, `event`, `url`. A match may
also be written as "POST /v2/payments". Of several faults that fit, the oldest strikes.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from topups.sandbox.entities import Fault
from topups.sandbox.problems import Problem
from topups.sandbox.world import World, new_id

REQUEST_ACTIONS: dict[str, dict[str, Any]] = {
    # Before anything is executed:
    "latency": {"seconds": 1.0},
    "status": {"status": 503, "html": False, "retry_after": None},
    "conflict": {},
    "drop": {},
    # The request is executed, the caller does not learn how:
    "timeout_after": {"seconds": 15.0},
    "reset_after": {},
    "error_after": {"status": 422},
    "truncate": {},
    # The caller learns something odd:
    "stale": {},
    "webhook_before_answer": {},
}
WEBHOOK_ACTIONS: dict[str, dict[str, Any]] = {
    "webhook_drop": {},
    "webhook_duplicate": {"copies": 2, "seconds": 5.0},
    "webhook_concurrent": {"copies": 2},
    "webhook_delay": {"seconds": 60.0},
    "webhook_reorder": {"seconds": 60.0},
    "webhook_unknown_id": {},
}
ACTIONS = REQUEST_ACTIONS | WEBHOOK_ACTIONS


def add_fault(world: World, data: Mapping[str, Any]) -> Fault:
    """Raises Problem 422 for an action or a parameter that does not exist."""
    action, parameters = parse_action(data.get("action"))
    known = {"match", "times", "probability", "action"}
    if unknown := set(data) - known:
        raise Problem(422, f"A fault has no {sorted(unknown)}; it has {sorted(known)}.", "fault")
    probability = float(data.get("probability", 1.0))
    if not 0 <= probability <= 1:
        raise Problem(422, "A probability lies between 0 and 1.", "probability")
    fault = Fault(
        id=new_id("flt_"),
        created_at=world.now(),
        action=action,
        match=parse_match(data.get("match") or {}),
        times=data.get("times", 1),
        probability=probability,
        parameters=parameters,
    )
    world.store.add(fault)
    return fault


def parse_action(raw: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(raw, int) or (isinstance(raw, str) and raw.isdigit()):
        raw = {"type": "status", "status": int(raw)}
    given = {"type": raw} if isinstance(raw, str) else raw
    if not isinstance(given, dict) or given.get("type") not in ACTIONS:
        raise Problem(422, f"There is no such fault; there are {', '.join(ACTIONS)}.", "action")
    action = str(given["type"])
    parameters = {key: value for key, value in given.items() if key != "type"}
    if unknown := set(parameters) - set(ACTIONS[action]):
        raise Problem(422, f"'{action}' takes no {', '.join(sorted(unknown))}.", "action")
    return action, ACTIONS[action] | parameters


def parse_match(raw: Any) -> dict[str, str]:
    if isinstance(raw, str):
        method, _, path = raw.rpartition(" ")
        return {"path": path} | ({"method": method} if method else {})
    if not isinstance(raw, dict):
        raise Problem(422, "A match is an object of patterns, or a text like 'POST /v2/payments'.", "match")
    return {str(key): str(value) for key, value in raw.items()}


def strike(world: World, actions: Mapping[str, Any], facts: Mapping[str, str]) -> Fault | None:
    """The fault that strikes this request or webhook, if one does; its `times` are counted down."""
    with world.store.transaction():
        for fault in reversed(world.store.every(Fault)):
            if fault.action not in actions or not fits(fault, facts):
                continue
            if fault.probability < 1 and world.random.random() >= fault.probability:
                continue
            fault.struck += 1
            if fault.times is not None and fault.struck >= fault.times:
                world.store.remove(fault)
            else:
                world.store.save(fault)
            return fault
    return None


def fits(fault: Fault, facts: Mapping[str, str]) -> bool:
    return all(fnmatchcase(facts.get(name, ""), pattern) for name, pattern in fault.match.items())

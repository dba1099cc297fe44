"""Billing cycles: how often a customer is invoiced, and from which day. Pure.

The history is a list of changes, the oldest first. Each holds from the first of a month, so no month has two
cycles, and the usual cycle holds before the first of them.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, TypedDict

MONTHLY: Final = "monthly"
HALF_MONTHLY: Final = "half_monthly"
CYCLES: Final = (MONTHLY, HALF_MONTHLY)
_FROM_THE_START: Final = date(2000, 1, 1)


class CycleChange(TypedDict):
    """A cycle, and the day from which it holds, such as "2026-11-01"."""

    since: str
    cycle: str


def cycle_on(history: Sequence[CycleChange], day: date) -> str:
    """The cycle that holds on a day."""
    held = [change["cycle"] for change in history if date.fromisoformat(change["since"]) <= day]
    return held[-1] if held else MONTHLY


def latest(history: Sequence[CycleChange]) -> str:
    """The cycle that was chosen last, whether it holds already or from the next month on."""
    return history[-1]["cycle"] if history else MONTHLY


def of_new_customer(cycle: str) -> list[CycleChange]:
    """A customer's first cycle holds from the start."""
    return [] if cycle == MONTHLY else [{"since": _FROM_THE_START.isoformat(), "cycle": cycle}]


def changed(history: Sequence[CycleChange], cycle: str, today: date) -> list[CycleChange]:
    """The history when from the next month on another cycle holds; periods that have begun keep theirs."""
    since = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    kept = [change for change in history if date.fromisoformat(change["since"]) < since]
    if latest(kept) == cycle:
        return kept
    return [*kept, {"since": since.isoformat(), "cycle": cycle}]

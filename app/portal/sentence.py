"""The one sentence a customer reads first: what is the matter and what mends it, or that all is well. Pure.

Only the gravest matter is said; the parts below it show the rest.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["ok", "look", "lost", "info"]
Matter = Literal[
    "suspended",
    "overdue",
    "paused",
    "no_method",
    "exhausted",
    "begin",
    "under_way",
    "low",
    "nearly",
    "due",
    "next_top_up",
    "lasts",
    "well",
]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the sentence is chosen from. Dates are the provider's calendar days."""

    state: str
    has_history: bool
    overdue: int = 0
    due: int = 0
    auto_enabled: bool = False
    auto_paused: bool = False
    auto_has_method: bool = True
    in_flight_micros: int = 0
    lasts_days: int | None = None
    next_top_up_on: date | None = None

    @property
    def auto_at_work(self) -> bool:
        return self.auto_enabled and self.auto_has_method and not self.auto_paused


def matter_of(facts: Facts) -> tuple[Kind, Matter]:
    """The gravest matter and how grave it is."""
    held_up = facts.auto_enabled and (facts.auto_paused or not facts.auto_has_method)
    cases: tuple[tuple[bool, Kind, Matter], ...] = (
        (facts.state == "suspended", "lost", "suspended"),
        (facts.overdue > 0, "look", "overdue"),
        (held_up and facts.auto_paused, "look", "paused"),
        (held_up, "look", "no_method"),
        (not facts.has_history, "info", "begin"),
        (facts.state != "ok" and facts.in_flight_micros > 0, "info", "under_way"),
        (facts.state == "exhausted", "lost", "exhausted"),
        (facts.state == "low", "look", "low"),
        (facts.lasts_days == 0 and not facts.auto_enabled, "look", "nearly"),
        (facts.due > 0, "look", "due"),
        (facts.auto_enabled and facts.next_top_up_on is not None, "ok", "next_top_up"),
        (facts.lasts_days is not None and not facts.auto_enabled, "ok", "lasts"),
    )
    return next(((kind, matter) for holds, kind, matter in cases if holds), ("ok", "well"))


def days_left(available_micros: int, burn_micros_per_day: int) -> int | None:
    """Whole days the balance lasts at this burn; None when nothing is used or it lasts over a year."""
    if burn_micros_per_day <= 0:
        return None
    days = max(0, available_micros) // burn_micros_per_day
    return days if days <= 365 else None


def days_to_threshold(available_micros: int, threshold_micros: int, burn_micros_per_day: int) -> int | None:
    """How many whole days until the balance falls below the threshold at this burn."""
    return days_left(available_micros - threshold_micros, burn_micros_per_day)

"""Where alerts lie: the balance below which each comes about. Pure: no clock, no database.

Every kind of alert is a mark that the available balance falls through, so one comparison finds them all
and the nearest mark is what the ledger watches for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """`low` and `exhausted` are everybody's; the others are a customer's own rules."""

    EXHAUSTED = "exhausted"
    LOW = "low"
    AMOUNT = "amount"
    PERCENTAGE = "percentage"
    DAYS = "days"
    SPENDING_LIMIT = "spending_limit"


@dataclass(frozen=True, slots=True)
class Watch:
    """One thing to watch: `value` is micros, a percentage or days, 0 for everybody's."""

    kind: Kind
    value: int = 0


EVERYBODYS = (Watch(Kind.EXHAUSTED), Watch(Kind.LOW))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the marks are made of, in micros."""

    available_micros: int
    spendable_micros: int
    low_mark_micros: int | None
    last_top_up_micros: int = 0
    burn_micros_per_day: int = 0
    month_spent_micros: int = 0


def mark_of(watch: Watch, facts: Facts) -> int | None:
    """The alert has come about when the available balance is below this; None when it cannot."""
    if watch.kind is Kind.EXHAUSTED:
        return facts.available_micros - facts.spendable_micros + 1
    if watch.kind is Kind.LOW:
        return facts.low_mark_micros
    if watch.kind is Kind.AMOUNT:
        return watch.value
    if watch.kind is Kind.PERCENTAGE:
        # Rounded up, so that exactly the percentage is not yet below it.
        return -(-watch.value * facts.last_top_up_micros // 100) or None
    if watch.kind is Kind.DAYS:
        return watch.value * facts.burn_micros_per_day or None
    return facts.available_micros - (watch.value - facts.month_spent_micros) + 1


def is_crossed(watch: Watch, facts: Facts) -> bool:
    mark = mark_of(watch, facts)
    return mark is not None and facts.available_micros < mark


def marks_of(watches: Iterable[Watch], facts: Facts) -> list[int]:
    return [mark for watch in watches if (mark := mark_of(watch, facts)) is not None]

"""Dunning: which step comes next for an unpaid invoice. Pure: no clock, no database, no mail.

Steps come in one order, each once; only the last warning is repeated, when a payment that came after it was
taken back, so that nobody is suspended without one. A payment under way, an operator's pause and a
collection that is still to come hold all of them. Two letters never follow each other within days, however
late the first one was. A consumer is charged no fee before a letter has named it and given fourteen days.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from invoicing.late_fees import consumer_owes_from


class Step(StrEnum):
    """What is done to get an invoice paid."""

    UPCOMING = "upcoming"  # it falls due soon
    REMINDER = "reminder"
    SECOND_REMINDER = "second_reminder"  # free, gives fourteen days, names the fee that follows
    LATE_FEE = "late_fee"
    FINAL_DEMAND = "final_demand"  # names the day of the suspension
    SUSPENSION = "suspension"


LETTERS: Final = frozenset({Step.REMINDER, Step.SECOND_REMINDER, Step.LATE_FEE, Step.FINAL_DEMAND})
# Between two letters about the same invoice, whatever was missed.
LEAST_APART: Final = timedelta(days=5)
FORESEEN_DAYS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Days from the due date; the suspension's grace runs from the final demand. None: no such step."""

    upcoming_days_before: int | None = 3
    reminder_days: int = 7
    second_reminder_days: int = 21
    late_fee_days: int = 35
    final_demand_days: int = 42
    grace_days: int | None = 7

    def __post_init__(self) -> None:
        days = (self.reminder_days, self.second_reminder_days, self.late_fee_days, self.final_demand_days)
        if days[0] <= 0 or any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError("the steps of dunning come after each other")

    def due_on(self, step: Step, due_date: date, log: Mapping[Step, date]) -> date | None:
        """The day from which a step may be done; None where it is never done."""
        if step is Step.UPCOMING:
            before = self.upcoming_days_before
            return None if before is None else due_date - timedelta(days=before)
        if step is Step.SUSPENSION:
            warned = log.get(Step.FINAL_DEMAND)
            return None if self.grace_days is None or warned is None else warned + timedelta(self.grace_days)
        days = {
            Step.REMINDER: self.reminder_days,
            Step.SECOND_REMINDER: self.second_reminder_days,
            Step.LATE_FEE: self.late_fee_days,
            Step.FINAL_DEMAND: self.final_demand_days,
        }
        return due_date + timedelta(days=days[step])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """An invoice as dunning sees it; `fee_cents` is what may be asked for paying it late."""

    due_date: date
    outstanding_cents: int
    least_chased_cents: int
    is_consumer: bool
    fee_cents: int
    # The fee that the letter of fourteen days named; None before that letter.
    named_fee_cents: int | None = None
    is_under_way: bool = False
    is_paused: bool = False
    is_collected: bool = False
    # The last day on which a payment of it left again.
    reopened_on: date | None = None


def next_step(facts: Facts, schedule: Schedule, today: date, log: Mapping[Step, date]) -> Step | None:
    """The step that is to be done today, if any. `log` has the days on which steps were done."""
    if facts.is_paused or facts.is_under_way or facts.is_collected:
        return None
    if facts.outstanding_cents < max(1, facts.least_chased_cents):
        return None
    if _too_soon(today, log):
        return None
    for step in Step:
        if _is_done(step, facts, log) or _passed(step, facts, today, log):
            continue
        from_day = schedule.due_on(step, facts.due_date, log)
        if from_day is None:
            continue
        if step is Step.LATE_FEE:
            from_day = _fee_from(facts, from_day, log)
        # The order holds: what comes later waits for this one.
        return step if today >= from_day else None
    return None


def ahead(
    facts: Facts, schedule: Schedule, today: date, log: Mapping[Step, date]
) -> Iterator[tuple[Step, date]]:
    """Each step that is to come and its day, as far as can be foreseen, when nothing is paid."""
    done = dict(log)
    for days in range(FORESEEN_DAYS):
        day = today + timedelta(days=days)
        step = next_step(facts, schedule, day, done)
        if step is not None:
            yield step, day
            done[step] = day
            if step is Step.SECOND_REMINDER:
                facts = replace(facts, named_fee_cents=facts.fee_cents)


def chargeable_cents(facts: Facts) -> int:
    """The fee that is charged: for a consumer at most what the letter named."""
    if not facts.is_consumer:
        return facts.fee_cents
    return min(facts.fee_cents, facts.named_fee_cents or 0)


def _is_done(step: Step, facts: Facts, log: Mapping[Step, date]) -> bool:
    """Whether a step was done and still holds: a warning from before the last reopening warns of nothing.

    Who was suspended after it has been warned, and is suspended again without another.
    """
    if step not in log:
        return False
    if step is not Step.FINAL_DEMAND or facts.reopened_on is None or Step.SUSPENSION in log:
        return True
    return log[step] >= facts.reopened_on


def _passed(step: Step, facts: Facts, today: date, log: Mapping[Step, date]) -> bool:
    """Whether a step has no sense any more, or never had."""
    if step is Step.UPCOMING:
        return today >= facts.due_date
    if step is Step.LATE_FEE:
        # Once the final demand has told what is owed, no fee is added to it.
        return chargeable_cents(facts) <= 0 or Step.FINAL_DEMAND in log
    return False


def _fee_from(facts: Facts, from_day: date, log: Mapping[Step, date]) -> date:
    letter_on = log.get(Step.SECOND_REMINDER)
    if not facts.is_consumer:
        return from_day
    if letter_on is None:
        raise AssertionError("a fee that no letter named is not chargeable")
    return max(from_day, consumer_owes_from(letter_on))


def _too_soon(today: date, log: Mapping[Step, date]) -> bool:
    last = max((day for step, day in log.items() if step in LETTERS), default=None)
    return last is not None and today < last + LEAST_APART

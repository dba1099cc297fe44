"""What a rule would have done with last month's use: on which days it would have charged, and how much.

`charges_of` is pure. The month is replayed day by day from the balance it began with; what really came in is
left out, since the rule would have stood in its place. Usage counts on the day it happened, as on the invoice
of its month, and not on the day it was debited.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from app.clock import utc_now
from app.config import settings
from app.i18n import local_date
from app.ledger.by_day import balance_before
from topups.decisions import Limits, Reason, Rule, Situation, decide
from topups.situation import limits

# Called with the customer's id, the first day, and the day after the last; micros by the day of the events.
UsageReader = Callable[[int, date, date], Mapping[date, int]]
_subscribed: dict[str, UsageReader] = {}


def set_usage_reader(reader: UsageReader) -> None:
    """Say who knows what a customer used: `reader(customer_id, first, end)`."""
    _subscribed["usage"] = reader


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A charge that would have been made."""

    day: date
    amount_micros: int


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A month as the rule would have filled it."""

    month: date
    used_micros: int
    charges: tuple[Charge, ...]

    @property
    def total_micros(self) -> int:
        return sum(charge.amount_micros for charge in self.charges)


def charges_of(
    rule: Rule,
    bounds: Limits,
    *,
    begins_with_micros: int,
    used_by_day: Mapping[date, int],
    days: list[date],
    calendar_micros: int | None,
) -> tuple[Charge, ...]:
    """The charges the rule would have made: each day's use falls, then the rule decides."""
    balance_micros, month_micros = begins_with_micros, 0
    made: list[Charge] = []
    for number, day in enumerate(days):
        balance_micros -= used_by_day.get(day, 0)
        due_micros = calendar_micros if number == 0 else None
        for charges_today in range(bounds.daily):
            verdict = decide(
                _with_calendar(rule, due_micros),
                Situation(
                    available_micros=balance_micros,
                    in_flight_micros=0,
                    month_used_micros=month_micros,
                    charges_last_hour=0,
                    charges_last_day=charges_today,
                    attempt_open=False,
                    usable_methods=("any",),
                ),
                bounds,
            )
            if verdict.reason is not Reason.CHARGED:
                break
            due_micros = None
            balance_micros += verdict.amount_micros
            month_micros += verdict.amount_micros
            made.append(Charge(day=day, amount_micros=verdict.amount_micros))
    return tuple(made)


def _with_calendar(rule: Rule, due_micros: int | None) -> Rule:
    return Rule(
        enabled=True,
        paused=False,
        threshold_micros=rule.threshold_micros,
        amount_micros=rule.amount_micros,
        target_micros=rule.target_micros,
        monthly_maximum_micros=rule.monthly_maximum_micros,
        calendar_due_micros=due_micros,
    )


def preview(customer_id: int, rule: Rule, calendar_micros: int | None) -> Preview | None:
    """Last month under this rule; None for a customer who used nothing then."""
    first = local_date(utc_now()).replace(day=1)
    month = (first - timedelta(days=1)).replace(day=1)
    used = _used(customer_id, month, first)
    if not used:
        return None
    days = [month + timedelta(days=number) for number in range((first - month).days)]
    charges = charges_of(
        rule,
        limits(),
        begins_with_micros=max(balance_before(customer_id, _begin(month)), rule.threshold_micros),
        used_by_day=used,
        days=days,
        calendar_micros=calendar_micros,
    )
    return Preview(month=month, used_micros=sum(used.values()), charges=charges)


def _used(customer_id: int, month: date, end: date) -> Mapping[date, int]:
    reader = _subscribed.get("usage")
    if reader is None:
        raise RuntimeError("nobody has said who knows the usage")
    return reader(customer_id, month, end)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, settings().timezone)

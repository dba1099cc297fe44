"""The calendar top-up: a fixed amount on the first of each month, whatever the balance is. Pure."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo


def first_of_next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def next_due(calendar_on: date | None, *, wanted: bool, today: date) -> date | None:
    """When it is next due once the rule is saved: never, as before, or on the first to come."""
    if not wanted:
        return None
    return calendar_on or first_of_next_month(today)


def begins_at(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which the day begins for the provider."""
    return datetime.combine(day, time.min, zone)

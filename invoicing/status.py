"""An invoice's status, from what is outstanding, when it is due and whether a payment is under way. Pure."""

from datetime import date
from typing import Final, Literal

Status = Literal["open", "in_progress", "paid", "overdue"]
STATUSES: Final[tuple[Status, ...]] = ("open", "in_progress", "paid", "overdue")


def status_of(*, outstanding_micros: int, due_date: date, today: date, is_under_way: bool) -> Status:
    """Paid when nothing is outstanding; a payment under way pauses `overdue`."""
    if outstanding_micros <= 0:
        return "paid"
    if is_under_way:
        return "in_progress"
    return "overdue" if due_date < today else "open"

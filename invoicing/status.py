"""An invoice's status, from what is outstanding, when it is due and whether a payment is under way. Pure."""

from datetime import date
from typing import Final, Literal

Status = Literal["open", "in_progress", "paid", "overdue", "credited", "uncollectible"]
STATUSES: Final[tuple[Status, ...]] = ("open", "in_progress", "paid", "overdue", "credited", "uncollectible")
SETTLED: Final[frozenset[Status]] = frozenset({"paid", "credited", "uncollectible"})


def status_of(
    *,
    outstanding_micros: int,
    due_date: date,
    today: date,
    is_under_way: bool,
    is_credited: bool = False,
    is_written_off: bool = False,
) -> Status:
    """Paid when nothing is outstanding; credited when all of it was taken back as well, uncollectible when
    it was given up.

    A payment under way pauses `overdue`.
    """
    if outstanding_micros <= 0:
        if is_written_off:
            return "uncollectible"
        return "credited" if is_credited else "paid"
    if is_under_way:
        return "in_progress"
    return "overdue" if due_date < today else "open"

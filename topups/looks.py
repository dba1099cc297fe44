"""When to look at Mollie again without being told to. Pure.

A payment under way is looked at after 2, 10 and 60 minutes, then hourly for a day, then daily. A paid direct
debit may be taken back for 13 months and is looked at weekly; other paid payments are found by the walk
over Mollie's refunds and chargebacks.
"""

from datetime import datetime, timedelta
from typing import Final

from topups.states import GUARDED, LOST, UNANSWERED, Status

_FIRST_LOOKS: Final = (timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=60))
_DEBIT_WATCHED: Final = timedelta(days=396)
_LOST_WATCHED: Final = timedelta(days=3)
# A call that got no answer is asked again soon, well within the hour that Mollie remembers its key.
_UNANSWERED_LOOKS: Final = (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5))


def next_look(
    status: Status, method: str | None, created_at: datetime, looks: int, now: datetime
) -> datetime | None:
    """The moment of the next look after `looks` of them; None when no more is needed."""
    age = now - created_at
    if status is Status.PAID:
        watched = method == "directdebit" and age < _DEBIT_WATCHED
        return now + timedelta(days=7) if watched else None
    if status in LOST:
        # Rarely, what was given up is paid after all.
        return now + timedelta(days=1) if age < _LOST_WATCHED else None
    steps = _UNANSWERED_LOOKS if status in UNANSWERED or status in GUARDED else _FIRST_LOOKS
    if looks < len(steps):
        return now + steps[looks]
    return now + (timedelta(hours=1) if age < timedelta(days=1) else timedelta(days=1))


def next_try(looks: int, now: datetime) -> datetime:
    """When to ask again about a call that got no answer, after `looks` tries."""
    return now + (_UNANSWERED_LOOKS[looks] if looks < len(_UNANSWERED_LOOKS) else timedelta(hours=1))

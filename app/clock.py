"""The one clock. Everything that asks for the time asks here, so that tests and demo data can travel.

Time is always aware and UTC; only what people read is turned into their zone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class _Clock:
    offset: timedelta = timedelta(0)
    frozen_at: datetime | None = None


_clock = _Clock()


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    if _clock.frozen_at is not None:
        return _clock.frozen_at
    return datetime.now(UTC) + _clock.offset


def travel_to(moment: datetime) -> None:
    """From here on the clock runs as if it were `moment` (aware) now."""
    _clock.frozen_at = None
    _clock.offset = moment.astimezone(UTC) - datetime.now(UTC)


def travel_back() -> None:
    """Return to real time."""
    _clock.frozen_at = None
    _clock.offset = timedelta(0)


@contextmanager
def frozen(moment: datetime) -> Iterator[datetime]:
    """The clock stands still at `moment` (aware) inside the block."""
    before = _Clock(_clock.offset, _clock.frozen_at)
    _clock.frozen_at = moment.astimezone(UTC)
    try:
        yield _clock.frozen_at
    finally:
        _clock.offset, _clock.frozen_at = before.offset, before.frozen_at

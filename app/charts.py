"""Charts as geometry: rows in, places and lengths of an SVG out. Pure; a Jinja macro draws what comes out.

Lengths are tenths of a unit counted in whole numbers, so that no amount ever passes through a float.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 190
LEFT: Final = 46
TOP: Final = 12
FOOT: Final = 22
MAX_SERIES: Final = 6
MAX_TICKS: Final = 4
GAP_TENTHS: Final = 12


@dataclass(frozen=True)
class Segment:
    """One meter's part of a bar. `y` and `height` are SVG lengths."""

    y: str
    height: str
    series: int


@dataclass(frozen=True)
class Bar:
    """One day: its segments from the base up, its place, and what a pointer or screen reader is told."""

    day: date
    x: str
    width: str
    slot_x: str
    slot_width: str
    segments: tuple[Segment, ...]
    total_micros: int


@dataclass(frozen=True)
class Tick:
    y: str
    text_y: str
    label: str


@dataclass(frozen=True)
class DayLabel:
    x: str
    day: date
    anchor: str


@dataclass(frozen=True)
class Chart:
    """A stacked bar chart by day, ready to draw; `rows` are the same figures as a table, newest day first."""

    series: tuple[str, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    labels: tuple[DayLabel, ...]
    rows: tuple[tuple[date, tuple[int, ...], int], ...]
    totals: tuple[int, ...]
    total_micros: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - FOOT

    @property
    def is_empty(self) -> bool:
        return not any(total for _, _, total in self.rows)


Series = tuple[str, Mapping[date, int]]


def stacked_by_day(
    days: Sequence[date],
    series: Sequence[Series],
    *,
    label: Callable[[int], str],
    other: str,
    height: int = HEIGHT,
) -> Chart:
    """A bar per day, stacked by series. Amounts in micros; `label` words an amount on the axis.

    The first series stands lowest. More than six are joined: the largest five, and the rest under `other`.
    """
    kept = _largest(series, other)
    values = [[by_day.get(day, 0) for _, by_day in kept] for day in days]
    drawn = [[max(0, value) for value in row] for row in values]
    step = nice_step(max((sum(row) for row in drawn), default=0))
    top = step * max(1, -(-max((sum(row) for row in drawn), default=0) // step))
    slot = 10 * (WIDTH - LEFT) // max(1, len(days))
    base = height - FOOT
    return Chart(
        series=tuple(name for name, _ in kept),
        bars=tuple(
            _bar(10 * LEFT + i * slot, days[i], drawn[i], total=sum(values[i]), slot=slot, top=top, base=base)
            for i in range(len(days))
        ),
        ticks=tuple(_tick(micros, top, label, base) for micros in range(0, top + 1, step)),
        labels=_day_labels(days, slot),
        rows=tuple((day, tuple(row), sum(row)) for day, row in zip(days, values, strict=True))[::-1],
        totals=tuple(sum(column) for column in zip(*values, strict=True)) if values else (),
        total_micros=sum(sum(row) for row in values),
        height=height,
        base=base,
    )


def nice_step(highest_micros: int) -> int:
    """The distance of grid lines: 1, 2 or 5 times a power of ten, so that at most four fit below the top."""
    step, factors = 10_000, (2, 5, 10)
    scale = step
    while True:
        for candidate in (scale, *(scale * factor for factor in factors[:2])):
            if candidate * MAX_TICKS >= highest_micros:
                return candidate
        scale *= 10


def _largest(series: Sequence[Series], other: str) -> list[Series]:
    if len(series) <= MAX_SERIES:
        return list(series)
    ranked = sorted(series, key=lambda s: -sum(s[1].values()))
    rest: dict[date, int] = {}
    for _, by_day in ranked[MAX_SERIES - 1 :]:
        for day, micros in by_day.items():
            rest[day] = rest.get(day, 0) + micros
    return [*ranked[: MAX_SERIES - 1], (other, rest)]


def _bar(x: int, day: date, row: Sequence[int], *, total: int, slot: int, top: int, base: int) -> Bar:
    gap = min(slot // 2, max(GAP_TENTHS, slot // 3))
    segments, reached, y = [], 0, 10 * base
    for number, micros in enumerate(row, start=1):
        reached += micros
        upper = 10 * base - 10 * (base - TOP) * reached // top
        if upper < y:
            segments.append(Segment(_length(upper), _length(y - upper), number))
        y = upper
    return Bar(
        day=day,
        x=_length(x + gap // 2),
        width=_length(slot - gap),
        slot_x=_length(x),
        slot_width=_length(slot),
        segments=tuple(segments),
        total_micros=total,
    )


def _tick(micros: int, top: int, label: Callable[[int], str], base: int) -> Tick:
    y = 10 * base - 10 * (base - TOP) * micros // top
    return Tick(_length(y), _length(y + 40), label(micros))


def _day_labels(days: Sequence[date], slot: int) -> tuple[DayLabel, ...]:
    """The first, a middle and the last day, under their bars."""
    if not days:
        return ()
    places = {0: "start", len(days) // 2: "middle", len(days) - 1: "end"}
    found = []
    for index, anchor in sorted(places.items()):
        x = 10 * LEFT + index * slot + {"start": 0, "middle": slot // 2, "end": slot}[anchor]
        found.append(DayLabel(_length(x), days[index], anchor))
    return tuple(found)


def _length(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}" if tenths % 10 else str(tenths // 10)

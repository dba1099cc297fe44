"""Usage per day and meter as a chart, from the totals that metering keeps for reading back.

Amounts include VAT; each meter is named in the reader's language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from flask_babel import gettext

from app.charts import HEIGHT, Chart, stacked_by_day
from app.clock import utc_now
from app.i18n import local_date, money, translations_of
from metering import service as metering

BURN_DAYS: Final = 7


@dataclass(frozen=True)
class Period:
    """A choice of days; `value` is how it stands in the address."""

    value: str
    label: str
    days: tuple[date, ...]
    current: bool


def last_days(count: int) -> tuple[date, ...]:
    """The last `count` days, today included, the oldest first."""
    today = local_date(utc_now())
    return tuple(today - timedelta(days=back) for back in reversed(range(count)))


def periods(chosen: str | None, customer_id: int) -> list[Period]:
    """What the page offers; the last thirty days unless another is chosen.

    Who is invoiced by the half month is offered halves as well.
    """
    today = local_date(utc_now())
    month_start = today.replace(day=1)
    before_end = month_start - timedelta(days=1)
    offered = [
        ("30", gettext("Last 30 days"), last_days(30)),
        ("7", gettext("Last 7 days"), last_days(7)),
        *_halves(customer_id, today),
        ("month", gettext("This month"), _days(month_start, today)),
        ("previous", gettext("Last month"), _days(before_end.replace(day=1), before_end)),
    ]
    value = chosen if chosen in {name for name, _, _ in offered} else "30"
    return [Period(name, label, days, name == value) for name, label, days in offered]


def _halves(customer_id: int, today: date) -> list[tuple[str, str, tuple[date, ...]]]:
    running = metering.period_on(customer_id, today)
    before = metering.period_on(customer_id, running.start - timedelta(days=1))
    halves = [
        ("period", gettext("This half month"), running, _days(running.start, today)),
        ("last", gettext("Last half month"), before, _days(before.start, before.end - timedelta(days=1))),
    ]
    return [(name, label, days) for name, label, period, days in halves if not _is_month(period)]


def _is_month(period: metering.Period) -> bool:
    return period.start.day == period.end.day == 1


def recent_charts(customer_id: int, count: int, *, height: int = HEIGHT) -> tuple[Chart, Chart]:
    """The last `count` days drawn at that height, and this month so far, out of one reading."""
    days = last_days(count)
    month = _days(days[-1].replace(day=1), days[-1])
    series = _series(customer_id, min(days[0], month[0]), days[-1])
    return drawn(series, days, height), drawn(series, month)


def _series(customer_id: int, first: date, last: date) -> dict[str, dict[date, int]]:
    series: dict[str, dict[date, int]] = {}
    for row in metering.usage_by_day(customer_id, first, last + timedelta(days=1)):
        by_day = series.setdefault(translations_of(dict(row.names)), {})
        by_day[row.day] = by_day.get(row.day, 0) + row.charge_micros
    return series


def drawn(series: dict[str, dict[date, int]], days: Sequence[date], height: int = HEIGHT) -> Chart:
    """Amounts per series and day as a chart, the largest series first."""
    largest_first = sorted(series.items(), key=lambda item: -sum(item[1].values()))
    return stacked_by_day(days, largest_first, label=axis_label, other=gettext("Other meters"), height=height)


def burn_micros_per_day(chart: Chart) -> int:
    """What the last seven whole days took per day; fewer where usage began later, today where it just did."""
    recent = [total for _, _, total in chart.rows[: BURN_DAYS + 1]]
    whole_days = recent[1:]
    while whole_days and whole_days[-1] == 0:
        whole_days.pop()
    counted = whole_days or recent[:1]
    return max(0, sum(counted)) // len(counted) if counted else 0


def axis_label(micros: int) -> str:
    """As "€ 6" rather than "€ 6,00": a whole amount needs no cents on an axis."""
    if micros == 0:
        return "0"
    text = money(micros)
    return text[:-3] if micros % 1_000_000 == 0 else text


def _days(first: date, last: date) -> tuple[date, ...]:
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))

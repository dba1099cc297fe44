"""What a customer used in some days, by day and meter or value of a dimension, beside as many days before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from flask_babel import gettext

from app.charts import Chart
from app.i18n import translations_of
from app.money import decimal_of_micros, plain_decimal
from app.portal.csv_text import csv_text
from app.portal.usage import drawn
from invoicing import service as invoicing
from metering import service as metering
from metering.service import UsageDay

ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Wanted:
    """Which days; of one meter, and split by one of its `dimensions`, where they are named."""

    customer_id: int
    days: Sequence[date]
    meter: str | None = None
    dimension: str | None = None
    dimensions: tuple[str, ...] = ()

    @property
    def after(self) -> date:
        """The day after the last one."""
        return self.days[-1] + timedelta(days=1)


@dataclass(frozen=True)
class Choice:
    """A meter that the page offers; `value` is how it stands in the address."""

    value: str
    label: str


@dataclass(frozen=True)
class Row:
    """A meter, or a value of the dimension: what was used and what it cost, and cost before."""

    label: str
    unit: str
    quantity: Decimal
    events: int
    micros: int
    before_micros: int

    @property
    def unit_text(self) -> str:
        """The unit in the reader's language, where it is a known one."""
        return invoicing.unit_text(self.unit, self.quantity)

    @property
    def more_micros(self) -> int:
        return self.micros - self.before_micros


@dataclass(frozen=True)
class Report:
    """The page of usage: a chart, its rows, and what else may be chosen."""

    chart: Chart
    rows: tuple[Row, ...]
    before_micros: int
    meters: tuple[Choice, ...]


def wanted_of(
    customer_id: int, days: Sequence[date], meter: str | None = None, dimension: str | None = None
) -> Wanted:
    """What somebody asks for; a meter or dimension that does not exist is left out."""
    known = {one["code"]: tuple(one["dimensions"]) for one in metering.list_meters()}
    if meter not in known:
        return Wanted(customer_id, days)
    dimensions = known[meter]
    return Wanted(customer_id, days, meter, dimension if dimension in dimensions else None, dimensions)


def report_of(wanted: Wanted) -> Report:
    """Read the days and as many before them."""
    first = wanted.days[0] - timedelta(days=len(wanted.days))
    everything = metering.usage_by_day(wanted.customer_id, first, wanted.after)
    # What stands in all of it already is not asked for again.
    read = [one for one in everything if wanted.meter in {None, one.meter}]
    if wanted.dimension is not None:
        read = _read(wanted, first)
    dimension = wanted.dimension
    series: dict[str, dict[date, int]] = {}
    for one in read:
        if one.day >= wanted.days[0]:
            by_day = series.setdefault(_label(one, dimension), {})
            by_day[one.day] = by_day.get(one.day, 0) + one.charge_micros
    rows = _rows(read, wanted.days[0], dimension)
    return Report(
        chart=drawn(series, wanted.days),
        rows=rows,
        before_micros=sum(row.before_micros for row in rows),
        meters=_meters(everything),
    )


def _read(wanted: Wanted, first: date) -> list[UsageDay]:
    if wanted.meter is None:
        return metering.usage_by_day(wanted.customer_id, first, wanted.after)
    names = (wanted.dimension,) if wanted.dimension else ()
    return metering.usage_of_meter(wanted.customer_id, first, wanted.after, wanted.meter, names)


def _label(one: UsageDay, dimension: str | None) -> str:
    if dimension is None:
        return translations_of(dict(one.names))
    return one.dimensions.get(dimension) or gettext("not stated")


def _rows(read: Sequence[UsageDay], first: date, dimension: str | None) -> tuple[Row, ...]:
    """Per meter or value, the dearest first; what was used only before is a row as well."""
    rows: dict[tuple[str, str], Row] = {}
    for one in read:
        key = (_label(one, dimension), one.unit)
        known = rows.get(key, Row(*key, ZERO, 0, 0, 0))
        if one.day < first:
            rows[key] = Row(
                *key, known.quantity, known.events, known.micros, known.before_micros + one.charge_micros
            )
        else:
            rows[key] = Row(
                *key,
                known.quantity + one.quantity,
                known.events + one.events,
                known.micros + one.charge_micros,
                known.before_micros,
            )
    return tuple(sorted(rows.values(), key=lambda row: (-row.micros, -row.before_micros, row.label)))


def _meters(read: Sequence[UsageDay]) -> tuple[Choice, ...]:
    names = {one.meter: translations_of(dict(one.names)) for one in read}
    return tuple(Choice(code, name) for code, name in sorted(names.items(), key=lambda item: item[1]))


def totals_csv(wanted: Wanted) -> str:
    """A row per day and meter, or value of the dimension; amounts in euros with all their places."""
    head = [gettext("Day"), gettext("Meter"), gettext("Quantity"), gettext("Unit"), gettext("Events")]
    split = [wanted.dimension] if wanted.dimension else []
    return csv_text(
        [
            [*head[:2], *split, *head[2:], gettext("Amount including VAT")],
            *(
                [
                    one.day.isoformat(),
                    translations_of(dict(one.names)),
                    *(one.dimensions.get(name) or "" for name in split),
                    plain_decimal(one.quantity),
                    one.unit,
                    str(one.events),
                    plain_decimal(decimal_of_micros(one.charge_micros)),
                ]
                for one in _read(wanted, wanted.days[0])
            ),
        ]
    )

"""Reading usage back: rolled up per hour afterwards, answered per day.

The roll-up takes each customer's hours in which something changed and makes them anew from the events, so it
may run again, overlap, or come late. What is not rolled up yet is the difference to the running totals, and
counts for the last day: so the days of a period always add up to what was debited.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy import cast as cast_to
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from app.clock import utc_now
from app.config import settings
from app.db import db
from metering.catalog import MeterRule, current_catalog
from metering.models import UsageHour, UsagePeriod, UsageRollup, UsageTotal
from metering.periods import day_of, midnight, period_of_day

# A transaction that was open during the last run may have committed since.
OVERLAP: Final = timedelta(minutes=10)
BURN_DAYS: Final = 7
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
EPOCH: Final = "2000-01-01T00:00:00Z"

_SPAN = "SELECT min(time) AS first, max(time) AS last FROM usage_event WHERE changed_at >= :since"
_ROLL_UP = """
INSERT INTO usage_hour AS h (customer_id, hour, meter_id, price_id, dimensions, period_start, quantity,
                             events, charge_micros)
SELECT e.customer_id, t.hour, m.meter_id, p.price_id, coalesce(d.values, '{}'), e.period_start,
       sum(CASE WHEN e.voided_at IS NULL THEN u.quantity ELSE 0 END),
       count(*) FILTER (WHERE e.voided_at IS NULL AND e.source <> 'tegoed:accrual'),
       sum(u.charge + coalesce(u.void_charge, 0))
FROM usage_event e
JOIN (
    SELECT DISTINCT customer_id, date_trunc('hour', time, 'UTC') AS hour
    FROM usage_event WHERE changed_at >= :since
) AS t ON t.customer_id = e.customer_id AND t.hour = date_trunc('hour', e.time, 'UTC')
CROSS JOIN LATERAL unnest(e.prices, e.quantities, e.charges_micros, e.void_charges_micros)
     AS u (price_id, quantity, charge, void_charge)
JOIN meter_price p ON p.price_id = u.price_id
JOIN meter m ON m.meter_id = p.meter_id
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(name, e.data ->> name) FILTER (WHERE e.data ->> name IS NOT NULL)::text AS values
    FROM unnest(m.dimensions) AS name
) AS d ON true
WHERE e.time >= :first AND e.time < :last AND e.month >= :first_month AND e.month <= :last_month
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (customer_id, hour, meter_id, price_id, dimensions, period_start) DO UPDATE
SET quantity = EXCLUDED.quantity, events = EXCLUDED.events, charge_micros = EXCLUDED.charge_micros
"""


@dataclass(frozen=True, slots=True)
class UsageDay:
    """What a customer used of a meter on a day in the provider's zone, and what that cost with VAT.

    `hour` is set where usage is read by the hour, `dimensions` where it is split by some.
    """

    day: date
    meter: str
    names: Mapping[str, str]
    unit: str
    quantity: Decimal
    events: int
    charge_micros: int
    hour: datetime | None = None
    dimensions: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """How usage is read: per day or hour, of all meters or one, split by the values of some dimensions.

    Usage too fresh to be rolled up counts for the last day or hour, and for no value of a dimension.
    """

    by_hour: bool = False
    meter_id: int | None = None
    dimensions: tuple[str, ...] = ()


WHOLE_DAYS: Final = Split()
_Key: TypeAlias = tuple[date, datetime | None, int, tuple[str | None, ...]]


def roll_up() -> None:
    """Bring `usage_hour` up to date in the open unit of work; one at a time."""
    now = utc_now()
    first_row = insert(UsageRollup).values(rollup_id=1, rolled_up_to=datetime.fromisoformat(EPOCH))
    db.session.execute(first_row.on_conflict_do_nothing())
    rollup = db.session.scalars(select(UsageRollup).with_for_update()).one()
    since = rollup.rolled_up_to - OVERLAP
    span = db.session.execute(text(_SPAN), {"since": since}).one()
    if span.first is not None:
        window = {
            "since": since,
            "first": span.first.replace(minute=0, second=0, microsecond=0),
            "last": span.last + timedelta(hours=1),
            "first_month": span.first.date().replace(day=1),
            "last_month": (span.last + timedelta(hours=1)).date(),
        }
        db.session.execute(text(_ROLL_UP), window)
    rollup.rolled_up_to = now


def usage_by_day(customer_id: int, start: date, end: date, split: Split = WHOLE_DAYS) -> list[UsageDay]:
    """Usage per day and meter from `start` up to, not including, `end`; days without usage are left out."""
    zone = settings().timezone
    local_day = func.date(func.timezone(str(zone), UsageHour.hour)).label("day")
    values = [
        cast_to(UsageHour.dimensions, JSONB)[name].astext.label(f"value_{number}")
        for number, name in enumerate(split.dimensions)
    ]
    parts = [local_day, *([UsageHour.hour] if split.by_hour else []), UsageHour.meter_id, *values]
    first, last = period_of_day(start).start, period_of_day(end - timedelta(days=1)).end
    # Whole periods, since what is not rolled up yet is what their totals have beyond their hours.
    query = select(UsageHour.period_start, *parts, *_SUMS).where(
        UsageHour.customer_id == customer_id,
        UsageHour.hour >= midnight(first, zone),
        UsageHour.hour < midnight(last, zone),
    )
    if split.meter_id is not None:
        query = query.where(UsageHour.meter_id == split.meter_id)
    meters = current_catalog().meters
    rolled_up: dict[tuple[date, int], UsageDay] = {}
    found: dict[_Key, UsageDay] = {}
    for row in db.session.execute(query.group_by(UsageHour.period_start, *parts)):
        key = (row.day, row.hour if split.by_hour else None, row.meter_id, tuple(row[-3 - len(values) : -3]))
        one = _usage(key, meters[row.meter_id], split, row)
        of_period = (row.period_start, row.meter_id)
        rolled_up[of_period] = _added(rolled_up[of_period], one) if of_period in rolled_up else one
        if start <= row.day < end:
            found[key] = _added(found[key], one) if key in found else one
    for key, fresh in _not_rolled_up(customer_id, start, end, split, meters=meters, rolled_up=rolled_up):
        known = found.get(key)
        found[key] = fresh if known is None else _added(known, fresh)
    used = [one for one in found.values() if one.quantity or one.charge_micros or one.events]
    return sorted(used, key=lambda one: (one.day, one.hour or EARLIEST, one.meter, str(one.dimensions)))


def usage_of_meter(
    customer_id: int, start: date, end: date, code: str, dimensions: tuple[str, ...] = ()
) -> list[UsageDay]:
    """As `usage_by_day`, of one meter, split by the values of some of its dimensions; none if unknown."""
    for meter in current_catalog().meters.values():
        if meter.code == code:
            return usage_by_day(customer_id, start, end, Split(False, meter.meter_id, dimensions))
    return []


_SUMS: Final = (
    func.sum(UsageHour.quantity).label("quantity"),
    func.sum(UsageHour.events).label("events"),
    func.sum(UsageHour.charge_micros).label("charge_micros"),
)


def _usage(key: _Key, meter: MeterRule, split: Split, sums: Any) -> UsageDay:
    day, hour, _, values = key
    return UsageDay(
        day,
        meter.code,
        meter.names,
        meter.unit,
        sums.quantity,
        int(sums.events),
        int(sums.charge_micros),
        hour,
        dict(zip(split.dimensions, values, strict=True)),
    )


def _added(known: UsageDay, fresh: UsageDay) -> UsageDay:
    return replace(
        known,
        quantity=known.quantity + fresh.quantity,
        events=known.events + fresh.events,
        charge_micros=known.charge_micros + fresh.charge_micros,
    )


def _not_rolled_up(
    customer_id: int,
    start: date,
    end: date,
    split: Split,
    *,
    meters: Mapping[int, MeterRule],
    rolled_up: Mapping[tuple[date, int], UsageDay],
) -> list[tuple[_Key, UsageDay]]:
    """Per period and meter what the totals have beyond the rolled-up hours, on its last day so far."""
    zone, now = settings().timezone, utc_now()
    first = period_of_day(start).start
    totals = (
        select(
            UsageTotal.period_start,
            UsagePeriod.period_end,
            UsageTotal.meter_id,
            func.sum(UsageTotal.quantity + UsageTotal.late_quantity).label("quantity"),
            func.sum(UsageTotal.events + UsageTotal.late_events).label("events"),
            func.sum(UsageTotal.gross_micros + UsageTotal.late_gross_micros).label("charge_micros"),
        )
        .join(
            UsagePeriod,
            (UsagePeriod.customer_id == UsageTotal.customer_id)
            & (UsagePeriod.period_start == UsageTotal.period_start),
        )
        .where(
            UsageTotal.customer_id == customer_id,
            UsageTotal.period_start >= first,
            UsageTotal.period_start < end,
        )
        .group_by(UsageTotal.period_start, UsagePeriod.period_end, UsageTotal.meter_id)
    )
    found: list[tuple[_Key, UsageDay]] = []
    for row in db.session.execute(totals):
        if split.meter_id not in (None, row.meter_id):
            continue
        last = min(now, midnight(row.period_end, zone) - timedelta(hours=1))
        hour = last.replace(minute=0, second=0, microsecond=0) if split.by_hour else None
        key = (day_of(last, zone), hour, row.meter_id, (None,) * len(split.dimensions))
        fresh = _usage(key, meters[row.meter_id], split, row)
        known = rolled_up.get((row.period_start, row.meter_id))
        if known is not None:
            fresh = _added(
                fresh,
                replace(
                    fresh,
                    quantity=-known.quantity,
                    events=-known.events,
                    charge_micros=-known.charge_micros,
                ),
            )
        if start <= fresh.day < end and (fresh.quantity or fresh.events or fresh.charge_micros):
            found.append((key, fresh))
    return found


def charged_since(customer_ids: Collection[int], since: datetime) -> dict[int, int]:
    """Micros that these customers' usage was charged since a moment, of what has been rolled up."""
    if not customer_ids:
        return {}
    rows = db.session.execute(
        select(UsageHour.customer_id, func.sum(UsageHour.charge_micros))
        .where(UsageHour.customer_id.in_(customer_ids), UsageHour.hour >= since)
        .group_by(UsageHour.customer_id)
    )
    return {customer_id: int(micros) for customer_id, micros in rows}


def recent_burn_micros_per_day(customer_id: int) -> int:
    """What usage took per day lately, in micros: over a week, or since the first use in it."""
    today = day_of(utc_now(), settings().timezone)
    days = usage_by_day(customer_id, today - timedelta(days=BURN_DAYS - 1), today + timedelta(days=1))
    if not days:
        return 0
    return max(0, sum(day.charge_micros for day in days)) // ((today - days[0].day).days + 1)

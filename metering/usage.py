"""Reading usage back: rolled up per hour afterwards, answered per day.

The roll-up takes each customer's hours in which something changed and makes them anew from the events, so it
may run again, overlap, or come late. What is not rolled up yet is the difference to the running totals, and
counts for the last day: so the days of a period always add up to what was debited.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.clock import utc_now
from app.config import settings
from app.db import db
from metering.catalog import current_catalog
from metering.models import UsageHour, UsageRollup, UsageTotal
from metering.periods import day_of, midnight, period_of_day

# A transaction that was open during the last run may have committed since.
OVERLAP: Final = timedelta(minutes=10)
BURN_DAYS: Final = 7
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
    """What a customer used of a meter on a day in the provider's zone, and what that cost with VAT."""

    day: date
    meter: str
    names: Mapping[str, str]
    unit: str
    quantity: Decimal
    events: int
    charge_micros: int


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


def usage_by_day(customer_id: int, start: date, end: date) -> list[UsageDay]:
    """Usage per day and meter from `start` up to, not including, `end`; days without usage are left out."""
    zone = settings().timezone
    catalog = current_catalog()
    local_day = func.date(func.timezone(str(zone), UsageHour.hour)).label("day")
    rows = db.session.execute(
        select(
            local_day,
            UsageHour.meter_id,
            func.sum(UsageHour.quantity).label("quantity"),
            func.sum(UsageHour.events).label("events"),
            func.sum(UsageHour.charge_micros).label("charge_micros"),
        )
        .where(
            UsageHour.customer_id == customer_id,
            UsageHour.hour >= midnight(start, zone),
            UsageHour.hour < midnight(end, zone),
        )
        .group_by(local_day, UsageHour.meter_id)
    )
    days: dict[tuple[date, int], UsageDay] = {}
    for row in rows:
        meter = catalog.meters[row.meter_id]
        days[row.day, row.meter_id] = UsageDay(
            row.day,
            meter.code,
            meter.names,
            meter.unit,
            row.quantity,
            int(row.events),
            int(row.charge_micros),
        )
    for fresh, meter_id in _not_rolled_up(customer_id, start, end):
        known = days.get((fresh.day, meter_id))
        days[fresh.day, meter_id] = fresh if known is None else _added(known, fresh)
    found = [one for one in days.values() if one.quantity or one.charge_micros or one.events]
    return sorted(found, key=lambda one: (one.day, one.meter))


def _added(known: UsageDay, fresh: UsageDay) -> UsageDay:
    return replace(
        known,
        quantity=known.quantity + fresh.quantity,
        events=known.events + fresh.events,
        charge_micros=known.charge_micros + fresh.charge_micros,
    )


def _not_rolled_up(customer_id: int, start: date, end: date) -> list[tuple[UsageDay, int]]:
    """Per period and meter what the totals have beyond the rolled-up hours, on its last day so far."""
    totals = (
        select(
            UsageTotal.period_start,
            UsageTotal.meter_id,
            func.sum(UsageTotal.quantity + UsageTotal.late_quantity).label("quantity"),
            func.sum(UsageTotal.events + UsageTotal.late_events).label("events"),
            func.sum(UsageTotal.gross_micros + UsageTotal.late_gross_micros).label("charge_micros"),
        )
        .where(
            UsageTotal.customer_id == customer_id,
            UsageTotal.period_start >= period_of_day(start).start,
            UsageTotal.period_start < end,
        )
        .group_by(UsageTotal.period_start, UsageTotal.meter_id)
    )
    hours = (
        select(
            UsageHour.period_start,
            UsageHour.meter_id,
            func.sum(UsageHour.quantity).label("quantity"),
            func.sum(UsageHour.events).label("events"),
            func.sum(UsageHour.charge_micros).label("charge_micros"),
        )
        .where(
            UsageHour.customer_id == customer_id,
            UsageHour.hour >= midnight(period_of_day(start).start, settings().timezone),
        )
        .group_by(UsageHour.period_start, UsageHour.meter_id)
    )
    rolled_up = {(row.period_start, row.meter_id): row for row in db.session.execute(hours)}
    meters = current_catalog().meters
    today = day_of(utc_now(), settings().timezone)
    found = []
    for row in db.session.execute(totals):
        day = min(today, period_of_day(row.period_start).end - timedelta(days=1))
        known = rolled_up.get((row.period_start, row.meter_id))
        meter = meters[row.meter_id]
        fresh = UsageDay(
            day,
            meter.code,
            meter.names,
            meter.unit,
            row.quantity - (known.quantity if known else 0),
            int(row.events - (known.events if known else 0)),
            int(row.charge_micros - (known.charge_micros if known else 0)),
        )
        if start <= day < end and (fresh.quantity or fresh.events or fresh.charge_micros):
            found.append((fresh, row.meter_id))
    return found


def recent_burn_micros_per_day(customer_id: int) -> int:
    """What usage took per day lately, in micros: over a week, or since the first use in it."""
    today = day_of(utc_now(), settings().timezone)
    days = usage_by_day(customer_id, today - timedelta(days=BURN_DAYS - 1), today + timedelta(days=1))
    if not days:
        return 0
    return max(0, sum(day.charge_micros for day in days)) // ((today - days[0].day).days + 1)

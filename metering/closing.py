"""Closing periods, for invoicing: what is to be closed, what it used, and the end of it.

A close is a short lock that flips the period, a pricing without lock, and a short lock that posts. From the
flip on the period's totals stand still: what still arrives becomes a correction on a later invoice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import InstrumentedAttribute

from app.clock import utc_now
from app.config import settings
from app.db import db
from app.ledger.debits import driver_connection, lock_for_debits
from metering.accrual import accrue_to_end
from metering.book import UsageBook
from metering.catalog import Catalog, current_catalog
from metering.cycles import periods_of
from metering.models import UsageCorrection, UsageDraw, UsagePeriod, UsageTotal
from metering.periods import HALF_MONTH_DAY, Period, day_of, midnight
from metering.prices import Price
from metering.rating import RatedLine, Usage, lines_of, net_of
from metering.treatment import TaxTreatment, frozen_treatment

MOVES: Final[Mapping[str, str]] = {"open": "closing", "closing": "closed"}


@dataclass(frozen=True, slots=True)
class PriceUsage:
    """Q of one meter and price in a period, what it costs, and how an invoice shows it."""

    meter: str
    names: Mapping[str, str]
    unit: str
    treatment: TaxTreatment
    price_id: int
    when: Mapping[str, str]
    quantity: Decimal
    events: int
    net: Decimal
    gross_micros: int
    lines: tuple[RatedLine, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """Usage of an earlier period that this period's invoice bills, or gives back: then it is negative."""

    period: Period
    treatment: TaxTreatment
    meter: str
    names: Mapping[str, str]
    unit: str
    price_id: int
    when: Mapping[str, str]
    quantity: Decimal
    events: int
    net: Decimal
    gross_micros: int


@dataclass(frozen=True, slots=True)
class PeriodUsage:
    """All that metering knows of a period. `…_debited_micros` include what its corrections took.

    Invariant: the gross amounts of usages and corrections add up to promo plus prepaid debited.
    """

    customer_id: int
    period: Period
    status: str
    treatment: TaxTreatment
    usages: tuple[PriceUsage, ...]
    corrections: tuple[Correction, ...]
    promo_debited_micros: int
    prepaid_debited_micros: int

    @property
    def gross_micros(self) -> int:
        """What was debited for this period, corrections included."""
        return self.promo_debited_micros + self.prepaid_debited_micros


def periods_to_close(
    before: date, *, after_customer_id: int = 0, limit: int = 1000
) -> list[tuple[int, date]]:
    """(customer_id, period_start) of periods that ended on or before a day and are not closed yet."""
    rows = db.session.execute(
        select(UsagePeriod.customer_id, UsagePeriod.period_start)
        .where(
            UsagePeriod.status.in_(["open", "closing"]),
            UsagePeriod.period_end <= before,
            UsagePeriod.customer_id > after_customer_id,
        )
        .order_by(UsagePeriod.customer_id, UsagePeriod.period_start)
        .limit(limit)
    )
    return [(row.customer_id, row.period_start) for row in rows]


def unclosed_in_month(customer_ids: Collection[int], month: date, before: date) -> list[tuple[int, date]]:
    """(customer_id, period_start) of these customers' periods of a month, begun or not, that are not closed.

    Only those that ended on or before a day.
    """
    begun = _begun(customer_ids, month)
    periods = periods_of(customer_ids, month, {key: row.end for key, row in begun.items()})
    return [
        (customer_id, period.start)
        for customer_id in sorted(customer_ids)
        for period in periods[customer_id]
        if period.end <= before and not _is_closed(begun.get((customer_id, period.start)))
    ]


def ended_periods(customer_ids: Collection[int], before: date) -> list[tuple[int, Period, bool]]:
    """The periods of these customers in the latest two months that ended on or before a day.

    Each with whether it has begun; the latest of a customer first.
    """
    found = []
    month = (before - timedelta(days=1)).replace(day=1)
    for first in (month, (month - timedelta(days=1)).replace(day=1)):
        begun = _begun(customer_ids, first)
        periods = periods_of(customer_ids, first, {key: row.end for key, row in begun.items()})
        found += [
            (customer_id, period, (customer_id, period.start) in begun)
            for customer_id in sorted(customer_ids)
            for period in reversed(periods[customer_id])
            if period.end <= before
        ]
    return found


class _Begun(NamedTuple):
    end: date
    status: str


def _is_closed(begun: _Begun | None) -> bool:
    return begun is not None and begun.status == "closed"


def _begun(customer_ids: Collection[int], month: date) -> dict[tuple[int, date], _Begun]:
    rows = db.session.execute(
        select(
            UsagePeriod.customer_id, UsagePeriod.period_start, UsagePeriod.period_end, UsagePeriod.status
        ).where(
            UsagePeriod.customer_id.in_(customer_ids),
            UsagePeriod.period_start.between(month, month.replace(day=HALF_MONTH_DAY)),
        )
    )
    return {(row.customer_id, row.period_start): _Begun(row.period_end, row.status) for row in rows}


def any_ended(month: date, before: date) -> bool:
    """Whether a period that begins in a month had ended by a day, whoever's it is."""
    ended = select(UsagePeriod.customer_id).where(
        UsagePeriod.period_start.between(month, month.replace(day=HALF_MONTH_DAY)),
        UsagePeriod.period_end <= before,
    )
    return db.session.scalars(ended.limit(1)).one_or_none() is not None


def period_today(customer_id: int) -> Period:
    """The customer's period that is going on."""
    today = day_of(utc_now(), settings().timezone)
    month = today.replace(day=1)
    begun = {key: row.end for key, row in _begun([customer_id], month).items()}
    periods = periods_of([customer_id], month, begun)[customer_id]
    return next(period for period in periods if today < period.end)


def begin_close(customer_id: int, period_start: date) -> str:
    """Flip the period to closing under the balance lock; again is harmless. Answers its status now.

    A period in which nothing was used is begun first, so that later events find it closed; levels that
    were held are charged to its end.
    """
    connection = driver_connection()
    balances = lock_for_debits(connection, [customer_id])
    book = UsageBook(connection, balances, current_catalog(), utc_now())
    key = (customer_id, period_start)
    period = book.period_at(customer_id, midnight(period_start, settings().timezone))
    if period.start != period_start:
        raise ValueError(f"no period of customer {customer_id} begins on {period_start}")
    book.begin_periods({key: period})
    if book.periods[key].is_open:
        accrue_to_end(customer_id, book.periods[key].end)
    return _move(customer_id, period_start, "open", UsagePeriod.closing_at)


def finish_close(customer_id: int, period_start: date) -> str:
    """Close a period that is closing, in the transaction that posts its invoice; again is harmless.

    The balance must be locked. Raises ValueError for a period that was not flipped first.
    """
    status = _move(customer_id, period_start, "closing", UsagePeriod.closed_at)
    if status != "closed":
        raise ValueError(
            f"period {period_start} of customer {customer_id} is {status}: begin its close first"
        )
    return status


def _move(customer_id: int, period_start: date, status: str, stamp: InstrumentedAttribute[object]) -> str:
    """Make the one allowed move from a status, where the period has it; answers the status afterwards."""
    here = (UsagePeriod.customer_id == customer_id, UsagePeriod.period_start == period_start)
    db.session.execute(
        update(UsagePeriod)
        .where(*here, UsagePeriod.status == status)
        .values({UsagePeriod.status: MOVES[status], stamp: utc_now()})
        .execution_options(synchronize_session=False)
    )
    return db.session.scalars(select(UsagePeriod.status).where(*here)).one()


def usage_of_period(customer_id: int, period_start: date) -> PeriodUsage | None:
    """What the period used and took; None when it has not begun. Exact from the flip to closing on."""
    drawn = (
        select(func.coalesce(func.sum(UsageDraw.drawn_micros), 0))
        .where(UsageDraw.customer_id == customer_id, UsageDraw.period_start == period_start)
        .scalar_subquery()
    )
    found = db.session.execute(
        select(UsagePeriod, drawn.label("promo_micros"))
        .where(UsagePeriod.customer_id == customer_id, UsagePeriod.period_start == period_start)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        return None
    row, promo = found.UsagePeriod, int(found.promo_micros)
    catalog = current_catalog()
    treatment = frozen_treatment(row.tax_category, row.vat_rate, row.special_taxes)
    mine = (UsageTotal.customer_id == customer_id, UsageTotal.period_start == period_start)
    totals = db.session.scalars(
        select(UsageTotal).where(*mine).order_by(UsageTotal.meter_id, UsageTotal.price_id)
    ).all()
    gross = sum(total.gross_micros for total in totals)
    return PeriodUsage(
        customer_id=customer_id,
        period=Period(row.period_start, row.period_end),
        status=row.status,
        treatment=treatment,
        usages=tuple(
            _price_usage(
                catalog, total, treatment.of_class(catalog.tax_class(total.meter_id, row.catalog_version))
            )
            for total in totals
            if total.quantity or total.events
        ),
        corrections=_corrections(catalog, customer_id, period_start),
        promo_debited_micros=promo + row.correction_promo_micros,
        prepaid_debited_micros=gross - promo + row.correction_prepaid_micros,
    )


def _price_usage(catalog: Catalog, total: UsageTotal, treatment: TaxTreatment) -> PriceUsage:
    price, meter = catalog.prices[total.price_id], catalog.meters[total.meter_id]
    usage = Usage(total.quantity, total.events)
    return PriceUsage(
        meter=meter.code,
        names=meter.names,
        unit=meter.unit,
        treatment=treatment,
        price_id=total.price_id,
        when=_when(price),
        quantity=total.quantity,
        events=total.events,
        net=net_of(price.definition, usage),
        gross_micros=total.gross_micros,
        lines=tuple(lines_of(price.definition, usage)),
    )


def _corrections(catalog: Catalog, customer_id: int, billed: date) -> tuple[Correction, ...]:
    rows = db.session.execute(
        select(UsageCorrection, UsagePeriod)
        .join(
            UsagePeriod,
            (UsagePeriod.customer_id == UsageCorrection.customer_id)
            & (UsagePeriod.period_start == UsageCorrection.period_start),
        )
        .where(UsageCorrection.customer_id == customer_id, UsageCorrection.billed_period_start == billed)
        .order_by(UsageCorrection.period_start, UsageCorrection.meter_id, UsageCorrection.price_id)
    )
    found = []
    for row, period in rows:
        meter = catalog.meters[row.meter_id]
        treatment = frozen_treatment(period.tax_category, period.vat_rate, period.special_taxes)
        correction = Correction(
            period=Period(period.period_start, period.period_end),
            treatment=treatment.of_class(catalog.tax_class(row.meter_id, period.catalog_version)),
            meter=meter.code,
            names=meter.names,
            unit=meter.unit,
            price_id=row.price_id,
            when=_when(catalog.prices[row.price_id]),
            quantity=row.quantity,
            events=row.events,
            net=row.net_amount,
            gross_micros=row.gross_micros,
        )
        if row.quantity or row.events or row.gross_micros:
            found.append(correction)
    return tuple(found)


def _when(price: Price) -> dict[str, str]:
    return dict(price.when)


def debited_after(customer_id: int, period_start: date) -> tuple[int, int]:
    """What later periods took from prepaid and from promotional credit so far, their corrections included.

    Read it under the lock.
    """
    gross, drawn, prepaid, promo = (
        select(func.coalesce(func.sum(amount), 0))
        .where(table.customer_id == customer_id, table.period_start > period_start)
        .scalar_subquery()
        for table, amount in (
            (UsageTotal, UsageTotal.gross_micros),
            (UsageDraw, UsageDraw.drawn_micros),
            (UsagePeriod, UsagePeriod.correction_prepaid_micros),
            (UsagePeriod, UsagePeriod.correction_promo_micros),
        )
    )
    taken = db.session.execute(select(gross - drawn + prepaid, drawn + promo)).one()
    return int(taken[0]), int(taken[1])

"""The desk's page of figures: balances held, revenue and top-ups per month, failures, who runs out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from flask import Blueprint, render_template
from flask_babel import gettext

from app.charts import Chart, stacked_by_day
from app.clock import utc_now
from app.config import settings
from app.customers.auth import operator_required
from app.i18n import local_date, money, number
from app.ledger import figures as ledger
from app.ledger.figures import MonthTotal
from app.ledger.sides import Side
from metering import service as metering
from topups import figures as topups
from topups.figures import Failed

blueprint = Blueprint("desk_figures", __name__, url_prefix="/desk/figures", template_folder="templates")

MONTHS: Final = 12
RUNNING_OUT: Final = 25
RECENT_DAYS: Final = 7
EURO: Final = 1_000_000
# Where one size of balance ends and the next begins.
SIZES: Final = tuple(euros * EURO for euros in (0, 10, 25, 100, 500))
OUT: Final = frozenset({"refund", "chargeback", "transfer_returned"})


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A month in numbers; `lost_mandates` were revoked in it."""

    month: date
    revenue_micros: int
    top_up_micros: int
    returned_micros: int
    failed_payments: int
    failed_micros: int
    lost_mandates: int


@dataclass(frozen=True, slots=True)
class RunningOut:
    """How long a low balance lasts at the pace of the last days; None when nothing is used."""

    reference: str
    name: str
    available_micros: int
    per_day_micros: int
    days: int | None


@blueprint.get("")
@operator_required
def show() -> str:
    months = _months()
    since = datetime.combine(months[0], time(), settings().timezone).astimezone(UTC)
    totals = ledger.totals_by_month(since)
    failed = topups.failures_by_month(since)
    rows = _rows(months, totals, failed, topups.lost_mandates_by_month(since))
    return render_template(
        "desk/figures.html",
        held=ledger.held_now(),
        rows=rows[::-1],
        revenue=_chart(months, gettext("Revenue excl. VAT"), {row.month: row.revenue_micros for row in rows}),
        paid=_chart(months, gettext("Top-ups"), {row.month: row.top_up_micros for row in rows}),
        failures=_failures(months, failed),
        lost=_counts(months, [(gettext("Lost mandates"), {row.month: row.lost_mandates for row in rows})]),
        sizes=_sizes(),
        mandates=topups.valid_mandates(),
        running_out=_running_out(),
    )


def _months() -> list[date]:
    """The first days of the last twelve months, this one included."""
    first = local_date(utc_now()).replace(day=1)
    found = [first]
    for _ in range(MONTHS - 1):
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found[::-1]


def _rows(
    months: list[date], totals: list[MonthTotal], failed: list[Failed], lost: dict[date, int]
) -> list[MonthRow]:
    revenue = _summed(totals, lambda one: _net(one, Side.REVENUE))
    paid = _summed(totals, lambda one: one.amount_micros if one.kind == "top_up" else 0)
    returned = _summed(totals, lambda one: one.amount_micros if one.kind in OUT else 0)
    return [
        MonthRow(
            month,
            revenue.get(month, 0),
            paid.get(month, 0),
            returned.get(month, 0),
            sum(one.payments for one in failed if one.month == month),
            sum(one.amount_micros for one in failed if one.month == month),
            lost.get(month, 0),
        )
        for month in months
    ]


def _net(total: MonthTotal, side: Side) -> int:
    return total.amount_micros * ((total.credit == side) - (total.debit == side))


def _summed(totals: Iterable[MonthTotal], micros: Callable[[MonthTotal], int]) -> dict[date, int]:
    found: dict[date, int] = {}
    for one in totals:
        found[one.month] = found.get(one.month, 0) + micros(one)
    return found


def _chart(months: list[date], name: str, by_month: dict[date, int]) -> Chart:
    return stacked_by_day(months, [(name, by_month)], label=whole, other="")


def _failures(months: list[date], failed: list[Failed]) -> Chart:
    """By how the payment was begun."""
    names = {
        "automatic": gettext("Automatic top-up"),
        "auto_pay": gettext("Automatic payment of invoices"),
        "manual": gettext("By hand"),
    }
    return _counts(
        months,
        [
            (name, {one.month: one.payments for one in failed if one.origin == origin})
            for origin, name in names.items()
        ],
    )


def _counts(months: list[date], series: list[tuple[str, dict[date, int]]]) -> Chart:
    """Drawn as if each were a euro; half a one is no mark on the axis."""
    scaled = [(name, {month: n * EURO for month, n in found.items()}) for name, found in series]
    return stacked_by_day(
        months, scaled, label=lambda micros: "" if micros % EURO else number(micros // EURO), other=""
    )


def _sizes() -> list[tuple[str, int, int]]:
    """What balances of each size come to: their words, how many, how much; the largest first."""
    bands = ledger.held_by_size(SIZES)
    ends = [*SIZES, None]
    return [
        (_size(band.least_micros, end), band.customers, band.prepaid_micros)
        for band, end in zip(bands, ends, strict=True)
    ][::-1]


def _size(least_micros: int | None, end_micros: int | None) -> str:
    if least_micros is None:
        return str(gettext("below zero"))
    if end_micros is None:
        return str(gettext("%(amount)s or more", amount=whole(least_micros)))
    return str(gettext("%(least)s to %(most)s", least=whole(least_micros), most=whole(end_micros)))


def whole(micros: int) -> str:
    """Whole euros, without their cents."""
    return money(micros)[:-3]


def _running_out() -> list[RunningOut]:
    """The lowest balances, those that run out first at the top."""
    low = ledger.low_balances(RUNNING_OUT)
    since = utc_now() - timedelta(days=RECENT_DAYS)
    used = metering.charged_since([one.customer_id for one in low], since)
    found = []
    for one in low:
        per_day = max(0, used.get(one.customer_id, 0)) // RECENT_DAYS
        days = max(0, one.available_micros) // per_day if per_day else None
        found.append(RunningOut(one.reference, one.name, one.available_micros, per_day, days))
    return sorted(found, key=lambda one: (one.days is None, one.days or 0, one.available_micros))

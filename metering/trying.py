"""Trying a price before it is published: a past month rated again with it, per customer. Writes nothing.

Everything else of the month stays as it was: quantities, VAT rates, and the other prices that were frozen for
each customer's period. A customer's own prices override the tried one, as they would the published one; a
price tried inside a customer's own list replaces or joins that list, and only that customer is rated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from flask_babel import lazy_gettext
from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import InstrumentedAttribute

from app.customers.models import Customer
from app.db import db
from app.errors import Conflict
from metering.aggregation import ADDITIVE
from metering.catalog import current_catalog
from metering.meters import price_to_try
from metering.models import UsageHour, UsagePeriod, UsageTotal
from metering.periods import period_of_day
from metering.prices import Price, price_for
from metering.rating import EXACT, Usage, gross_micros, net_of, sum_exact
from metering.treatment import frozen_treatment

TRIED: Final = 0
ZERO: Final = Decimal(0)
# A customer, and the first day of a period.
_PeriodKey: TypeAlias = tuple[int, date]


class CannotBeTried(Conflict):
    code = "cannot_be_tried"
    title = lazy_gettext(
        "This meter does not add up per event: only a price that replaces one in force can be tried."
    )


class Slice(NamedTuple):
    """Usage of one price with one set of dimension values."""

    price_id: int
    dimensions: Mapping[str, str]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Difference:
    """What a customer's month of the meter cost, and would have cost; `…_micros` with VAT."""

    customer_id: int
    reference: str
    net: Decimal
    tried_net: Decimal
    gross_micros: int
    tried_gross_micros: int

    @property
    def more_micros(self) -> int:
        """What the customer would have paid more; negative is less."""
        return self.tried_gross_micros - self.gross_micros

    def plus(self, other: "Difference") -> "Difference":
        """This and another period of the same customer, together."""
        return replace(
            self,
            net=EXACT.add(self.net, other.net),
            tried_net=EXACT.add(self.tried_net, other.tried_net),
            gross_micros=self.gross_micros + other.gross_micros,
            tried_gross_micros=self.tried_gross_micros + other.tried_gross_micros,
        )


def with_tried(in_force: Sequence[Price], tried: Price) -> list[Price]:
    """The prices of a period as if the tried one had been in its list, in order of choice."""
    others = [price for price in in_force if not _is_replaced(price, tried)]
    return sorted([*others, tried], key=lambda price: (price.customer_id is None, -len(price.when)))


def _is_replaced(price: Price, tried: Price) -> bool:
    return price.customer_id == tried.customer_id and price.when == tried.when


def _replaces(in_force: Sequence[Price], tried: Price) -> bool:
    return any(_is_replaced(price, tried) for price in in_force)


def rated_again(
    totals: Mapping[int, Usage], slices: Iterable[Slice], in_force: Sequence[Price], tried: Price
) -> dict[int, Usage]:
    """The usage per price with the tried price among them. Pure.

    A price with the same `when` hands over all it has; from the others goes what the tried price would
    be chosen for.
    """
    prices = with_tried(in_force, tried)
    usages = dict(totals)
    for price in in_force:
        if _is_replaced(price, tried):
            moved = usages.pop(price.price_id, None)
            if moved is not None:
                usages[TRIED] = moved
            return usages
    for one in slices:
        chosen = price_for(prices, one.dimensions)
        if chosen is not tried or one.price_id not in usages:
            continue
        usages[one.price_id] = _less(usages[one.price_id], one.usage)
        usages[TRIED] = _more(usages.get(TRIED, Usage(ZERO, 0)), one.usage)
    return usages


def _less(usage: Usage, part: Usage) -> Usage:
    return Usage(EXACT.subtract(usage.quantity, part.quantity), usage.events - part.events)


def _more(usage: Usage, part: Usage) -> Usage:
    return Usage(EXACT.add(usage.quantity, part.quantity), usage.events + part.events)


def try_price(
    code: str, document: Mapping[str, Any], month: date, customer_id: int | None = None
) -> list[Difference]:
    """Rate a month again for all customers who used the meter in it; the greatest differences first.

    Each period that begins in the month is rated for itself, and a customer's periods are added up. With a
    customer the price is tried in that customer's own list, and only that customer is rated.
    Raises UnknownMeter, Invalid, PriceAmbiguous, CannotBeTried.
    """
    tried = price_to_try(code, document, customer_id)
    catalog = current_catalog()
    totals = _totals(tried, month)
    definitions = {price.price_id: price.definition for price in catalog.prices.values()}
    definitions[TRIED] = tried.definition
    slices: dict[_PeriodKey, list[Slice]] | None = None
    found: dict[int, Difference] = {}
    for row in db.session.execute(
        select(
            UsagePeriod.customer_id,
            UsagePeriod.period_start,
            UsagePeriod.vat_rate,
            UsagePeriod.special_taxes,
            UsagePeriod.catalog_version,
            Customer.reference,
        )
        .join(Customer, Customer.customer_id == UsagePeriod.customer_id)
        .where(_begins_in(UsagePeriod.period_start, month), _rated(UsagePeriod.customer_id, tried))
    ):
        key = (row.customer_id, row.period_start)
        mine = totals.get(key)
        if mine is None:
            continue
        in_force = catalog.in_force(tried.meter_id, row.period_start, row.catalog_version, row.customer_id)
        if slices is None and not _replaces(in_force, tried):
            if catalog.meters[tried.meter_id].aggregation not in ADDITIVE:
                raise CannotBeTried
            slices = _slices(tried, month)
        tax_class = catalog.tax_class(tried.meter_id, row.catalog_version)
        rate = frozen_treatment("", row.vat_rate, row.special_taxes).of_class(tax_class).rate
        then = rated_again(mine, (slices or {}).get(key, ()), in_force, tried)
        of_period = Difference(
            row.customer_id,
            row.reference,
            sum_exact([net_of(definitions[i], usage) for i, usage in mine.items()]),
            sum_exact([net_of(definitions[i], usage) for i, usage in then.items()]),
            sum(gross_micros(definitions[i], usage, rate) for i, usage in mine.items()),
            sum(gross_micros(definitions[i], usage, rate) for i, usage in then.items()),
        )
        known = found.get(row.customer_id)
        found[row.customer_id] = of_period if known is None else known.plus(of_period)
    return sorted(found.values(), key=lambda one: (-abs(one.more_micros), one.reference))


def _begins_in(column: InstrumentedAttribute[date], month: date) -> ColumnElement[bool]:
    """Of which periods usage is rated again: a customer's month may have two."""
    return (column >= month) & (column < period_of_day(month).end)


def _rated(column: InstrumentedAttribute[int], tried: Price) -> ColumnElement[bool]:
    """Whose usage is rated again."""
    return true() if tried.customer_id is None else column == tried.customer_id


def _totals(tried: Price, month: date) -> dict[_PeriodKey, dict[int, Usage]]:
    found: dict[_PeriodKey, dict[int, Usage]] = {}
    for row in db.session.execute(
        select(
            UsageTotal.customer_id,
            UsageTotal.period_start,
            UsageTotal.price_id,
            (UsageTotal.quantity + UsageTotal.late_quantity).label("quantity"),
            (UsageTotal.events + UsageTotal.late_events).label("events"),
        ).where(
            _begins_in(UsageTotal.period_start, month),
            UsageTotal.meter_id == tried.meter_id,
            _rated(UsageTotal.customer_id, tried),
        )
    ):
        mine = found.setdefault((row.customer_id, row.period_start), {})
        mine[row.price_id] = Usage(row.quantity, row.events)
    return found


def _slices(tried: Price, month: date) -> dict[_PeriodKey, list[Slice]]:
    """Usage per price and dimension values, from what was rolled up."""
    found: dict[_PeriodKey, list[Slice]] = {}
    for row in db.session.execute(
        select(
            UsageHour.customer_id,
            UsageHour.period_start,
            UsageHour.price_id,
            UsageHour.dimensions,
            func.sum(UsageHour.quantity).label("quantity"),
            func.sum(UsageHour.events).label("events"),
        )
        .where(
            _begins_in(UsageHour.period_start, month),
            UsageHour.meter_id == tried.meter_id,
            _rated(UsageHour.customer_id, tried),
        )
        .group_by(UsageHour.customer_id, UsageHour.period_start, UsageHour.price_id, UsageHour.dimensions)
    ):
        dimensions = msgspec.json.decode(row.dimensions, type=dict[str, str])
        part = Slice(row.price_id, dimensions, Usage(row.quantity, int(row.events)))
        found.setdefault((row.customer_id, row.period_start), []).append(part)
    return found

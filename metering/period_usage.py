"""What periods used and took, for invoicing: read for many customers at once, priced one by one.

From the flip to closing on a period's totals stand still: what still arrives becomes a correction on a later
invoice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec

from app.ledger.debits import array_of, driver_connection
from metering.catalog import Catalog, current_catalog
from metering.periods import Period
from metering.rating import RatedLine, Usage, lines_of, sum_exact
from metering.treatment import TaxTreatment, frozen_treatment

PeriodKey = tuple[int, date]

# Drawn and corrected amounts are sums of very few rows, each found by its key.
_PERIODS: Final = """
SELECT p.customer_id, p.period_start, p.period_end, p.status, p.tax_category, p.vat_rate, p.special_taxes,
       p.catalog_version, p.correction_prepaid_micros, p.correction_promo_micros,
       (SELECT coalesce(sum(d.drawn_micros), 0)::bigint FROM usage_draw d
        WHERE d.customer_id = p.customer_id AND d.period_start = p.period_start)
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, period_start)
JOIN usage_period p USING (customer_id, period_start)
"""
_TOTALS: Final = """
SELECT t.customer_id, t.period_start, t.meter_id, t.price_id, t.quantity, t.events, t.gross_micros
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, period_start)
JOIN usage_total t USING (customer_id, period_start)
ORDER BY t.customer_id, t.period_start, t.meter_id, t.price_id
"""
_CORRECTED: Final = """
SELECT c.customer_id, c.billed_period_start, c.meter_id, c.price_id, c.quantity, c.events, c.net_amount,
       c.gross_micros, p.period_start, p.period_end, p.tax_category, p.vat_rate, p.special_taxes,
       p.catalog_version
"""
_CORRECTIONS: Final = f"""{_CORRECTED}
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, billed_period_start)
JOIN usage_correction c USING (customer_id, billed_period_start)
JOIN usage_period p ON p.customer_id = c.customer_id AND p.period_start = c.period_start
ORDER BY c.customer_id, c.billed_period_start, c.period_start, c.meter_id, c.price_id
"""
_CORRECTIONS_OF: Final = f"""{_CORRECTED}
FROM usage_correction c JOIN usage_period p USING (customer_id, period_start)
WHERE c.customer_id = %s AND c.period_start = %s
"""
# A newer period that is closed already has settled what it took.
_AFTER: Final = """
SELECT k.customer_id, k.period_start,
       (SELECT coalesce(sum(t.gross_micros), 0)::bigint FROM usage_total t
        JOIN usage_period q USING (customer_id, period_start)
        WHERE t.customer_id = k.customer_id AND t.period_start > k.period_start AND q.status <> 'closed'),
       (SELECT coalesce(sum(d.drawn_micros), 0)::bigint FROM usage_draw d
        JOIN usage_period q USING (customer_id, period_start)
        WHERE d.customer_id = k.customer_id AND d.period_start > k.period_start AND q.status <> 'closed'),
       p.prepaid, p.promo
FROM unnest(%s::bigint[], %s::date[]) AS k (customer_id, period_start)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(p.correction_prepaid_micros), 0)::bigint AS prepaid,
           coalesce(sum(p.correction_promo_micros), 0)::bigint AS promo
    FROM usage_period p
    WHERE p.customer_id = k.customer_id AND p.period_start > k.period_start AND p.status <> 'closed') AS p
"""


class PriceUsage(msgspec.Struct, frozen=True):
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


class PeriodUsage(msgspec.Struct, frozen=True):
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


class PeriodUsages:
    """Periods that were read together. Exact from the flip to closing on."""

    def __init__(self, keys: Collection[PeriodKey]) -> None:
        self._catalog = current_catalog()
        self._periods: dict[PeriodKey, tuple[Any, ...]] = {}
        self._totals: dict[PeriodKey, list[tuple[Any, ...]]] = {}
        self._corrections: dict[PeriodKey, list[tuple[Any, ...]]] = {}
        if keys:
            self._read([array_of(column) for column in zip(*keys, strict=True)])

    def _read(self, columns: list[str]) -> None:
        connection = driver_connection()
        for row in connection.execute(_PERIODS, columns, binary=True).fetchall():
            self._periods[row[0], row[1]] = row
        for row in connection.execute(_TOTALS, columns, binary=True).fetchall():
            self._totals.setdefault((row[0], row[1]), []).append(row)
        for row in connection.execute(_CORRECTIONS, columns, binary=True).fetchall():
            self._corrections.setdefault((row[0], row[1]), []).append(row)

    def of(self, key: PeriodKey) -> PeriodUsage | None:
        """What a period used and took; None when it has not begun."""
        if key not in self._periods:
            return None
        _, start, end, status, category, rate, special, version, prepaid, promo, drawn = self._periods[key]
        treatment = frozen_treatment(category, rate, special)
        totals = self._totals.get(key, ())
        gross = sum(row[6] for row in totals)
        return PeriodUsage(
            customer_id=key[0],
            period=Period(start, end),
            status=status,
            treatment=treatment,
            usages=tuple(
                _price_usage(self._catalog, row, treatment, version) for row in totals if row[4] or row[5]
            ),
            corrections=tuple(
                _correction(self._catalog, row)
                for row in self._corrections.get(key, ())
                if row[4] or row[5] or row[7]
            ),
            promo_debited_micros=drawn + promo,
            prepaid_debited_micros=gross - drawn + prepaid,
        )


def usage_of_period(customer_id: int, period_start: date) -> PeriodUsage | None:
    """What one period used and took; None when it has not begun."""
    key = (customer_id, period_start)
    return PeriodUsages([key]).of(key)


def corrections_of(customer_id: int, period_start: date) -> list[Correction]:
    """What of a period's usage later periods bill or give back, those included that are still open."""
    catalog = current_catalog()
    rows = driver_connection().execute(_CORRECTIONS_OF, (customer_id, period_start), binary=True).fetchall()
    return [_correction(catalog, row) for row in rows]


def debited_after(keys: Collection[PeriodKey]) -> dict[PeriodKey, tuple[int, int]]:
    """What periods after these took from prepaid and from promotional credit so far, corrections included.

    Read it under the locks.
    """
    if not keys:
        return {}
    columns = [array_of(column) for column in zip(*keys, strict=True)]
    return {
        (customer_id, start): (gross - drawn + prepaid, drawn + promo)
        for customer_id, start, gross, drawn, prepaid, promo in driver_connection().execute(
            _AFTER, columns, binary=True
        )
    }


def _price_usage(catalog: Catalog, row: tuple[Any, ...], treatment: TaxTreatment, version: int) -> PriceUsage:
    _, _, meter_id, price_id, quantity, events, gross = row
    price, meter = catalog.prices[price_id], catalog.meters[meter_id]
    lines = tuple(lines_of(price.definition, Usage(quantity, events)))
    return PriceUsage(
        meter=meter.code,
        names=meter.names,
        unit=meter.unit,
        treatment=treatment.of_class(catalog.tax_class(meter_id, version)),
        price_id=price_id,
        when=dict(price.when),
        quantity=quantity,
        events=events,
        net=sum_exact([line.net for line in lines]),
        gross_micros=gross,
        lines=lines,
    )


def _correction(catalog: Catalog, row: tuple[Any, ...]) -> Correction:
    _, _, meter_id, price_id, quantity, events, net, gross, start, end, category, rate, special, version = row
    meter = catalog.meters[meter_id]
    treatment = frozen_treatment(category, rate, special)
    return Correction(
        period=Period(start, end),
        treatment=treatment.of_class(catalog.tax_class(meter_id, version)),
        meter=meter.code,
        names=meter.names,
        unit=meter.unit,
        price_id=price_id,
        when=dict(catalog.prices[price_id].when),
        quantity=quantity,
        events=events,
        net=net,
        gross_micros=gross,
    )

"""A month that has ended, of many customers with five meters each, written by set-based statements.

It is what the product itself would have written: one transfer per event, balances that are their sums, totals
that the rating of the product priced. The check of the ledger holds on it, before the close and after.
"""

import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from psycopg import ClientCursor

from app.clock import utc_now
from app.config import settings
from app.db import in_unit_of_work
from app.ledger.verify import verify_all
from metering import meters
from metering.catalog import current_catalog
from metering.periods import midnight
from tests.bench.stage import Stage

METERS: Final[dict[str, dict[str, Any]]] = {
    "month.prompt": {
        "model": "graduated",
        "tiers": [{"up_to": "100000", "unit_amount": "0.000002"}, {"unit_amount": "0.0000015"}],
    },
    "month.answers": {"model": "per_unit", "unit_amount": "0.000012"},
    "month.requests": {"model": "per_unit", "unit_amount": "0.00001"},
    "month.storage": {"model": "per_unit", "unit_amount": "0.00000035"},
    "month.images": {"model": "package", "package_size": "1000", "package_amount": "0.02"},
}
# Customers use one of these many amounts: each is priced once, by the product.
VARIANTS: Final = 100
EVENTS_PER_METER: Final = 2
VAT: Final = Decimal("21.000")
# Every tenth customer used more than was paid for, and gets an invoice on which something is due.
SHORT: Final = 10

_CUSTOMERS = """
INSERT INTO customer (customer_id, reference, name, email, kind, country, locale, currency, vat_number,
                      address_line1, postal_code, city, provisional_limit_micros, status, created_at)
SELECT %(first)s + i, %(tag)s || '-' || i, 'Grachtwerk ' || i || ' B.V.', %(tag)s || i || '@example.com',
       'business', 'NL', CASE i %% 2 WHEN 0 THEN 'nl' ELSE 'en' END, 'EUR', 'NL123456782B90',
       'Prinsengracht ' || i, '1015 DV', 'Amsterdam', 0, 'active', %(begins)s
FROM generate_series(0, %(count)s - 1) AS i
"""
_REFERENCES = """
INSERT INTO customer_reference
SELECT reference, customer_id FROM customer
WHERE customer_id >= %(first)s AND customer_id < %(first)s + %(count)s
"""
_AMOUNTS = """
CREATE TEMPORARY TABLE amounts (variant bigint, place integer, code text, meter_id integer, price_id integer,
    quantity numeric, gross bigint, before bigint, whole bigint, PRIMARY KEY (variant, place))
"""
# The payment comes first; then an event a time, each a debit of its own.
_BALANCES = """
INSERT INTO balance (customer_id, prepaid_micros, credits_micros, promo_micros, held_micros,
                     receivable_micros, overdraft_micros, last_transfer_number, low_mark_micros,
                     attention_mark_micros)
SELECT %(first)s + i, CASE i %% %(short)s WHEN 0 THEN a.whole / 2 ELSE a.whole + 5000000 END - a.whole,
       0, 0, 0, 0, 0, 1 + %(places)s * %(each)s, 5000000, 5000000
FROM generate_series(0, %(count)s - 1) AS i
JOIN amounts a ON a.variant = i %% %(variants)s AND a.place = 0
"""
_PAYMENTS = """
INSERT INTO transfer (customer_id, number, kind, debit, credit, amount_micros, reference,
                      balance_after_micros, created_at)
SELECT customer_id, 1, 'top_up', 'psp', 'prepaid', paid, 'topup-' || customer_id || '-paid', paid, %(begins)s
FROM (SELECT %(first)s + i AS customer_id,
             CASE i %% %(short)s WHEN 0 THEN a.whole / 2 ELSE a.whole + 5000000 END AS paid
      FROM generate_series(0, %(count)s - 1) AS i
      JOIN amounts a ON a.variant = i %% %(variants)s AND a.place = 0) AS payment
"""
_DEBITS = """
INSERT INTO transfer (customer_id, number, kind, debit, credit, amount_micros, reference,
                      balance_after_micros, created_at)
SELECT %(first)s + i, 1 + a.place * %(each)s + n, 'usage', 'prepaid', 'unbilled_usage',
       a.gross / %(each)s + CASE n WHEN 1 THEN a.gross %% %(each)s ELSE 0 END,
       'usage-' || 1 + a.place * %(each)s + n,
       CASE i %% %(short)s WHEN 0 THEN a.whole / 2 ELSE a.whole + 5000000 END
           - a.before - a.gross / %(each)s * n - a.gross %% %(each)s,
       %(begins)s + make_interval(mins => a.place * %(each)s + n)
FROM generate_series(%(begin)s, %(end)s) AS i
JOIN amounts a ON a.variant = i %% %(variants)s
CROSS JOIN generate_series(1, %(each)s) AS n
"""
_EVENTS = """
INSERT INTO usage_event (customer_id, source, event_id, month, time, type, period_start, prices, quantities,
                         charges_micros, transfer_number, digest, data, changed_at)
SELECT %(first)s + i, 'bench/month', 'm-' || a.place || '-' || n, %(month)s,
       %(begins)s + make_interval(mins => a.place * %(each)s + n), a.code, %(month)s,
       ARRAY[a.price_id], ARRAY[a.quantity / %(each)s],
       ARRAY[a.gross / %(each)s + CASE n WHEN 1 THEN a.gross %% %(each)s ELSE 0 END],
       1 + a.place * %(each)s + n, decode(md5(i || '-' || n), 'hex'), '{"value": 1}', %(begins)s
FROM generate_series(%(begin)s, %(end)s) AS i
JOIN amounts a ON a.variant = i %% %(variants)s
CROSS JOIN generate_series(1, %(each)s) AS n
"""
_PERIODS = """
INSERT INTO usage_period (customer_id, period_start, period_end, status, tax_category, vat_rate,
                          catalog_version, correction_prepaid_micros, correction_promo_micros, opened_at)
SELECT %(first)s + i, %(month)s, %(month_end)s, 'open', 'S', %(vat)s, %(version)s, 0, 0, %(begins)s
FROM generate_series(0, %(count)s - 1) AS i
"""
_TOTALS = """
INSERT INTO usage_total (customer_id, period_start, meter_id, price_id, quantity, events, gross_micros,
                         late_quantity, late_events, late_gross_micros)
SELECT %(first)s + i, %(month)s, a.meter_id, a.price_id, a.quantity, %(each)s, a.gross, 0, 0, 0
FROM generate_series(0, %(count)s - 1) AS i JOIN amounts a ON a.variant = i %% %(variants)s
"""
_PART: Final = 5_000


@dataclass(frozen=True)
class Month:
    """Customers `first` to `first + count - 1`, each with open usage of the month before this one."""

    start: date
    first: int
    count: int
    events_each: int

    @property
    def customers(self) -> range:
        return range(self.first, self.first + self.count)


def last_month() -> date:
    today = utc_now().astimezone(settings().timezone).date()
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def write_month(stage: Stage, tag: str, *, first: int, count: int, times: int = 1) -> Month:
    """Customers with `times` as many events, and as much used, as the usual ones. Checks the ledger."""
    each = EVENTS_PER_METER * times
    start = last_month()
    end = (start + timedelta(days=32)).replace(day=1)
    begins = midnight(start, settings().timezone) + timedelta(hours=1)
    in_unit_of_work(_publish)
    amounts = _amounts(each)
    facts: dict[str, Any] = {
        "tag": tag,
        "first": first,
        "count": count,
        "each": each,
        "places": len(METERS),
        "variants": VARIANTS,
        "short": SHORT,
        "vat": VAT,
        "version": current_catalog().version,
        "month": start,
        "month_end": end,
        "begins": begins,
    }
    _write(stage, facts, amounts)
    stage.vacuum()
    check_ledger()
    return Month(start, first, count, each * len(METERS))


def _write(stage: Stage, facts: dict[str, Any], amounts: list[tuple[object, ...]]) -> None:
    with stage.connect() as connection:
        # Values go into the text: the server would guess narrow types for small numbers.
        cursor = ClientCursor(connection)
        for statement in (_CUSTOMERS, _REFERENCES, _AMOUNTS):
            cursor.execute(statement, facts)
        cursor.executemany("INSERT INTO amounts VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", amounts)
        for statement in (_BALANCES, _PAYMENTS, _PERIODS, _TOTALS):
            cursor.execute(statement, facts)
        for begin in range(0, facts["count"], _PART):
            part = {"begin": begin, "end": min(begin + _PART, facts["count"]) - 1}
            for statement in (_DEBITS, _EVENTS):
                cursor.execute(statement, facts | part)


def check_ledger() -> None:
    """Ends the run when a balance is not the sum of its transfers."""
    differences = verify_all().differences
    if differences:
        sys.exit(f"the ledger does not add up: {differences[:5]}")


def _publish() -> None:
    known = {meter["code"] for meter in meters.list_meters()}
    for code, price in METERS.items():
        if code in known:
            continue
        facts = {"event_type": code, "aggregation": "sum", "value_property": "value", "unit": "unit"}
        names = {"en": f"Bench {code}", "nl": f"Meting {code}"}
        meters.put_meter(code, facts | {"dimensions": [], "name": names})
        meters.publish_price(code, price)


def _amounts(each: int) -> list[tuple[object, ...]]:
    """Per variant and meter: what was used, what that costs, what the meters before it cost together."""
    catalog = current_catalog()
    codes = {meter.code: meter.meter_id for meter in catalog.meters.values()}
    rows: list[tuple[object, ...]] = []
    for variant in range(VARIANTS):
        priced = []
        for place, code in enumerate(METERS):
            (price,) = catalog.prices_of[codes[code]]
            quantity = Decimal((70_000 + 12_345 * place + 777 * variant) * each)
            priced.append((price, quantity, catalog.gross(price, VAT)(quantity, each)))
        whole, before = sum(gross for _, _, gross in priced), 0
        for place, (code, (price, quantity, gross)) in enumerate(zip(METERS, priced, strict=True)):
            rows.append(
                (variant, place, code, price.meter_id, price.price_id, quantity, gross, before, whole)
            )
            before += gross
    return rows


def ended_at(start: date) -> datetime:
    """When the month was over."""
    return midnight((start + timedelta(days=32)).replace(day=1), settings().timezone)

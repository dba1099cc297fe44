"""The customer's pages with millions of events and thousands of transactions behind them, beside 50 ms."""

import http.client
import time
from typing import Any, Final
from urllib.parse import urlsplit

from app.customers.sign_in import add_member, create_user
from app.db import unit_of_work
from tests.bench.rows import Row
from tests.bench.stage import CORES, FIRST_ID, Stage
from tests.portal.people import enter

LIMIT_MS: Final = 50.0
VISITS: Final = 60
TRANSACTIONS: Final = 5_000
DAYS: Final = 30
PAGES: Final = (
    "/overview",
    "/overview/live",
    "/usage",
    "/transactions",
    "/transactions?show=payments",
    "/invoices",
    "/invoices/upcoming",
    "/subscriptions",
    "/top-up",
    "/automatic-top-up",
    "/payment-methods",
    "/addressees",
    "/pay-links",
    "/alerts",
    "/team",
    "/account",
)
_WHO: Final = FIRST_ID + 1
_EVENTS: Final = """
INSERT INTO usage_event (customer_id, source, event_id, month, time, type, period_start, prices, quantities,
                         charges_micros, transfer_number, digest, data, changed_at)
SELECT %(who)s, 'bench/pages', 'p-' || i, date_trunc('month', at)::date, at, 'bench.' || i %% 3,
       date_trunc('month', at)::date, ARRAY[p.price_id], '{1234}', '{2986}', 1, decode(md5(i::text), 'hex'),
       '{"tokens": 1234}', at
FROM generate_series(%(begin)s, %(end)s) AS i
CROSS JOIN LATERAL (SELECT now() - i * %(days)s * interval '1 day' / %(count)s AS at) AS moment
JOIN meter m ON m.event_type = 'bench.' || i %% 3
JOIN meter_price p ON p.meter_id = m.meter_id
"""
# What rolling up and closing leave behind: hours, totals and periods; the past ones are closed.
_ROLLED_UP: Final = """
INSERT INTO usage_hour (customer_id, hour, meter_id, price_id, dimensions, period_start, quantity, events,
                        charge_micros)
SELECT u.customer_id, date_trunc('hour', u.time), p.meter_id, p.price_id, '{}', u.period_start,
       sum(u.quantities[1]), count(*), sum(u.charges_micros[1])
FROM usage_event u JOIN meter_price p ON p.price_id = u.prices[1]
WHERE u.customer_id = %(who)s AND u.source = 'bench/pages'
GROUP BY 1, 2, 3, 4, 6
ON CONFLICT DO NOTHING
"""
_TRANSFERS: Final = """
INSERT INTO transfer (customer_id, number, kind, debit, credit, amount_micros, reference,
                      balance_after_micros, created_at)
SELECT %(who)s, last + i, kind, debit, credit, amount, 'pages-' || i,
       prepaid + sum(CASE credit WHEN 'prepaid' THEN amount ELSE -amount END) OVER (ORDER BY i),
       now() - (%(count)s - i) * %(days)s * interval '1 day' / %(count)s
FROM (SELECT last_transfer_number AS last, prepaid_micros AS prepaid FROM balance
      WHERE customer_id = %(who)s) AS b
CROSS JOIN (
    SELECT i, CASE WHEN i %% 20 = 1 THEN 'top_up' ELSE 'usage' END AS kind,
           CASE WHEN i %% 20 = 1 THEN 'psp' ELSE 'prepaid' END AS debit,
           CASE WHEN i %% 20 = 1 THEN 'prepaid' ELSE 'unbilled_usage' END AS credit,
           CASE WHEN i %% 20 = 1 THEN 25000000 ELSE 1200000 END AS amount
    FROM generate_series(1, %(count)s) AS i
) AS moved
"""
_BALANCE: Final = """
UPDATE balance SET last_transfer_number = t.number, prepaid_micros = t.balance_after_micros - promo_micros
FROM (SELECT number, balance_after_micros FROM transfer WHERE customer_id = %(who)s
      ORDER BY number DESC LIMIT 1) AS t
WHERE customer_id = %(who)s
"""
_PART: Final = 250_000


def pages(stage: Stage, events: int) -> list[Row]:
    """A row for each page: the p95 of what its server takes, one visitor after the other."""
    _live_through(stage, events)
    cookie = _signed_in(stage)
    stage.vacuum()
    server = urlsplit(stage.url)
    connection = http.client.HTTPConnection(str(server.hostname), server.port, timeout=60)
    found = []
    for page in PAGES:
        used, began = stage.cpu_seconds(), time.perf_counter()
        spent = sorted(_visit(connection, page, cookie) for _ in range(VISITS))
        seconds = time.perf_counter() - began
        cpu = {part: now - used[part] for part, now in stage.cpu_seconds().items()}
        p95, p50 = spent[int(VISITS * 0.95) - 1], spent[VISITS // 2]
        notes = {
            "p50_ms": round(p50, 1),
            "p99_ms": round(spent[-1], 1),
            # A busy machine stretches the clock, not this.
            "cpu_ms_per_request": {part: round(1000 * one / VISITS, 1) for part, one in cpu.items()},
            "share_of_cores": {part: one / seconds / CORES for part, one in cpu.items()},
        }
        name = f"page {page}, p95 with {events:,} events / limit"
        found.append(Row(name, "ms", round(p95, 1), LIMIT_MS, None, notes))
    connection.close()
    return found


def _live_through(stage: Stage, events: int) -> None:
    who: dict[str, Any] = {"who": _WHO, "days": DAYS}
    with stage.connect() as connection:
        for begin in range(0, events, _PART):
            part = {"begin": begin, "end": min(begin + _PART, events) - 1, "count": events}
            connection.execute(_EVENTS, who | part)
        connection.execute(_ROLLED_UP, who)
        connection.execute(_TRANSFERS, who | {"count": TRANSACTIONS})
        connection.execute(_BALANCE, who)


def _signed_in(stage: Stage) -> str:
    with stage.app.app_context():
        with unit_of_work():
            user = create_user("pages@tegoed.example", "Anna de Vries", locale="nl")
            add_member(_WHO, user)
        client = stage.app.test_client()
        enter(client, user)
    cookie = client.get_cookie("tegoed")
    if cookie is None:
        raise RuntimeError("the visitor is not signed in")
    return f"tegoed={cookie.value}"


def _visit(connection: http.client.HTTPConnection, page: str, cookie: str) -> float:
    began = time.perf_counter()
    connection.request("GET", page, headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    if answer.status not in {200, 304}:
        raise RuntimeError(f"{page}: {answer.status} {answer.getheader('Location')}")
    return (time.perf_counter() - began) * 1000

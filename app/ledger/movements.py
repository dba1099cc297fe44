"""What moved balances beside usage, for many customers in one statement.

A customer has a transfer for each commit of usage, and few others: those are found by their references,
without reading the ones of usage.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.ledger.debits import array_of, driver_connection

USAGE: Final = "usage"
# References of usage begin with "usage-"; "." is the character behind "-".
_MOVED: Final = """
SELECT k.customer_id, t.kind, t.created_at >= k.until, sum(t.micros)::bigint
FROM unnest(%(ids)s::bigint[], %(since)s::timestamptz[], %(until)s::timestamptz[])
     AS k (customer_id, since, until)
CROSS JOIN LATERAL (
    SELECT o.kind, o.created_at,
           CASE WHEN o.credit IN ('prepaid', 'promo') THEN o.amount_micros ELSE 0 END
             - CASE WHEN o.debit IN ('prepaid', 'promo') THEN o.amount_micros ELSE 0 END AS micros
    FROM (SELECT * FROM transfer WHERE customer_id = k.customer_id AND reference < 'usage-'
          UNION ALL
          SELECT * FROM transfer WHERE customer_id = k.customer_id AND reference >= 'usage.') AS o
    WHERE o.created_at >= k.since AND o.kind <> ALL (%(left_out)s::text[])
) AS t
GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` up to `until`."""

    customer_id: int
    since: datetime
    until: datetime


@dataclass(slots=True)
class Moved:
    """Micros by kind of transfer that moved prepaid and promo inside a span, and all that came after it."""

    inside: dict[str, int] = field(default_factory=dict)
    after_micros: int = 0


def moved_by_kind(spans: Collection[Span], *, leaving_out: Collection[str]) -> dict[int, Moved]:
    """By customer, of whom each may have one span. Usage is left out in any case."""
    found = {span.customer_id: Moved() for span in spans}
    facts = {
        "ids": array_of(span.customer_id for span in spans),
        "since": array_of(f'"{span.since}"' for span in spans),
        "until": array_of(f'"{span.until}"' for span in spans),
        "left_out": sorted({USAGE, *leaving_out}),
    }
    for customer_id, kind, is_after, micros in driver_connection().execute(_MOVED, facts).fetchall():
        moved = found[customer_id]
        if is_after:
            moved.after_micros += micros
        else:
            moved.inside[kind] = micros
    return found

"""Document numbers: gapless per kind and year, from a counter row that is the last lock a transaction takes.

A number exists only in the transaction that issues its document, so one that rolls back leaves no gap.
"""

from typing import Final, cast

from sqlalchemy.dialects.postgresql import insert

from app.db import db
from invoicing.models import CREDIT_NOTE, INVOICE, NumberSeries

PREFIXES: Final = {INVOICE: "F", CREDIT_NOTE: "C"}


def take_numbers(kind: str, year: int, count: int) -> list[str]:
    """The next `count` numbers of a series, e.g. F2026-000001. Others wait for the commit."""
    if count == 0:
        return []
    prefix = PREFIXES[kind]
    query = insert(NumberSeries).values(prefix=prefix, year=year, last_number=count)
    last = cast(
        "int",
        db.session.scalar(
            query.on_conflict_do_update(
                index_elements=["prefix", "year"],
                set_={"last_number": NumberSeries.last_number + query.excluded.last_number},
            ).returning(NumberSeries.last_number)
        ),
    )
    return [f"{prefix}{year}-{number:06d}" for number in range(last - count + 1, last + 1)]

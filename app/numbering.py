"""Numbers of documents: gapless per prefix and year, from a counter row, the last lock of a transaction.

A number exists only in the transaction that uses it, so one that rolls back leaves no gap.
"""

from collections.abc import Collection
from typing import cast

from sqlalchemy import BigInteger, Integer, String, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model, db


class NumberSeries(Model):
    """The last number given per kind of document and year. Small, and the last row any transaction locks."""

    __tablename__ = "number_series"

    prefix: Mapped[str] = mapped_column(String(4), primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_number: Mapped[int] = mapped_column(BigInteger, default=0)


def take_numbers(prefix: str, year: int, count: int) -> list[str]:
    """The next `count` numbers of a series, e.g. F2026-000001. Others wait for the commit."""
    if count == 0:
        return []
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
    return [_number(prefix, year, number) for number in range(last - count + 1, last + 1)]


def upcoming(prefixes: Collection[str], year: int) -> dict[str, str]:
    """The number that each series would give next; nothing is taken."""
    query = select(NumberSeries.prefix, NumberSeries.last_number).where(
        NumberSeries.prefix.in_(prefixes), NumberSeries.year == year
    )
    last = {row.prefix: row.last_number for row in db.session.execute(query)}
    return {prefix: _number(prefix, year, last.get(prefix, 0) + 1) for prefix in prefixes}


def _number(prefix: str, year: int, number: int) -> str:
    return f"{prefix}{year}-{number:06d}"

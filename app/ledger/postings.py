"""Many postings of many customers in two statements: what `post` does, kept in memory until it is written.

The balances are locked for as long as the batch lives, so what it keeps in memory is what they are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from app.db import unit_notes
from app.ledger.debits import array_of, driver_connection
from app.ledger.service import Balance
from app.ledger.sides import AVAILABLE_SIDES, Posting, Side

_COPY = """
COPY transfer (customer_id, number, kind, debit, credit, amount_micros, reference, balance_after_micros,
               created_at) FROM STDIN
"""
# A balance that rises without usage needs a look, for its marks lie below it; so does one that falls through.
_UPDATE = """
UPDATE balance AS b
SET prepaid_micros = b.prepaid_micros + d.prepaid, credits_micros = b.credits_micros + d.credits,
    promo_micros = b.promo_micros + d.promo, receivable_micros = b.receivable_micros + d.receivable,
    last_transfer_number = d.number,
    attention_at = CASE
        WHEN d.rose OR (
            b.prepaid_micros + b.promo_micros - b.held_micros >= b.attention_mark_micros
            AND b.prepaid_micros + b.promo_micros - b.held_micros + d.prepaid + d.promo
                < b.attention_mark_micros
        )
        THEN coalesce(b.attention_at, %s) ELSE b.attention_at END
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[])
     AS d (customer_id, prepaid, credits, promo, receivable, number, rose)
WHERE b.customer_id = d.customer_id
"""


class _Moved(msgspec.Struct, gc=False):
    """What a batch moves of one customer, in micros, and where its numbers are."""

    available_micros: int
    number: int
    prepaid: int = 0
    credits: int = 0
    promo: int = 0
    receivable: int = 0
    rose: bool = False


class PostingBatch:
    """Opened with balances that are locked in this unit of work; nothing is posted before `write`."""

    def __init__(self, balances: Mapping[int, Balance]) -> None:
        if not unit_notes().get("locked_customers", set()) >= balances.keys():
            raise RuntimeError("balances are to be changed without their locks")
        self._balances = balances
        self._moved: dict[int, _Moved] = {}
        self._rows: list[tuple[Any, ...]] = []

    def post(self, posting: Posting) -> None:
        """Move money when the batch is written. Raises KeyError for a balance that is not locked."""
        customer_id, amount = posting.customer_id, posting.amount_micros
        moved = self._moved.get(customer_id)
        if moved is None:
            balance = self._balances[customer_id]
            available = balance.prepaid_micros + balance.promo_micros
            moved = self._moved[customer_id] = _Moved(available, balance.last_transfer_number)
        for side, micros in ((posting.debit, -amount), (posting.credit, amount)):
            if side is Side.PREPAID:
                moved.prepaid += micros
            elif side is Side.CREDITS:
                moved.credits += micros
            elif side is Side.PROMO:
                moved.promo += micros
            elif side is Side.RECEIVABLE:
                # What the customer owes us grows on the debit side.
                moved.receivable -= micros
        moved.rose = moved.rose or posting.credit in AVAILABLE_SIDES
        moved.number += 1
        self._rows.append(
            (
                customer_id,
                moved.number,
                posting.kind,
                posting.debit.value,
                posting.credit.value,
                amount,
                posting.reference,
                moved.available_micros + moved.prepaid + moved.promo,
            )
        )

    def prepaid_micros(self, customer_id: int) -> int:
        """The prepaid balance as it will be."""
        moved = self._moved.get(customer_id)
        return self._balances[customer_id].prepaid_micros + (moved.prepaid if moved else 0)

    def write(self, now: datetime) -> None:
        """Post all of it. Raises UniqueViolation when a reference was used before."""
        if not self._rows:
            return
        connection = driver_connection()
        with connection.cursor().copy(_COPY) as copy:
            for row in self._rows:
                copy.write_row((*row, now))
        rows = [
            (customer_id, one.prepaid, one.credits, one.promo, one.receivable, one.number, one.rose)
            for customer_id, one in self._moved.items()
        ]
        connection.execute(_UPDATE, (now, *(array_of(column) for column in zip(*rows, strict=True))))
        # What is in memory holds no longer: a batch is written once.
        self._balances, self._moved, self._rows = {}, {}, []

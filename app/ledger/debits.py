"""Usage debits, many customers at once: the hot path's own way to change balances.

The same rules as `app.ledger.service.post`, in few set-based statements on the driver's connection, without
ORM objects. Balance rows are locked first, in id order. Promotional grants pay before prepaid: by priority,
then the earliest expiry, expired ones never. Usage that happened is always debited, also below zero. What is
given back goes first to prepaid, up to what the period took from it, then to the grants that gave.
One transfer per customer and side.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import msgspec
from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from app.db import db, unit_notes
from app.ledger.service import State, state_of
from app.ledger.sides import Side

Database = Connection[TupleRow]

_LOCK = """
SELECT customer_id, prepaid_micros, promo_micros, held_micros, receivable_micros, overdraft_micros,
       low_mark_micros, attention_mark_micros, suspended_at IS NOT NULL, last_transfer_number
FROM balance WHERE customer_id = ANY(%s::bigint[]) ORDER BY customer_id FOR NO KEY UPDATE
"""
_GRANTS = """
SELECT customer_id, grant_id, remaining_micros FROM "grant"
WHERE customer_id = ANY(%s::bigint[]) AND remaining_micros > 0 AND (expires_at IS NULL OR expires_at > %b)
ORDER BY customer_id, priority, expires_at NULLS LAST, grant_id
"""
_UPDATE_BALANCES = """
UPDATE balance AS b
SET prepaid_micros = b.prepaid_micros - d.prepaid, promo_micros = b.promo_micros - d.promo,
    last_transfer_number = d.number,
    attention_at = CASE WHEN d.crossed THEN coalesce(b.attention_at, %b) ELSE b.attention_at END
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[])
     AS d (customer_id, prepaid, promo, number, crossed)
WHERE b.customer_id = d.customer_id
"""
_UPDATE_GRANTS = """
UPDATE "grant" AS g SET remaining_micros = g.remaining_micros - d.taken
FROM unnest(%s::bigint[], %s::integer[], %s::bigint[]) AS d (customer_id, grant_id, taken)
WHERE g.customer_id = d.customer_id AND g.grant_id = d.grant_id
"""
_INSERT_TRANSFERS = """
INSERT INTO transfer (customer_id, number, kind, debit, credit, amount_micros, reference,
                      balance_after_micros, created_at)
SELECT t.customer_id, t.number, 'usage', t.debit, t.credit, t.amount, 'usage-' || t.number, t.balance, %b
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
     AS t (customer_id, number, debit, credit, amount, balance)
"""


class LockedBalance(msgspec.Struct, gc=False):
    """A balance under its lock, kept up to date while its customer's usage is debited. Micros."""

    customer_id: int
    prepaid_micros: int
    promo_micros: int
    held_micros: int
    receivable_micros: int
    overdraft_micros: int
    low_mark_micros: int | None
    attention_mark_micros: int | None
    is_suspended: bool
    last_transfer_number: int

    @property
    def available_micros(self) -> int:
        return self.prepaid_micros + self.promo_micros - self.held_micros

    @property
    def state(self) -> State:
        if self.is_suspended:
            return "suspended"
        available = self.available_micros
        spendable = available + max(0, self.overdraft_micros - self.receivable_micros)
        return state_of(available, spendable, self.low_mark_micros)


class OpenGrant(msgspec.Struct, gc=False):
    """A grant that may still pay."""

    grant_id: int
    remaining_micros: int


class UsageCharge(msgspec.Struct, gc=False):
    """What one period of one customer is charged in this commit; negative gives back.

    A charge that gives back says what the period has taken so far: from prepaid, and from each grant.
    """

    customer_id: int
    micros: int
    prepaid_taken_micros: int = 0
    grants_taken: Mapping[int, int] = {}


class Funding(msgspec.Struct, gc=False):
    """Where a charge came from; negative amounts went back. `grants` by grant id."""

    prepaid_micros: int
    grants: dict[int, int] = {}

    @property
    def promo_micros(self) -> int:
        return sum(self.grants.values())


@dataclass(slots=True)
class Debited:
    """The outcome: per charge its funding, per customer the transfer, and who fell through a mark."""

    fundings: list[Funding] = field(default_factory=list)
    transfer_numbers: dict[int, int] = field(default_factory=dict)
    crossed: list[int] = field(default_factory=list)


def array_of(values: Iterable[object]) -> str:
    """The literal of an array of numbers, dates or truth values: a tenth of what the driver's lists cost."""
    return "{" + ",".join(map(str, values)) + "}"


def driver_connection() -> Database:
    """The psycopg connection of the open unit of work."""
    return cast("Database", db.session.connection().connection.driver_connection)


def lock_for_debits(connection: Database, customer_ids: Collection[int]) -> dict[int, LockedBalance]:
    """Lock the balances that exist, in id order, and read them. First in every transaction."""
    return locked_balances(ask_for_locks(connection, customer_ids))


def ask_for_locks(connection: Database, customer_ids: Collection[int]) -> Cursor[TupleRow]:
    """The statement of `lock_for_debits`, for a pipeline; `locked_balances` takes its rows."""
    return connection.execute(_LOCK, (array_of(sorted(customer_ids)),), binary=True)


def locked_balances(rows: Cursor[TupleRow]) -> dict[int, LockedBalance]:
    """The balances that `ask_for_locks` locked."""
    balances = {row[0]: LockedBalance(*row) for row in rows}
    cast("set[int]", unit_notes().setdefault("locked_customers", set())).update(balances)
    return balances


def fund(charge: UsageCharge, grants: Sequence[OpenGrant]) -> Funding:
    """Split one charge over grants and prepaid; takes from `grants` in their order. Pure otherwise."""
    if charge.micros < 0:
        return _give_back(charge)
    left = charge.micros
    taken: dict[int, int] = {}
    for grant in grants:
        if left == 0:
            break
        share = min(left, grant.remaining_micros)
        if share:
            grant.remaining_micros -= share
            taken[grant.grant_id] = share
            left -= share
    return Funding(left, taken)


def _give_back(charge: UsageCharge) -> Funding:
    left = -charge.micros
    to_prepaid = min(left, max(0, charge.prepaid_taken_micros))
    left -= to_prepaid
    returned: dict[int, int] = {}
    for grant_id, taken in reversed(list(charge.grants_taken.items())):
        share = min(left, max(0, taken))
        if share:
            returned[grant_id] = -share
            left -= share
    return Funding(-to_prepaid - left, returned)


def debit_usage(
    connection: Database,
    balances: Mapping[int, LockedBalance],
    charges: Sequence[UsageCharge],
    now: datetime,
) -> Debited:
    """Take each charge from its customer's grants and prepaid. The balances must be locked here.

    Updates `balances` to what they are afterwards. `transfer_numbers` has no entry for a customer whose
    charges come to nothing.
    """
    grants = _open_grants(connection, balances, charges, now)
    debited = Debited()
    sums: dict[int, tuple[int, int]] = {}
    for charge in charges:
        funding = fund(charge, grants.get(charge.customer_id, ()))
        debited.fundings.append(funding)
        prepaid, promo = sums.get(charge.customer_id, (0, 0))
        sums[charge.customer_id] = (prepaid + funding.prepaid_micros, promo + funding.promo_micros)
    moved = {customer_id: sides for customer_id, sides in sums.items() if sides != (0, 0)}
    if moved:
        _write_transfers(connection, balances, moved, debited, now)
        _write_balances(connection, balances, moved, debited.crossed, now)
    _write_grants(connection, charges, debited.fundings)
    return debited


def _open_grants(
    connection: Database,
    balances: Mapping[int, LockedBalance],
    charges: Iterable[UsageCharge],
    now: datetime,
) -> dict[int, list[OpenGrant]]:
    ids = {c.customer_id for c in charges if c.micros > 0 and balances[c.customer_id].promo_micros > 0}
    grants: dict[int, list[OpenGrant]] = {}
    if ids:
        for customer_id, grant_id, remaining in connection.execute(
            _GRANTS, (array_of(ids), now), binary=True
        ):
            grants.setdefault(customer_id, []).append(OpenGrant(grant_id, remaining))
    return grants


def _write_transfers(
    connection: Database,
    balances: Mapping[int, LockedBalance],
    moved: Mapping[int, tuple[int, int]],
    debited: Debited,
    now: datetime,
) -> None:
    """One transfer per customer and side; brings the balances in memory up to date with them."""
    rows: list[tuple[int | str, ...]] = []
    for customer_id, (prepaid, promo) in moved.items():
        balance = balances[customer_id]
        before = balance.available_micros
        for side, micros in ((Side.PROMO, promo), (Side.PREPAID, prepaid)):
            if micros == 0:
                continue
            balance.last_transfer_number += 1
            if side is Side.PROMO:
                balance.promo_micros -= micros
            else:
                balance.prepaid_micros -= micros
            number = balance.last_transfer_number
            sides = (side, Side.UNBILLED_USAGE) if micros > 0 else (Side.UNBILLED_USAGE, side)
            after = balance.prepaid_micros + balance.promo_micros
            debit, credit = sides[0].value, sides[1].value
            rows.append((customer_id, number, debit, credit, abs(micros), after))
        debited.transfer_numbers[customer_id] = balance.last_transfer_number
        mark = balance.attention_mark_micros
        rose = balance.available_micros > before
        if mark is not None and (rose or before >= mark > balance.available_micros):
            debited.crossed.append(customer_id)
    # An INSERT, because a COPY cannot go along with other statements in a pipeline.
    connection.execute(_INSERT_TRANSFERS, (now, *(array_of(column) for column in zip(*rows, strict=True))))


def _write_balances(
    connection: Database,
    balances: Mapping[int, LockedBalance],
    moved: Mapping[int, tuple[int, int]],
    crossed: Collection[int],
    now: datetime,
) -> None:
    ids = list(moved)
    fell = set(crossed)
    connection.execute(
        _UPDATE_BALANCES,
        (
            now,
            array_of(ids),
            array_of([moved[customer_id][0] for customer_id in ids]),
            array_of([moved[customer_id][1] for customer_id in ids]),
            array_of([balances[customer_id].last_transfer_number for customer_id in ids]),
            array_of([customer_id in fell for customer_id in ids]),
        ),
    )


def _write_grants(connection: Database, charges: Sequence[UsageCharge], fundings: Sequence[Funding]) -> None:
    taken: dict[tuple[int, int], int] = {}
    for charge, funding in zip(charges, fundings, strict=True):
        for grant_id, micros in funding.grants.items():
            key = (charge.customer_id, grant_id)
            taken[key] = taken.get(key, 0) + micros
    changed = [(customer_id, grant_id, micros) for (customer_id, grant_id), micros in taken.items() if micros]
    if changed:
        connection.execute(_UPDATE_GRANTS, [array_of(column) for column in zip(*changed, strict=True)])

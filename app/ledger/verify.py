"""Verification: recompute balances from their transfers; check numbers, grants, holds and the chain of seals.

Reads only. Each difference is named; none means the books are right.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, case, func, select, text

from app.db import db
from app.ledger.models import BalanceRow, Grant, Hold, LedgerSeal, Transfer
from app.ledger.sealing import COVERED, FIRST_DIGEST, chain
from app.ledger.sides import Side


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it must be."""

    customer_id: int
    what: str
    stored: object
    recomputed: object

    def __str__(self) -> str:
        return f"customer {self.customer_id}: {self.what} is {self.stored}, recomputed {self.recomputed}"


@dataclass(frozen=True, slots=True)
class Verification:
    customers: int
    transfers: int
    differences: tuple[Difference, ...]


def verify_all() -> Verification:
    """Everything, in one snapshot, so that what is posted meanwhile is no difference."""
    db.session.rollback()
    db.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    try:
        differences = [*_balances(), *_running_balances(), *_grants(), *_holds(), *_seals()]
        customers = db.session.scalar(select(func.count()).select_from(BalanceRow)) or 0
        transfers = db.session.scalar(select(func.count()).select_from(Transfer)) or 0
    finally:
        db.session.rollback()
    return Verification(customers, transfers, tuple(differences))


def _sum_of(side: Side) -> Any:
    """A side's balance from the transfers: credit-positive, the receivable debit-positive."""
    sign = -1 if side is Side.RECEIVABLE else 1
    moved = case(
        (Transfer.credit == side.value, sign * Transfer.amount_micros),
        (Transfer.debit == side.value, -sign * Transfer.amount_micros),
        else_=0,
    )
    return func.coalesce(func.sum(moved), 0).label(side.value)


def _totals() -> Select[Any]:
    return (
        select(
            BalanceRow.customer_id,
            BalanceRow.prepaid_micros,
            BalanceRow.credits_micros,
            BalanceRow.promo_micros,
            BalanceRow.receivable_micros,
            BalanceRow.last_transfer_number,
            _sum_of(Side.PREPAID),
            _sum_of(Side.CREDITS),
            _sum_of(Side.PROMO),
            _sum_of(Side.RECEIVABLE),
            func.count(Transfer.number).label("transfers"),
            func.coalesce(func.max(Transfer.number), 0).label("last"),
        )
        .outerjoin(Transfer, Transfer.customer_id == BalanceRow.customer_id)
        .group_by(BalanceRow.customer_id)
    )


def _balances() -> Iterator[Difference]:
    for row in db.session.execute(_totals()):
        pairs = [
            ("prepaid", row.prepaid_micros, row.prepaid),
            ("credits", row.credits_micros, row.credits),
            ("promo", row.promo_micros, row.promo),
            ("receivable", row.receivable_micros, row.receivable),
            ("last transfer number", row.last_transfer_number, row.last),
            ("count of transfers", row.last_transfer_number, row.transfers),
        ]
        for what, stored, recomputed in pairs:
            if stored != recomputed:
                yield Difference(row.customer_id, what, stored, recomputed)


def _running_balances() -> Iterator[Difference]:
    moved = case(
        (Transfer.credit.in_(["prepaid", "promo"]), Transfer.amount_micros),
        else_=0,
    ) - case((Transfer.debit.in_(["prepaid", "promo"]), Transfer.amount_micros), else_=0)
    running = select(
        Transfer.customer_id,
        Transfer.number,
        Transfer.balance_after_micros,
        func.sum(moved).over(partition_by=Transfer.customer_id, order_by=Transfer.number).label("running"),
    ).subquery()
    wrong = select(running).where(running.c.running != running.c.balance_after_micros)
    for row in db.session.execute(wrong):
        yield Difference(
            row.customer_id, f"balance after transfer {row.number}", row.balance_after_micros, row.running
        )


def _grants() -> Iterator[Difference]:
    left = (
        select(Grant.customer_id, func.sum(Grant.remaining_micros).label("remaining"))
        .group_by(Grant.customer_id)
        .subquery()
    )
    query = (
        select(
            BalanceRow.customer_id, BalanceRow.promo_micros, func.coalesce(left.c.remaining, 0).label("left")
        )
        .outerjoin(left, left.c.customer_id == BalanceRow.customer_id)
        .where(BalanceRow.promo_micros != func.coalesce(left.c.remaining, 0))
    )
    for row in db.session.execute(query):
        yield Difference(row.customer_id, "promo beside its grants", row.promo_micros, row.left)


def _holds() -> Iterator[Difference]:
    held = (
        select(Hold.customer_id, func.sum(Hold.amount_micros).label("held"))
        .where(Hold.status == "open")
        .group_by(Hold.customer_id)
        .subquery()
    )
    open_holds = func.coalesce(held.c.held, 0)
    query = (
        select(BalanceRow.customer_id, BalanceRow.held_micros, open_holds.label("held"))
        .outerjoin(held, held.c.customer_id == BalanceRow.customer_id)
        .where(BalanceRow.held_micros != open_holds)
    )
    for row in db.session.execute(query):
        yield Difference(row.customer_id, "held beside its holds", row.held_micros, row.held)


def _seals() -> Iterator[Difference]:
    customers = db.session.scalars(select(LedgerSeal.customer_id).distinct().order_by(LedgerSeal.customer_id))
    for customer_id in customers.all():
        digest, through = FIRST_DIGEST, 0
        seals = db.session.execute(
            select(LedgerSeal.through_number, LedgerSeal.digest)
            .where(LedgerSeal.customer_id == customer_id)
            .order_by(LedgerSeal.through_number)
        ).all()
        for seal in seals:
            rows = db.session.execute(
                select(*COVERED)
                .where(
                    Transfer.customer_id == customer_id,
                    Transfer.number > through,
                    Transfer.number <= seal.through_number,
                )
                .order_by(Transfer.number)
            )
            digest, through = chain(digest, customer_id, rows), seal.through_number
            if digest != seal.digest:
                yield Difference(
                    customer_id, f"seal through {through}", seal.digest.hex()[:16], digest.hex()[:16]
                )
                break

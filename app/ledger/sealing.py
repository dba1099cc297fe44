"""Sealing: each customer's transfers hashed into a chain after the commit.

A seal's digest covers every transfer up to its number, so a transfer that is changed, dropped or put in
between later no longer fits the seals behind it.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.clock import utc_now
from app.db import db, in_unit_of_work
from app.ledger.models import BalanceRow, LedgerSeal, Transfer

FIRST_DIGEST: Final = b"\x00" * 32
COVERED: Final = (
    Transfer.number,
    Transfer.kind,
    Transfer.debit,
    Transfer.credit,
    Transfer.amount_micros,
    Transfer.reference,
    Transfer.balance_after_micros,
    Transfer.created_at,
)


def chain(digest: bytes, customer_id: int, transfers: Iterable[Any]) -> bytes:
    """The digest after these transfers (rows of COVERED, by number)."""
    for transfer in transfers:
        text = "|".join(
            [
                str(customer_id),
                str(transfer.number),
                transfer.kind,
                transfer.debit,
                transfer.credit,
                str(transfer.amount_micros),
                transfer.reference,
                str(transfer.balance_after_micros),
                transfer.created_at.isoformat(),
            ]
        )
        digest = hashlib.sha256(digest + text.encode()).digest()
    return digest


def seal_all() -> None:
    """Job: seal what has come since the last run, one customer at a time."""
    for customer_id in _unsealed():
        in_unit_of_work(seal, customer_id)


def seal(customer_id: int) -> None:
    """Add a seal over this customer's transfers so far. Two at once make the same seal."""
    last = db.session.execute(
        select(LedgerSeal.through_number, LedgerSeal.digest)
        .where(LedgerSeal.customer_id == customer_id)
        .order_by(LedgerSeal.through_number.desc())
        .limit(1)
    ).one_or_none()
    through, digest = (last.through_number, last.digest) if last else (0, FIRST_DIGEST)
    rows = db.session.execute(
        select(*COVERED)
        .where(Transfer.customer_id == customer_id, Transfer.number > through)
        .order_by(Transfer.number)
    ).all()
    if not rows:
        return
    db.session.execute(
        insert(LedgerSeal)
        .values(
            customer_id=customer_id,
            through_number=rows[-1].number,
            digest=chain(digest, customer_id, rows),
            sealed_at=utc_now(),
        )
        .on_conflict_do_nothing()
    )


def _unsealed() -> list[int]:
    sealed = (
        select(LedgerSeal.customer_id, func.max(LedgerSeal.through_number).label("through"))
        .group_by(LedgerSeal.customer_id)
        .subquery()
    )
    return list(
        db.session.scalars(
            select(BalanceRow.customer_id)
            .outerjoin(sealed, sealed.c.customer_id == BalanceRow.customer_id)
            .where(BalanceRow.last_transfer_number > func.coalesce(sealed.c.through, 0))
            .order_by(BalanceRow.customer_id)
        )
    )

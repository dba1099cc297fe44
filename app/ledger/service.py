"""Changing and reading balances. The lock on the balance row comes first in every money transaction.

`post_once` is how a credit happens exactly once: the reference is looked up under the customer's lock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from sqlalchemy import ColumnElement, and_, case, func, insert, select, text, update

from app import audit
from app.audit import Subject
from app.clock import utc_now
from app.db import among, db, unit_notes
from app.errors import Invalid, NotFound
from app.ledger.models import BalanceRow, Grant, Transfer
from app.ledger.sides import AVAILABLE_SIDES, Posting, Side, effects
from app.money import MAX_MICROS
from app.public_ids import new_public_id

HOUSE_CUSTOMER_ID: Final = 1
State = Literal["ok", "low", "exhausted", "suspended"]
_COLUMN: Final = {
    Side.PREPAID: "prepaid_micros",
    Side.CREDITS: "credits_micros",
    Side.PROMO: "promo_micros",
    Side.RECEIVABLE: "receivable_micros",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A customer's balance as it was read. All amounts in micros."""

    customer_id: int
    prepaid_micros: int
    credits_micros: int
    promo_micros: int
    held_micros: int
    receivable_micros: int
    overdraft_micros: int
    low_mark_micros: int | None
    attention_mark_micros: int | None
    suspended_at: datetime | None
    last_transfer_number: int

    @property
    def available_micros(self) -> int:
        return self.prepaid_micros + self.promo_micros - self.held_micros

    @property
    def spendable_micros(self) -> int:
        """What a new hold may take: the available balance and what is left of the overdraft."""
        return self.available_micros + max(0, self.overdraft_micros - self.receivable_micros)

    @property
    def state(self) -> State:
        if self.suspended_at is not None:
            return "suspended"
        return state_of(self.available_micros, self.spendable_micros, self.low_mark_micros)


def state_of(available_micros: int, spendable_micros: int, low_mark_micros: int | None) -> State:
    """`exhausted` when nothing is left to hold against, `low` below the mark."""
    if spendable_micros <= 0:
        return "exhausted"
    if low_mark_micros is not None and available_micros < low_mark_micros:
        return "low"
    return "ok"


_FIELDS = tuple(getattr(BalanceRow, name) for name in Balance.__dataclass_fields__)
# Written out: what programs ask most often costs half as much without putting the statement together.
_READ_ONE = text("""
SELECT customer_id, prepaid_micros, credits_micros, promo_micros, held_micros, receivable_micros,
       overdraft_micros, low_mark_micros, attention_mark_micros, suspended_at, last_transfer_number
FROM balance WHERE customer_id = :customer_id
""")


def open_balance(customer_id: int, *, low_mark_micros: int | None) -> None:
    """The empty balance every customer starts with."""
    db.session.execute(
        insert(BalanceRow).values(
            customer_id=customer_id,
            prepaid_micros=0,
            credits_micros=0,
            promo_micros=0,
            held_micros=0,
            receivable_micros=0,
            overdraft_micros=0,
            low_mark_micros=low_mark_micros,
            attention_mark_micros=low_mark_micros,
            last_transfer_number=0,
        )
    )


def lock_balances(customer_ids: Collection[int]) -> dict[int, Balance]:
    """Lock these customers' balance rows, in id order, and read them. Raises NotFound if one is missing.

    All else that belongs to a customer (periods, grants, top-ups, invoices) is read and changed under it.
    """
    rows = db.session.execute(
        select(*_FIELDS)
        .where(among(BalanceRow.customer_id, customer_ids))
        .order_by(BalanceRow.customer_id)
        .with_for_update(key_share=True)
    ).mappings()
    balances = {row["customer_id"]: Balance(**row) for row in rows}
    if len(balances) != len(set(customer_ids)):
        raise NotFound
    cast("set[int]", unit_notes().setdefault("locked_customers", set())).update(balances)
    return balances


def lock_balance(customer_id: int) -> Balance:
    return lock_balances([customer_id])[customer_id]


def get_balance(customer_id: int) -> Balance:
    """The balance now, without a lock. Raises NotFound."""
    row = db.session.execute(_READ_ONE, {"customer_id": customer_id}).mappings().one_or_none()
    if row is None:
        raise NotFound
    return Balance(**row)


def get_balances(customer_ids: Collection[int]) -> dict[int, Balance]:
    rows = db.session.execute(
        select(*_FIELDS).where(BalanceRow.customer_id.in_(set(customer_ids)))
    ).mappings()
    balances = {row["customer_id"]: Balance(**row) for row in rows}
    if len(balances) != len(set(customer_ids)):
        raise NotFound
    return balances


def post(posting: Posting) -> Transfer:
    """Move money. The customer's balance must be locked in this unit of work.

    Raises IntegrityError when the reference was used before: use `post_once` where that is expected.
    """
    if posting.customer_id not in unit_notes().get("locked_customers", ()):
        raise RuntimeError(f"balance {posting.customer_id} is changed without its lock")
    deltas = effects(posting.debit, posting.credit, posting.amount_micros)
    changes = {
        _COLUMN[side]: getattr(BalanceRow, _COLUMN[side]) + delta for side, delta in deltas.items()
    } | _attention(posting, sum(deltas.get(side, 0) for side in AVAILABLE_SIDES))
    row = db.session.execute(
        update(BalanceRow)
        .where(BalanceRow.customer_id == posting.customer_id)
        .values(last_transfer_number=BalanceRow.last_transfer_number + 1, **changes)
        .returning(BalanceRow.last_transfer_number, BalanceRow.prepaid_micros, BalanceRow.promo_micros)
        .execution_options(synchronize_session=False)
    ).one()
    transfer = Transfer(
        customer_id=posting.customer_id,
        number=row.last_transfer_number,
        kind=posting.kind,
        debit=posting.debit.value,
        credit=posting.credit.value,
        amount_micros=posting.amount_micros,
        reference=posting.reference,
        balance_after_micros=row.prepaid_micros + row.promo_micros,
        created_at=utc_now(),
    )
    db.session.add(transfer)
    db.session.flush()
    return transfer


def _attention(posting: Posting, by_micros: int) -> dict[str, ColumnElement[Any]]:
    """Whether a balance that moves without usage asks for a look: one that rises, or falls through its mark.

    Marks lie below the balance, so one that rises needs a look to find its next.
    """
    noted = func.coalesce(BalanceRow.attention_at, utc_now())
    if posting.credit in AVAILABLE_SIDES:
        return {"attention_at": noted}
    if by_micros == 0:
        return {}
    mark = BalanceRow.attention_mark_micros
    available = BalanceRow.prepaid_micros + BalanceRow.promo_micros - BalanceRow.held_micros
    fell = and_(available >= mark, available + by_micros < mark)
    return {"attention_at": case((fell, noted), else_=BalanceRow.attention_at)}


def post_once(posting: Posting) -> Transfer | None:
    """Move money unless this reference has moved it already; None then."""
    if find_transfer(posting.customer_id, posting.reference) is not None:
        return None
    return post(posting)


def find_transfer(customer_id: int, reference: str) -> Transfer | None:
    return db.session.scalars(
        select(Transfer).where(Transfer.customer_id == customer_id, Transfer.reference == reference)
    ).one_or_none()


def moved_under(customer_id: int, references: Collection[str], side: Side) -> int:
    """Micros that the transfers of these references added to a side, less what they took from it."""
    signed = case((Transfer.credit == side.value, Transfer.amount_micros), else_=0) - case(
        (Transfer.debit == side.value, Transfer.amount_micros), else_=0
    )
    query = select(func.coalesce(func.sum(signed), 0)).where(
        Transfer.customer_id == customer_id, Transfer.reference.in_(references)
    )
    return int(db.session.scalar(query) or 0)


def grant(
    customer_id: int,
    amount_micros: int,
    *,
    reason: str,
    reference: str,
    expires_at: datetime | None = None,
    priority: int = 100,
) -> Grant:
    """Give promotional credit, once per reference: a second call answers the first grant.

    Raises Invalid when the amount is not positive or the expiry lies in the past.
    """
    if amount_micros <= 0:
        raise Invalid(field="amount")
    if expires_at is not None and expires_at <= utc_now():
        raise Invalid(field="expires_at")
    lock_balance(customer_id)
    mine = select(Grant).where(Grant.customer_id == customer_id)
    existing = db.session.scalars(mine.where(Grant.reference == reference)).one_or_none()
    if existing is not None:
        return existing
    last = db.session.scalars(mine.order_by(Grant.grant_id.desc()).limit(1)).one_or_none()
    given = Grant(
        customer_id=customer_id,
        grant_id=(last.grant_id if last else 0) + 1,
        public_id=new_public_id("gr", customer_id),
        amount_micros=amount_micros,
        remaining_micros=amount_micros,
        priority=priority,
        expires_at=expires_at,
        reason=reason,
        reference=reference,
        created_at=utc_now(),
    )
    db.session.add(given)
    post(
        Posting(
            customer_id=customer_id,
            kind="grant",
            debit=Side.PROMOTIONS,
            credit=Side.PROMO,
            amount_micros=amount_micros,
            reference=f"grant-{given.grant_id}",
        )
    )
    audit.note(
        "balance.granted",
        Subject("grant", given.public_id, customer_id),
        after={"amount_micros": amount_micros, "reason": reason, "expires_at": expires_at},
    )
    return given


def expire_grants(customer_id: int) -> int:
    """Take back what is left of grants that have expired. Answers the micros taken; again is harmless."""
    lock_balance(customer_id)
    expired = db.session.scalars(
        select(Grant).where(
            Grant.customer_id == customer_id, Grant.remaining_micros > 0, Grant.expires_at <= utc_now()
        )
    ).all()
    taken = 0
    for gone in expired:
        left = gone.remaining_micros
        gone.remaining_micros = 0
        # A void may put credit back into an expired grant, so one grant can lapse more than once.
        times = db.session.scalars(
            select(Transfer.number).where(
                Transfer.customer_id == customer_id,
                Transfer.reference.startswith(f"grant-{gone.grant_id}-expired-"),
            )
        ).all()
        post(
            Posting(
                customer_id=customer_id,
                kind="grant_expired",
                debit=Side.PROMO,
                credit=Side.PROMOTIONS,
                amount_micros=left,
                reference=f"grant-{gone.grant_id}-expired-{len(times) + 1}",
            )
        )
        taken += left
    return taken


def customers_with_expired_grants(limit: int = 1000) -> list[int]:
    return list(
        db.session.scalars(
            select(Grant.customer_id)
            .where(Grant.remaining_micros > 0, Grant.expires_at <= utc_now())
            .distinct()
            .limit(limit)
        )
    )


def grants(customer_id: int) -> list[Grant]:
    """All grants, the newest first."""
    return list(
        db.session.scalars(
            select(Grant).where(Grant.customer_id == customer_id).order_by(Grant.grant_id.desc())
        )
    )


def set_marks(customer_id: int, *, low_mark_micros: int | None, attention_mark_micros: int | None) -> None:
    """Below `low_mark` the state is `low`; what falls through `attention_mark` asks for a look."""
    db.session.execute(
        update(BalanceRow)
        .where(BalanceRow.customer_id == customer_id)
        .values(low_mark_micros=low_mark_micros, attention_mark_micros=attention_mark_micros)
    )


def set_overdraft(customer_id: int, overdraft_micros: int) -> None:
    """How far below zero holds may reach; usage that happened is recorded whatever it is. Raises Invalid."""
    if not 0 <= overdraft_micros <= MAX_MICROS:
        raise Invalid(field="amount")
    before = lock_balance(customer_id)
    db.session.execute(
        update(BalanceRow)
        .where(BalanceRow.customer_id == customer_id)
        .values(overdraft_micros=overdraft_micros)
        .execution_options(synchronize_session=False)
    )
    if before.overdraft_micros != overdraft_micros:
        audit.note(
            "balance.overdraft",
            Subject("balance", "", customer_id),
            before={"overdraft_micros": before.overdraft_micros},
            after={"overdraft_micros": overdraft_micros},
        )


def clear_attention(customer_id: int) -> None:
    """The look that `attention_at` asked for is being taken."""
    db.session.execute(
        update(BalanceRow).where(BalanceRow.customer_id == customer_id).values(attention_at=None)
    )


def customers_wanting_attention(limit: int = 1000) -> list[int]:
    """Customers whose crossing was noted and not yet looked at, the oldest first."""
    return list(
        db.session.scalars(
            select(BalanceRow.customer_id)
            .where(BalanceRow.attention_at.is_not(None))
            .order_by(BalanceRow.attention_at)
            .limit(limit)
        )
    )

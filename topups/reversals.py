"""Refunds and chargebacks: each is posted once, by its own id, whatever the payment's status says.

A refund counts from its first sighting; one that fails or is cancelled later is credited back. A chargeback
takes the money off the balance, below zero if need be, and stops automatic top-up; one that Mollie reverses
is credited back once.

Of a payment with a fee the balance got only the amount. What leaves is taken from the balance first, up to
that amount, then from the fee, in a transfer of its own; what returns goes back to where it was taken from.
"""

from collections.abc import Sequence

from sqlalchemy import Select, func, select

from app.clock import utc_now
from app.db import db
from app.ledger.service import find_transfer, moved_under, post_once
from app.ledger.sides import Posting, Side
from app.public_ids import new_public_id
from topups import auto, fees, notices, subscriptions
from topups.facts import ChargebackFacts, RefundFacts
from topups.models import Chargeback, Refund, TopUp
from topups.states import REFUND_MOVES, REFUND_UNANSWERED, REFUND_VOID, RefundStatus, refund_moved


def apply(top_up: TopUp, refunds: Sequence[RefundFacts], chargebacks: Sequence[ChargebackFacts] = ()) -> bool:
    """Post what is new among these refunds and chargebacks; whether there was anything to look at.

    The balance and the top-up are locked. A row is written with its posting: what it says has been posted.
    """
    known = _refund_rows(top_up) if refunds else {}
    new_refunds = [one for one in refunds if known.get(one.mollie_refund_id) is not one.status]
    for refund in new_refunds:
        _apply_refund(top_up, refund)
    for chargeback in chargebacks:
        _apply_chargeback(top_up, chargeback)
    if new_refunds or chargebacks:
        db.session.flush()
        top_up.refunded_micros = _total(
            select(func.sum(Refund.amount_micros)).where(
                Refund.customer_id == top_up.customer_id,
                Refund.top_up_id == top_up.top_up_id,
                Refund.status.not_in(REFUND_VOID | REFUND_UNANSWERED),
            )
        )
        top_up.charged_back_micros = _total(
            select(func.sum(Chargeback.amount_micros)).where(
                Chargeback.customer_id == top_up.customer_id,
                Chargeback.top_up_id == top_up.top_up_id,
                Chargeback.reversed_at.is_(None),
            )
        )
    return bool(new_refunds or chargebacks)


def _refund_rows(top_up: TopUp) -> dict[str | None, RefundStatus]:
    rows = db.session.execute(
        select(Refund.mollie_refund_id, Refund.status).where(
            Refund.customer_id == top_up.customer_id, Refund.top_up_id == top_up.top_up_id
        )
    )
    return {row.mollie_refund_id: row.status for row in rows}


def _total(query: Select[int]) -> int:
    return int(db.session.scalar(query) or 0)


def _apply_refund(top_up: TopUp, facts: RefundFacts) -> None:
    now = utc_now()
    row = _refund_row(top_up, facts)
    if row is None:
        row = Refund(
            customer_id=top_up.customer_id,
            refund_id=new_public_id("rf", top_up.customer_id),
            top_up_id=top_up.top_up_id,
            mollie_refund_id=facts.mollie_refund_id,
            amount_micros=facts.amount_micros,
            status=facts.status,
            forced=False,
            looks=0,
            created_at=now,
            updated_at=now,
        )
        db.session.add(row)
    elif facts.status in REFUND_MOVES[row.status]:
        row.status, row.updated_at = refund_moved(row.status, facts.status), now
    elif row.status is not facts.status:
        return  # an old answer
    row.mollie_refund_id, row.look_at = facts.mollie_refund_id, None
    reference = f"refund-{facts.mollie_refund_id}"
    if not facts.counts:
        _returns(top_up, "refund_failed", f"{reference}-failed")
    elif _leaves(top_up, "refund", facts.amount_micros, reference):
        notices.refunded(top_up, facts)


def _refund_row(top_up: TopUp, facts: RefundFacts) -> Refund | None:
    """The row of this refund: known by Mollie's id, or asked for by us and not heard of yet."""
    mine = select(Refund).where(
        Refund.customer_id == top_up.customer_id, Refund.top_up_id == top_up.top_up_id
    )
    seen = db.session.scalars(mine.where(Refund.mollie_refund_id == facts.mollie_refund_id)).one_or_none()
    if seen is not None or facts.refund_id is None:
        return seen
    asked_for = mine.where(Refund.refund_id == facts.refund_id, Refund.mollie_refund_id.is_(None))
    return db.session.scalars(asked_for).one_or_none()


def _apply_chargeback(top_up: TopUp, facts: ChargebackFacts) -> None:
    row = db.session.get(Chargeback, (top_up.customer_id, facts.chargeback_id))
    if row is None:
        row = Chargeback(
            customer_id=top_up.customer_id,
            chargeback_id=facts.chargeback_id,
            top_up_id=top_up.top_up_id,
            amount_micros=facts.amount_micros,
            reason_code=facts.reason_code,
            created_at=utc_now(),
        )
        db.session.add(row)
        reference = f"chargeback-{facts.chargeback_id}"
        if _leaves(top_up, "chargeback", facts.amount_micros, reference) and facts.reversed_at is None:
            auto.charged_back(top_up, facts.reason_code)
            notices.charged_back(top_up, facts)
    if facts.reversed_at is not None and row.reversed_at is None:
        row.reversed_at = facts.reversed_at
        reference = f"chargeback-{facts.chargeback_id}-reversed"
        _returns(top_up, "chargeback_reversed", reference)


def _leaves(top_up: TopUp, kind: str, amount_micros: int, reference: str) -> bool:
    """Take money off the balance, and off the fee what the balance never got; once."""
    if _taken(top_up, reference):
        return False
    fee_micros = _fee_share(top_up, amount_micros)
    fees.post_taken_back(top_up, fee_micros, reference)
    share_micros = amount_micros - fee_micros
    if share_micros > 0:
        post_once(
            Posting(
                customer_id=top_up.customer_id,
                kind=kind,
                debit=Side.PREPAID,
                credit=Side.PSP,
                amount_micros=share_micros,
                reference=reference,
            )
        )
        subscriptions.money_left(top_up.customer_id, top_up.top_up_id, share_micros)
    auto.look_again(top_up.customer_id)
    return True


def _returns(top_up: TopUp, kind: str, reference: str) -> None:
    """Give the money back to where it was taken from, once, if it was taken."""
    taken = _taken(top_up, reference.rpartition("-")[0])
    if not taken or _taken(top_up, reference):
        return
    fees.post_given_back(top_up, taken.get(Side.FEES, 0), reference)
    share_micros = taken.get(Side.PREPAID, 0)
    if share_micros > 0:
        post_once(
            Posting(
                customer_id=top_up.customer_id,
                kind=kind,
                debit=Side.PSP,
                credit=Side.PREPAID,
                amount_micros=share_micros,
                reference=reference,
            )
        )
        subscriptions.money_arrived(top_up.customer_id, top_up.top_up_id, share_micros)


def _taken(top_up: TopUp, reference: str) -> dict[Side, int]:
    """What this reversal moved, by the side it came from or went to; nothing when it is not posted."""
    moved = {Side.PREPAID: find_transfer(top_up.customer_id, reference)}
    if top_up.fee_micros:
        moved[Side.FEES] = find_transfer(top_up.customer_id, fees.reference_of(reference))
    return {side: transfer.amount_micros for side, transfer in moved.items() if transfer is not None}


def _fee_share(top_up: TopUp, amount_micros: int) -> int:
    """How much of a reversal the fee bears: what the balance did not get, at most what is left of the fee.

    Money that left twice, refunded and then charged back, is owed by the customer: the balance bears it.
    """
    if top_up.fee_micros == 0:
        return 0
    references = _references(top_up)
    of_balance = top_up.amount_micros + moved_under(top_up.customer_id, references, Side.PREPAID)
    of_fee = top_up.fee_micros + moved_under(
        top_up.customer_id, [fees.reference_of(reference) for reference in references], Side.FEES
    )
    return min(max(0, amount_micros - max(0, of_balance)), max(0, of_fee))


def _references(top_up: TopUp) -> list[str]:
    """Under what a reversal of this payment may have been posted."""
    refunds = db.session.scalars(
        select(Refund.mollie_refund_id).where(
            Refund.customer_id == top_up.customer_id,
            Refund.top_up_id == top_up.top_up_id,
            Refund.mollie_refund_id.is_not(None),
        )
    )
    chargebacks = db.session.scalars(
        select(Chargeback.chargeback_id).where(
            Chargeback.customer_id == top_up.customer_id, Chargeback.top_up_id == top_up.top_up_id
        )
    )
    references = [(f"refund-{one}", "-failed") for one in refunds]
    references += [(f"chargeback-{one}", "-reversed") for one in chargebacks]
    return [name for taken, returned in references for name in (taken, f"{taken}{returned}")]

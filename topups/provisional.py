"""Provisional credit: part of a pending direct debit may be spent before it has settled.

Off unless the customer has a limit. It is its own kind of transfer, psp_pending → prepaid, and is reversed
in the transaction in which the debit settles or fails, so it never stands beside the money itself.
"""

from sqlalchemy import Select, func, select

from app.customers.service import get_customer
from app.db import db
from app.ledger.service import post_once
from app.ledger.sides import Posting, Side
from topups.models import TopUp


def outstanding(customer_id: int) -> Select[int]:
    """The sum of the provisional credit that has not been reversed yet; NULL where there is none."""
    return select(func.sum(TopUp.provisional_micros)).where(
        TopUp.customer_id == customer_id, TopUp.provisional_micros > 0
    )


def outstanding_micros(customer_id: int) -> int:
    """Provisional credit that has not been reversed yet."""
    return int(db.session.scalar(outstanding(customer_id)) or 0)


def give(top_up: TopUp) -> None:
    """Credit a pending debit provisionally, as far as the customer's limit leaves room."""
    limit_micros = get_customer(top_up.customer_id).provisional_limit_micros
    if top_up.purpose != "balance" or top_up.sequence_type != "recurring" or limit_micros <= 0:
        return
    room_micros = limit_micros - outstanding_micros(top_up.customer_id)
    amount_micros = min(room_micros, top_up.amount_micros)
    if amount_micros <= 0:
        return
    given = post_once(
        Posting(
            customer_id=top_up.customer_id,
            kind="provisional",
            debit=Side.PSP_PENDING,
            credit=Side.PREPAID,
            amount_micros=amount_micros,
            reference=f"topup-{top_up.top_up_id}-provisional",
        )
    )
    if given is not None:
        top_up.provisional_micros = amount_micros


def take_back(top_up: TopUp) -> None:
    """Reverse what was given, if anything was."""
    if top_up.provisional_micros == 0:
        return
    post_once(
        Posting(
            customer_id=top_up.customer_id,
            kind="provisional_reversal",
            debit=Side.PREPAID,
            credit=Side.PSP_PENDING,
            amount_micros=top_up.provisional_micros,
            reference=f"topup-{top_up.top_up_id}-provisional-reversed",
        )
    )
    top_up.provisional_micros = 0

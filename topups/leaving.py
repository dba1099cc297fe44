"""A customer leaves: nothing is charged any more, and what is left of the prepaid money goes back.

It goes back to where it came from, the newest payments first, as refunds; promotional credit is no money, and
what is owed on invoices stays here. Doing it again sends back what has come free since.
"""

from dataclasses import dataclass

from sqlalchemy import select

from app.clock import utc_now
from app.customers.models import Customer
from app.customers.service import get_customer
from app.db import db
from app.jobs import enqueue
from app.ledger.service import lock_balance
from topups import refunding, rules
from topups.models import Refund, TopUp
from topups.states import Status

_MICROS_PER_CENT = 10_000


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """What a customer gets back. `left_micros` belongs to no payment that can be refunded: staff pays it."""

    refunds: tuple[Refund, ...]
    left_micros: int

    @property
    def going_back_micros(self) -> int:
        return sum(refund.amount_micros for refund in self.refunds)


def close(customer_id: int) -> Leaving:
    """Close the customer, switch automatic top-up off, pay back. In a unit of work; jobs send the money."""
    balance = lock_balance(customer_id)
    customer: Customer = get_customer(customer_id)
    customer.status = "closed"
    rules.switch_off(customer_id)
    left_micros = refunding.spare_micros(balance) - balance.receivable_micros
    left_micros = max(0, left_micros) // _MICROS_PER_CENT * _MICROS_PER_CENT
    made: list[Refund] = []
    for top_up in _paid(customer_id):
        share_micros = min(left_micros, refunding.refundable_micros(top_up))
        if share_micros > 0:
            key = f"close:{top_up.top_up_id}:{utc_now():%Y%m%d%H%M%S%f}"
            refund = refunding.new_refund(top_up, share_micros, key)
            enqueue("topups.jobs.send_refund", refund.refund_id)
            made.append(refund)
            left_micros -= share_micros
    return Leaving(refunds=tuple(made), left_micros=left_micros)


def _paid(customer_id: int) -> list[TopUp]:
    """What was received, the newest first, locked."""
    return list(
        db.session.scalars(
            select(TopUp)
            .where(
                TopUp.customer_id == customer_id,
                TopUp.status == Status.PAID,
                TopUp.mollie_payment_id.is_not(None),
                TopUp.purpose == "balance",
            )
            .order_by(TopUp.ended_at.desc(), TopUp.top_up_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )

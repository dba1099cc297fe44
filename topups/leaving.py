"""A customer leaves: nothing is charged any more, and what is left of the prepaid money goes back.

What was paid ahead comes back by the day; that, and credits, are part of what is left. It goes back to where
it came from, the newest payments first, as refunds; promotional credit is no money. Who
still owes an invoice, or whose payment is on its way, cannot leave yet. Jobs send the money and withdraw the
mandates; a sweep finds what they left. Doing it again sends back what has come free since.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import func, select

from app.clock import utc_now
from app.customers.models import Customer
from app.customers.service import end_api_keys, get_customer
from app.db import db
from app.jobs import enqueue
from app.ledger.service import Balance, get_balance, lock_balance
from topups import mandates, pay_links, refunding, rules
from topups.errors import InvoicesOpen, PaymentsUnderWay
from topups.models import Refund, TopUp
from topups.states import UNDER_WAY, Status
from topups.subscriptions import PaidAhead, end_agreements, paid_ahead

_MICROS_PER_CENT = 10_000


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """What a customer gets back. `left_micros` belongs to no payment that can be refunded: staff pays it."""

    refunds: tuple[Refund, ...]
    left_micros: int

    @property
    def going_back_micros(self) -> int:
        return sum(refund.amount_micros for refund in self.refunds)


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """What closing this customer would do, before it is done. `obstacle` says why it cannot be.

    `balance` is as it would be then, before anything is paid back.
    """

    balance: Balance
    ahead: PaidAhead
    going_back_micros: int
    left_micros: int
    methods: int
    links: int
    obstacle: PaymentsUnderWay | InvoicesOpen | None


def prospect(customer_id: int) -> Prospect:
    """What would be paid back, and what would stay. Reads only."""
    ahead = paid_ahead(customer_id)
    balance = _with_credits(get_balance(customer_id), ahead.credit_micros)
    shares, left_micros = _shares(balance, _paid(customer_id))
    methods, links = _count(customer_id)
    return Prospect(
        balance=balance,
        ahead=ahead,
        going_back_micros=sum(micros for _, micros in shares),
        left_micros=left_micros,
        methods=methods,
        links=links,
        obstacle=_obstacle(get_customer(customer_id), balance),
    )


def _count(customer_id: int) -> tuple[int, int]:
    """How many payment methods and links that work there are."""
    methods = select(func.count()).where(*mandates.usable(customer_id)).scalar_subquery()
    links = select(func.count()).where(*pay_links.working(customer_id)).scalar_subquery()
    found = db.session.execute(select(methods, links)).one()
    return found[0], found[1]


def close(customer_id: int) -> Leaving:
    """Close the customer, end what could charge it, pay back. In a unit of work; jobs call Mollie.

    Raises PaymentsUnderWay, InvoicesOpen; neither for a customer that is closed already.
    """
    lock_balance(customer_id)
    customer: Customer = get_customer(customer_id)
    lasts = end_agreements(customer_id)
    balance = get_balance(customer_id)
    obstacle = _obstacle(customer, balance)
    if obstacle is not None:
        raise obstacle
    customer.status = "closed"
    rules.switch_off(customer_id)
    pay_links.end_all(customer_id)
    end_api_keys(customer_id)
    enqueue("topups.jobs.withdraw_mandates", customer_id)
    shares, left_micros = _shares(balance, _paid(customer_id, locked=True))
    made: list[Refund] = []
    for top_up, share_micros in shares:
        key = f"close:{top_up.top_up_id}:{utc_now():%Y%m%d%H%M%S%f}"
        refund = refunding.new_refund(top_up, share_micros, key)
        enqueue("topups.jobs.send_refund", refund.refund_id)
        made.append(refund)
    for last in lasts:
        last()
    return Leaving(refunds=tuple(made), left_micros=left_micros)


def withdraw_mandates(customer_id: int) -> None:
    """Withdraw all mandates of a closed customer at Mollie. Called outside a transaction; again is harmless.

    Raises GatewayError.
    """
    if get_customer(customer_id).status != "closed":
        return
    mandates.sync_mandates(customer_id)
    for method in mandates.payment_methods(customer_id):
        mandates.revoke(customer_id, method.payment_method_id)


def _obstacle(customer: Customer, balance: Balance) -> PaymentsUnderWay | InvoicesOpen | None:
    """A checkout that nobody has paid is none: should it be paid after all, closing again sends it back."""
    if customer.status == "closed":
        return None
    under_way = select(TopUp.top_up_id).where(
        TopUp.customer_id == customer.customer_id, TopUp.status.in_(UNDER_WAY), TopUp.purpose != "method"
    )
    if db.session.scalars(under_way.limit(1)).first() is not None:
        return PaymentsUnderWay()
    return InvoicesOpen() if balance.receivable_micros > 0 else None


def _with_credits(balance: Balance, coming_micros: int) -> Balance:
    """As it is once credits, those that come included, have paid what is open and gone to the balance."""
    credits_micros = balance.credits_micros + coming_micros
    paid_micros = min(credits_micros, max(0, balance.receivable_micros))
    return replace(
        balance,
        prepaid_micros=balance.prepaid_micros + credits_micros - paid_micros,
        credits_micros=0,
        receivable_micros=balance.receivable_micros - paid_micros,
    )


def _shares(balance: Balance, paid: Iterable[TopUp]) -> tuple[list[tuple[TopUp, int]], int]:
    """What each payment gives back, and what belongs to none of them, in whole cents."""
    left_micros = refunding.spare_micros(balance) - balance.receivable_micros
    left_micros = max(0, left_micros) // _MICROS_PER_CENT * _MICROS_PER_CENT
    shares: list[tuple[TopUp, int]] = []
    refunds = refunding.refunds_by_payment(balance.customer_id)
    for top_up in paid:
        of_it = refunds.get(top_up.top_up_id, ())
        share_micros = min(left_micros, refunding.refundable_micros(top_up, refunds=of_it))
        if share_micros > 0:
            shares.append((top_up, share_micros))
            left_micros -= share_micros
    return shares, left_micros


def _paid(customer_id: int, *, locked: bool = False) -> list[TopUp]:
    """What was received, the newest first."""
    query = (
        select(TopUp)
        .where(
            TopUp.customer_id == customer_id,
            TopUp.status == Status.PAID,
            TopUp.mollie_payment_id.is_not(None),
            TopUp.purpose == "balance",
        )
        .order_by(TopUp.ended_at.desc(), TopUp.top_up_id)
    )
    if locked:
        query = query.with_for_update().execution_options(populate_existing=True)
    return list(db.session.scalars(query))

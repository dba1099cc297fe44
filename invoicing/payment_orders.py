"""Orders to pay: what a payment is for, kept before it is asked for, so that money that comes knows its way.

An order names its invoices, the oldest first, and how much of each. Under the balance's lock it is checked
against what is outstanding and against payments under way, so nobody pays the same part twice. It is not the
payment: that is the top-up with the same request key, which is made once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, select

from app.clock import utc_now
from app.db import db
from app.errors import Invalid
from app.i18n import money
from app.ledger.service import lock_balance
from app.money import MICROS_PER_CENT
from app.once import once_per_page
from invoicing.due import allocate
from invoicing.dunning_models import PaymentOrder, PaymentOrderShare
from invoicing.errors import NothingToPay, PaymentUnderWay, PaysTooMuch, UnknownInvoice
from invoicing.models import INVOICE, Invoice, is_named
from invoicing.wording import gettext
from topups import service as topups
from topups.errors import RequestKeyReused
from topups.service import MoneyUnderWay

# A part is not smaller than this, unless no more is left: each payment costs something.
LEAST_PART_MICROS: Final = 1_000_000
# A charge is asked for right after its order; one without a payment by then has lost its process.
HOLDS_ITS_PLACE: Final = timedelta(minutes=2)
MOST_AT_ONCE: Final = 100
# Begins the key of a payment that may be for more than the one invoice that its own row names.
SEVERAL: Final = "several:"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWish:
    """What somebody wants to pay: these invoices, whole (no amount) or in part, now or at a checkout."""

    customer_id: int
    request_key: str
    numbers: tuple[str, ...]
    amount_micros: int | None = None
    payment_method_id: str | None = None


@dataclass(frozen=True, slots=True)
class Payable:
    """What of an invoice can be paid now: what is outstanding less what is under way."""

    invoice: Invoice
    under_way_micros: int

    @property
    def micros(self) -> int:
        return max(0, self.invoice.outstanding_micros - self.under_way_micros)


def place(wish: OrderWish) -> PaymentOrder:
    """Keep the order, once per request key. In a unit of work.

    Raises UnknownInvoice, NothingToPay, PaymentUnderWay, PaysTooMuch, Invalid, RequestKeyReused.
    """
    lock_balance(wish.customer_id)
    invoices = _locked(wish.customer_id, wish.numbers)
    known = db.session.get(PaymentOrder, (wish.customer_id, wish.request_key), populate_existing=True)
    if known is not None:
        return _again(known, wish, invoices)
    payables = payable(wish.customer_id, invoices)
    amount_micros = checked_amount(payables, wish.amount_micros)
    order = PaymentOrder(
        customer_id=wish.customer_id,
        request_key=wish.request_key,
        payment_method_id=wish.payment_method_id,
        amount_micros=amount_micros,
        ordered_at=utc_now(),
    )
    db.session.add(order)
    db.session.flush()
    shares = allocate(amount_micros, [one.micros for one in payables])
    paid = [(one, share) for one, share in zip(payables, shares, strict=True) if share]
    for position, (one, share) in enumerate(paid):
        db.session.add(
            PaymentOrderShare(
                customer_id=wish.customer_id,
                request_key=wish.request_key,
                position=position,
                invoice_id=one.invoice.invoice_id,
                amount_micros=share,
            )
        )
    db.session.flush()
    return order


def checked_amount(payables: Sequence[Payable], amount_micros: int | None) -> int:
    """The amount to pay: all that can be paid unless less is wanted.

    Raises NothingToPay, PaymentUnderWay, PaysTooMuch, Invalid.
    """
    most = sum(one.micros for one in payables)
    is_under_way = any(one.under_way_micros for one in payables)
    if most == 0:
        raise PaymentUnderWay if is_under_way else NothingToPay
    wanted = most if amount_micros is None else amount_micros
    if wanted > most:
        if is_under_way:
            raise PaymentUnderWay(field="amount")
        raise PaysTooMuch(
            gettext("This is more than the %(amount)s that is to be paid.", amount=money(most)),
            field="amount",
        )
    least = min(LEAST_PART_MICROS, most)
    if wanted < least or wanted % MICROS_PER_CENT:
        raise Invalid(
            gettext("Enter an amount from %(least)s to %(most)s.", least=money(least), most=money(most)),
            field="amount",
        )
    return wanted


def payable(customer_id: int, invoices: Sequence[Invoice], *, but_for: str | None = None) -> list[Payable]:
    """What of these invoices can be paid now, beside what other orders hold a place for."""
    taken = dict(all_under_way(customer_id))
    for number, micros in _held_places(customer_id, but_for).items():
        taken[number] = taken.get(number, 0) + micros
    return [Payable(invoice, sum(taken.get(name, 0) for name in invoice.names)) for invoice in invoices]


def key_of(request_key: str, numbers: Collection[str]) -> str:
    """The request key of a payment for these invoices: it says whether they are several."""
    return f"{SEVERAL}{request_key}" if len(set(numbers)) > 1 else request_key


def note_payment(customer_id: int, request_key: str, top_up_id: str | None) -> None:
    """The payment that came of an order, or that none did. In a unit of work."""
    order = db.session.get(PaymentOrder, (customer_id, request_key))
    if order is None:
        return
    order.top_up_id = top_up_id or order.top_up_id
    order.given_up_at = None if order.top_up_id else utc_now()


def invoices_of(customer_id: int, request_key: str) -> list[str]:
    """The numbers that the payment with this key is for, in the order in which it settles them."""
    return list(_numbers_of([(customer_id, request_key)]).get((customer_id, request_key), {}))


@once_per_page
def all_under_way(customer_id: int) -> Mapping[str, int]:
    """Per invoice number the micros that this customer's payments under way will bring."""
    return _under_way({customer_id: topups.payments_under_way(customer_id)}).get(customer_id, {})


def under_way_of(customer_ids: Collection[int] | None = None) -> dict[int, dict[str, int]]:
    """The same of several customers, or of all; of those that have any."""
    return _under_way(topups.payments_under_way_of(customer_ids))


def _under_way(payments: Mapping[int, Iterable[MoneyUnderWay]]) -> dict[int, dict[str, int]]:
    """Per customer and invoice number the micros that payments under way will bring."""
    mine = [(owner, one) for owner, theirs in payments.items() for one in theirs if one.invoice_number]
    several = [(owner, one.request_key) for owner, one in mine if one.request_key.startswith(SEVERAL)]
    ordered = _numbers_of(several) if several else {}
    found: dict[int, dict[str, int]] = {}
    for owner, one in mine:
        sums = found.setdefault(owner, {})
        alone = {str(one.invoice_number): one.amount_micros}
        for number, micros in ordered.get((owner, one.request_key), alone).items():
            sums[number] = sums.get(number, 0) + micros
    return found


def _locked(customer_id: int, numbers: Collection[str]) -> list[Invoice]:
    """These invoices of the customer, the oldest first. Raises UnknownInvoice."""
    wanted = set(numbers)
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Invalid(gettext("Choose the invoices that you want to pay."), field="invoices")
    found = list(
        db.session.scalars(
            select(Invoice)
            .where(Invoice.customer_id == customer_id, is_named(wanted), Invoice.kind == INVOICE)
            .order_by(Invoice.issued_at, Invoice.number)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )
    if len(found) != len(wanted):
        raise UnknownInvoice
    return found


def _again(known: PaymentOrder, wish: OrderWish, invoices: Sequence[Invoice]) -> PaymentOrder:
    """The order that this key made before, when it is the same one."""
    numbers = set(invoices_of(known.customer_id, known.request_key))
    same = (
        known.payment_method_id == wish.payment_method_id
        and wish.amount_micros in (None, known.amount_micros)
        and numbers <= {invoice.number for invoice in invoices}
    )
    if not same:
        raise RequestKeyReused
    if known.top_up_id is None and topups.find_by_key(known.customer_id, known.request_key) is None:
        # No payment came of it yet: what may be paid now may be less than it was.
        checked_amount(payable(wish.customer_id, invoices, but_for=known.request_key), known.amount_micros)
        known.given_up_at, known.ordered_at = None, utc_now()
    return known


def _held_places(customer_id: int, but_for: str | None) -> dict[str, int]:
    """Per invoice number what is about to be charged by orders whose payment does not exist yet."""
    rows = db.session.execute(
        select(Invoice.number, PaymentOrderShare.amount_micros)
        .join(
            PaymentOrder,
            (PaymentOrder.customer_id == PaymentOrderShare.customer_id)
            & (PaymentOrder.request_key == PaymentOrderShare.request_key),
        )
        .join(Invoice, _of_share())
        .where(
            PaymentOrder.customer_id == customer_id,
            PaymentOrder.payment_method_id.is_not(None),
            PaymentOrder.top_up_id.is_(None),
            PaymentOrder.given_up_at.is_(None),
            PaymentOrder.ordered_at > utc_now() - HOLDS_ITS_PLACE,
            PaymentOrder.request_key.is_distinct_from(but_for),
        )
    )
    sums: dict[str, int] = {}
    for number, micros in rows:
        sums[number] = sums.get(number, 0) + micros
    return sums


def _numbers_of(orders: Collection[tuple[int, str]]) -> dict[tuple[int, str], dict[str, int]]:
    """Per customer and request key the numbers of its invoices in their order, with the micros of each."""
    rows = db.session.execute(
        select(
            PaymentOrderShare.customer_id,
            PaymentOrderShare.request_key,
            Invoice.number,
            PaymentOrderShare.amount_micros,
        )
        .join(Invoice, _of_share())
        .where(
            PaymentOrderShare.customer_id.in_({owner for owner, _ in orders}),
            PaymentOrderShare.request_key.in_({key for _, key in orders}),
        )
        .order_by(PaymentOrderShare.request_key, PaymentOrderShare.position)
    )
    found: dict[tuple[int, str], dict[str, int]] = {}
    for owner, key, number, micros in rows:
        found.setdefault((owner, key), {})[number] = micros
    return found


def _of_share() -> ColumnElement[bool]:
    return (Invoice.customer_id == PaymentOrderShare.customer_id) & (
        Invoice.invoice_id == PaymentOrderShare.invoice_id
    )

"""Paying invoices through Mollie: one or several, whole or in part, from a stored mandate or at a checkout.

First the order is kept, then the payment is asked for with the same request key: a double click, a reload or
a crash between the two makes no second payment. `pay` calls Mollie, so it is called outside a unit of work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.customers.models import Customer
from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.errors import AppError
from app.money import Money
from invoicing import payment_orders
from invoicing.models import Invoice
from invoicing.payment_orders import OrderWish, Payable
from topups import service as topups
from topups.errors import FeeNotAccepted
from topups.service import Fee, GivenBy, TopUp


@dataclass(frozen=True, slots=True, kw_only=True)
class PayWish:
    """What is to be paid and how: a stored mandate, a method of the checkout, or one chosen there (None)."""

    numbers: tuple[str, ...]
    request_key: str
    amount_micros: int | None = None
    method: str | None = None
    payment_method_id: str | None = None
    accepted_fee_micros: int = 0
    save_method: bool = False
    redirect_url: str | None = None
    consent_by: GivenBy | None = None
    # Collected on the due date as agreed: nobody is there to be shown a fee, so there is none.
    is_automatic: bool = False


@dataclass(frozen=True, slots=True)
class _Ordered:
    amount_micros: int
    first_number: str


def pay(customer: Customer, wish: PayWish) -> TopUp:
    """Ask for the payment of these invoices, or find it again by its request key.

    Raises UnknownInvoice, NothingToPay, PaymentUnderWay, PaysTooMuch, Invalid, FeeNotAccepted, and what
    `topups.service.request_top_up` raises.
    """
    customer_id = customer.customer_id
    wish = replace(wish, request_key=payment_orders.key_of(wish.request_key, wish.numbers))
    ordered = in_unit_of_work(_order, customer_id, wish)
    try:
        payment = _request(get_customer(customer_id), wish, ordered)
    except AppError:
        in_unit_of_work(payment_orders.note_payment, customer_id, wish.request_key, None)
        raise
    top_up_id = payment.top_up_id
    in_unit_of_work(payment_orders.note_payment, customer_id, wish.request_key, top_up_id)
    return topups.find_top_up(top_up_id, customer_id)


def payables(customer_id: int, invoices: Sequence[Invoice]) -> list[Payable]:
    """What of each invoice can be paid now, beside what is under way."""
    return payment_orders.payable(customer_id, invoices)


def fee_of(customer: Customer, method: str | None, amount_micros: int) -> Fee:
    """What paying this way costs on top; where the payer chooses at the checkout, nothing."""
    return topups.fee_of(customer, method, amount_micros)


def _order(customer_id: int, wish: PayWish) -> _Ordered:
    order = payment_orders.place(
        OrderWish(
            customer_id=customer_id,
            request_key=wish.request_key,
            numbers=wish.numbers,
            amount_micros=wish.amount_micros,
            payment_method_id=wish.payment_method_id,
        )
    )
    method = wish.method
    if wish.payment_method_id is not None:
        method = topups.chargeable_method(customer_id, wish.payment_method_id).method
    fee = fee_of(get_customer(customer_id), method, order.amount_micros)
    if fee.gross_micros != wish.accepted_fee_micros and not wish.is_automatic:
        raise FeeNotAccepted(field="accepted_fee", fee=Money(fee.gross_micros).to_json())
    numbers = payment_orders.invoices_of(customer_id, wish.request_key)
    return _Ordered(order.amount_micros, numbers[0])


def _request(customer: Customer, wish: PayWish, ordered: _Ordered) -> TopUp:
    db.session.rollback()
    if wish.payment_method_id is not None:
        return topups.pay_with_mandate(
            customer,
            ordered.amount_micros,
            wish.payment_method_id,
            request_key=wish.request_key,
            purpose="invoice",
            invoice_number=ordered.first_number,
            accepted_fee_micros=wish.accepted_fee_micros,
            origin="auto_pay" if wish.is_automatic else "manual",
        )
    return topups.request_top_up(
        customer,
        ordered.amount_micros,
        request_key=wish.request_key,
        method=wish.method,
        purpose="invoice",
        invoice_number=ordered.first_number,
        accepted_fee_micros=wish.accepted_fee_micros,
        save_method=wish.save_method,
        redirect_url=wish.redirect_url,
        consent_by=wish.consent_by,
    )

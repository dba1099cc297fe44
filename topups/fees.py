"""Fees of payment methods: what paying this way costs, shown and accepted before paying, or nothing happens.

A fee is at most what the method costs the provider. A consumer never pays one for card, transfer or direct
debit (article 62 of the second payment services directive). It is part of the payment, never of the credit,
and bears VAT: invoicing bills it on a line of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Final

from sqlalchemy import select

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.db import db
from app.i18n import local_date
from app.ledger.service import post_once
from app.ledger.sides import Posting, Side
from app.money import decimal_of_micros, micros_of, round_half_up
from topups.models import TopUp

# Interchange caps and SEPA: what a consumer pays with these costs the provider, whatever the setting says.
FREE_FOR_CONSUMERS: Final = frozenset({"ideal", "creditcard", "bancontact", "banktransfer", "directdebit"})
KIND: Final = "payment_fee"
VatRate = Callable[[Customer, date], Decimal]
_CENT: Final = Decimal("0.01")
_subscribed: dict[str, VatRate] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What a payment costs on top of its amount, in whole cents; `gross_micros` is what is paid."""

    net_micros: int = 0
    vat_micros: int = 0

    @property
    def gross_micros(self) -> int:
        return self.net_micros + self.vat_micros

    def __bool__(self) -> bool:
        return self.gross_micros > 0


@dataclass(frozen=True, kw_only=True)
class PaidFee:
    """A fee that was paid: what invoicing bills, on a line of its own."""

    top_up_id: str
    method: str
    fee: Fee


NO_FEE: Final = Fee()


def set_vat_rate(rate_of: VatRate) -> None:
    """Say who knows the VAT rate, in per cent, of a service to a customer on a day."""
    _subscribed["rate"] = rate_of


def fee_of(customer: Customer, method: str | None, amount_micros: int) -> Fee:
    """The fee of paying this amount this way, rounded down before VAT: never above what it costs."""
    rate = settings().fees.get(method or "")
    if rate is None or (customer.kind == "consumer" and method in FREE_FOR_CONSUMERS):
        return NO_FEE
    cost = rate.fixed + decimal_of_micros(amount_micros) * rate.percentage / 100
    net = cost.quantize(_CENT, rounding=ROUND_DOWN)
    vat = round_half_up(net * _vat_rate(customer) / 100, 2)
    return Fee(net_micros=micros_of(net), vat_micros=micros_of(vat))


def post_paid(top_up: TopUp) -> None:
    """The payment that bears this fee has arrived. The balance is locked."""
    if top_up.fee_micros == 0:
        return
    post_once(
        Posting(
            customer_id=top_up.customer_id,
            kind=KIND,
            debit=Side.PSP,
            credit=Side.FEES,
            amount_micros=top_up.fee_micros,
            reference=f"topup-{top_up.top_up_id}-fee",
        )
    )


def paid_fees(customer_id: int, first: date, last: date) -> list[PaidFee]:
    """The fees of payments received on these days of the provider's zone, the oldest first."""
    query = (
        select(TopUp)
        .where(TopUp.customer_id == customer_id, TopUp.fee_micros > 0, TopUp.status == "paid")
        .order_by(TopUp.ended_at, TopUp.top_up_id)
    )
    return [
        PaidFee(
            top_up_id=top_up.top_up_id,
            method=top_up.method or "",
            fee=Fee(net_micros=top_up.fee_micros - top_up.fee_vat_micros, vat_micros=top_up.fee_vat_micros),
        )
        for top_up in db.session.scalars(query)
        if top_up.ended_at is not None and first <= local_date(top_up.ended_at) <= last
    ]


def _vat_rate(customer: Customer) -> Decimal:
    rate_of = _subscribed.get("rate")
    if rate_of is None:
        raise RuntimeError("nobody has said how fees are taxed")
    return rate_of(customer, local_date(utc_now()))

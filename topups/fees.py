"""Fees of payment methods: what paying this way costs, shown and accepted before paying, or nothing happens.

A fee is at most what the method costs the provider. A consumer never pays one for card, transfer or direct
debit (article 62 of the second payment services directive). It is part of the payment, never of the credit,
and bears VAT: invoicing bills it on a line of its own. A chargeback, or a refund of the whole payment, takes
the fee back too (`topups.reversals`): what of it was billed already is corrected in the period of that day.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final

from sqlalchemy import select

from app.clock import utc_now
from app.config import settings
from app.customers.models import Customer
from app.db import among, db
from app.i18n import local_date
from app.ledger.models import Transfer
from app.ledger.service import post_once
from app.ledger.sides import Posting, Side
from app.money import MICROS, decimal_of_micros, micros_of, round_half_up
from topups.models import Chargeback, Refund, TopUp

# Interchange caps and SEPA: what a consumer pays with these costs the provider, whatever the setting says.
FREE_FOR_CONSUMERS: Final = frozenset({"ideal", "creditcard", "bancontact", "banktransfer", "directdebit"})
KIND: Final = "payment_fee"
KIND_TAKEN_BACK: Final = "payment_fee_taken_back"
KIND_GIVEN_BACK: Final = "payment_fee_given_back"
SUFFIX: Final = "-fee"
VatRate = Callable[[Customer, date], Decimal]
_CENT: Final = Decimal("0.01")
_subscribed: dict[str, VatRate] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What a payment costs on top of its amount, in whole cents; `gross_micros` is what is paid.

    Below zero where a fee was taken back.
    """

    net_micros: int = 0
    vat_micros: int = 0

    @property
    def gross_micros(self) -> int:
        return self.net_micros + self.vat_micros

    def __sub__(self, other: "Fee") -> "Fee":
        return Fee(
            net_micros=self.net_micros - other.net_micros, vat_micros=self.vat_micros - other.vat_micros
        )

    def __bool__(self) -> bool:
        return self.gross_micros != 0


@dataclass(frozen=True, kw_only=True)
class PaidFee:
    """A fee that was paid, or (below zero) taken back: what invoicing bills, on a line of its own."""

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


def reference_of(reference: str) -> str:
    """Under which the fee's share of this movement is posted, beside the balance's share."""
    return f"{reference}{SUFFIX}"


def post_paid(top_up: TopUp) -> None:
    """The payment that bears this fee has arrived. The balance is locked."""
    _post(top_up, KIND, top_up.fee_micros, reference_of(f"topup-{top_up.top_up_id}"))


def post_taken_back(top_up: TopUp, amount_micros: int, reference: str) -> None:
    """This refund or chargeback takes so much of the fee back to the payer. The balance is locked."""
    _post(top_up, KIND_TAKEN_BACK, -amount_micros, reference_of(reference))


def post_given_back(top_up: TopUp, amount_micros: int, reference: str) -> None:
    """A refund came to nothing, or a chargeback was reversed: the fee is ours again."""
    _post(top_up, KIND_GIVEN_BACK, amount_micros, reference_of(reference))


def _post(top_up: TopUp, kind: str, amount_micros: int, reference: str) -> None:
    if amount_micros == 0:
        return
    arrives = amount_micros > 0
    post_once(
        Posting(
            customer_id=top_up.customer_id,
            kind=kind,
            debit=Side.PSP if arrives else Side.FEES,
            credit=Side.FEES if arrives else Side.PSP,
            amount_micros=abs(amount_micros),
            reference=reference,
        )
    )


def fee_bearers(customer_ids: Collection[int]) -> set[int]:
    """Those of these customers that ever paid with a fee."""
    bearing = select(TopUp.customer_id).where(among(TopUp.customer_id, customer_ids), TopUp.fee_micros > 0)
    return set(db.session.scalars(bearing))


def paid_fees(customer_id: int, first: date, last: date) -> list[PaidFee]:
    """What fees came to on these days of the provider's zone, per payment, in the order of the payments.

    A fee counts on the day it was received; what a refund or chargeback took of it counts below zero on its
    own day, so a fee that was billed in an earlier period is corrected in this one. VAT follows the share of
    the fee that is left: over all periods it adds up to the VAT of what the payer has paid in the end.
    """
    bearing = db.session.scalars(
        select(TopUp)
        .where(TopUp.customer_id == customer_id, TopUp.fee_micros > 0, TopUp.ended_at.is_not(None))
        .order_by(TopUp.ended_at, TopUp.top_up_id)
    ).all()
    if not bearing:
        return []
    since, until = _midnight(first), _midnight(last + timedelta(days=1))
    owners = _owners(customer_id, [top_up.top_up_id for top_up in bearing])
    before = dict.fromkeys(owners.values(), 0)
    after = dict(before)
    for moved in db.session.scalars(
        select(Transfer).where(
            Transfer.customer_id == customer_id,
            Transfer.reference.in_(owners),
            Transfer.created_at < until,
        )
    ):
        signed = moved.amount_micros if moved.credit == Side.FEES else -moved.amount_micros
        after[owners[moved.reference]] += signed
        if moved.created_at < since:
            before[owners[moved.reference]] += signed
    return [
        PaidFee(
            top_up_id=top_up.top_up_id,
            method=top_up.method or "",
            fee=_share(top_up, after[top_up.top_up_id]) - _share(top_up, before[top_up.top_up_id]),
        )
        for top_up in bearing
        if after[top_up.top_up_id] != before[top_up.top_up_id]
    ]


def _owners(customer_id: int, top_up_ids: list[str]) -> dict[str, str]:
    """The payment that each movement of a fee belongs to, by the movement's reference."""
    owners = {f"topup-{top_up_id}": top_up_id for top_up_id in top_up_ids}
    for kind, mollie_id, ends, row in (
        ("refund", Refund.mollie_refund_id, "-failed", Refund),
        ("chargeback", Chargeback.chargeback_id, "-reversed", Chargeback),
    ):
        found = db.session.execute(
            select(mollie_id, row.top_up_id).where(
                row.customer_id == customer_id, row.top_up_id.in_(top_up_ids), mollie_id.is_not(None)
            )
        )
        for one, top_up_id in found:
            owners[f"{kind}-{one}"] = owners[f"{kind}-{one}{ends}"] = top_up_id
    return {reference_of(reference): top_up_id for reference, top_up_id in owners.items()}


def _share(top_up: TopUp, left_micros: int) -> Fee:
    """What is left of a payment's fee, its VAT in proportion."""
    part = Decimal(top_up.fee_vat_micros) * left_micros / top_up.fee_micros
    vat_micros = micros_of(round_half_up(part / MICROS, 2))
    return Fee(net_micros=left_micros - vat_micros, vat_micros=vat_micros)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, settings().timezone)


def _vat_rate(customer: Customer) -> Decimal:
    rate_of = _subscribed.get("rate")
    if rate_of is None:
        raise RuntimeError("nobody has said how fees are taxed")
    return rate_of(customer, local_date(utc_now()))

"""The page between choosing a way to pay that costs a fee and paying: accepted by going on.

Nothing has been asked of the bank by then, so to leave is to decline. Whoever takes payments shows this page.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import render_template

from app.customers.models import Customer
from topups.fees import Fee, fee_of
from topups.forms import TopUpForm
from topups.methods import method_name

Field = tuple[str, object]


@dataclass(frozen=True, slots=True)
class Offer:
    """What paying an amount in a way costs."""

    fee: Fee
    amount_micros: int
    method_name: str | None

    @property
    def total_micros(self) -> int:
        return self.amount_micros + self.fee.gross_micros


def offer(customer: Customer, method: str | None, amount_micros: int) -> Offer:
    return Offer(fee_of(customer, method, amount_micros), amount_micros, method_name(method))


def fields_of(form: TopUpForm, offered: Offer) -> list[Field]:
    """The form as it was sent, now with the fee accepted: sent again it makes the same payment."""
    return [
        ("amount", form.amount.raw_data[0] if form.amount.raw_data else ""),
        ("method", form.method.data),
        ("save_method", "y" if form.save_method.data else ""),
        ("token", form.token.data),
        ("accepted_fee", offered.fee.gross_micros),
    ]


def page(offered: Offer, *, what: str, action: str, back: str, fields: Iterable[Field]) -> str:
    """`what` is paid; the hidden `fields` go to `action`; `back` leads to the other ways to pay."""
    return render_template(
        "topups/fee.html", offered=offered, what=what, action=action, back=back, fields=fields
    )

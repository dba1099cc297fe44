"""The form that pays invoices: how much, and how. Amounts are micros; the consent box starts empty."""

from collections.abc import Sequence
from secrets import token_hex

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import ValidationError

from app.customers.models import Customer
from invoicing import paying
from invoicing.payment_orders import Payable
from topups import service as topups
from topups.forms import MoneyField, TopUpForm

MANDATE = "mandate:"
AT_THE_CHECKOUT = "any"


def _is_amount(_form: FlaskForm, field: MoneyField) -> None:
    if field.data is None:
        raise ValidationError(gettext("Enter an amount such as 25.00."))


class PayForm(TopUpForm):
    """One payment for the invoices named beside it. The same token makes one payment."""

    amount = MoneyField(lazy_gettext("Amount"), validators=[_is_amount])

    @property
    def payment_method_id(self) -> str | None:
        """The stored mandate that was chosen."""
        chosen = self.method.data or ""
        return chosen.removeprefix(MANDATE) if chosen.startswith(MANDATE) else None

    @property
    def checkout_method(self) -> str | None:
        """The method of the checkout that was chosen; None where the payer chooses there, or a mandate."""
        chosen = self.method.data or ""
        return None if chosen.startswith(MANDATE) or chosen == AT_THE_CHECKOUT else chosen

    def offer(self, customer: Customer, payables: Sequence[Payable]) -> None:
        """Fill in the ways to pay and a fresh token; the amount where none was typed."""
        most_micros = sum(one.micros for one in payables)
        if self.amount.data is None and not self.amount.raw_data:
            self.amount.data = most_micros
        self.method.choices = ways_to_pay(customer, self.amount.data or most_micros)
        if self.method.data not in dict(self.method.choices):
            self.method.data = self.method.choices[0][0]
        self.token.data = token_hex(16)
        self.token.raw_data = None


def ways_to_pay(customer: Customer, amount_micros: int) -> list[tuple[str, str]]:
    """Stored mandates, then what the checkout offers, each with a word where it costs a fee."""
    choices = [
        (
            MANDATE + method.payment_method_id,
            _with_fee(customer, method.method, topups.method_label(method), amount_micros),
        )
        for method in topups.payment_methods(customer.customer_id)
        if method.status == "valid"
    ]
    offered = topups.ways_to_pay(amount_micros)
    choices += [
        (method.method_id, _with_fee(customer, method.method_id, method.description, amount_micros))
        for method in offered
    ]
    if not offered:
        choices.append((AT_THE_CHECKOUT, gettext("Choose on the payment page")))
    return choices


def _with_fee(customer: Customer, method: str, label: str, amount_micros: int) -> str:
    has_fee = paying.fee_of(customer, method, amount_micros)
    return str(gettext("%(method)s (costs a fee)", method=label)) if has_fee else label

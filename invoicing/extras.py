"""What a close bills beside usage: fees that were paid with payments, and charges from those that make them.

Whoever makes charges (one-off, subscriptions) says so with `add_charge_source`. Pending charges are read
without a lock; the close takes them under the customer's balance lock, in the transaction that bills them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Protocol

from flask_babel import lazy_gettext

from app.errors import Text
from app.i18n import LANGUAGES, in_locale
from app.ledger.sides import Posting, Side
from app.money import cents_of_micros
from invoicing.billing import Charge, PaidFees, PeriodFacts
from invoicing.lines import charge_line, fee_line
from invoicing.tax import Treatment
from topups import service as topups

KIND: Final = "charge"
_FEES: Final = lazy_gettext("Payment fees")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCharge:
    """A charge that waits for the next close. Amounts are net, in currency units.

    `reference` is unique for the customer over all charges ever, at most 100 characters. `description` is a
    text by language or one for all. `on` to `until` are the days it is for, the last one included. A charge
    of one amount has that as its `unit_price`. Below zero it gives back.
    """

    reference: str
    description: Mapping[str, str] | str
    on: date
    unit_price: Decimal
    quantity: Decimal = Decimal(1)
    unit: str = ""
    until: date | None = None
    # Where it is taxed otherwise than the period's usage.
    treatment: Treatment | None = None

    @property
    def names(self) -> dict[str, str]:
        if isinstance(self.description, str):
            return dict.fromkeys(LANGUAGES, self.description)
        return dict(self.description)


class ChargeSource(Protocol):
    """Who makes charges. Nothing here commits."""

    def waiting(self, before: date) -> Collection[int]:
        """Customers with pending charges of days before this one: they are closed, whatever they used."""

    def among(self, customer_ids: Collection[int]) -> Collection[int]:
        """Those of these customers that may have pending charges: only they are asked for them."""

    def pending(self, customer_id: int, before: date) -> Sequence[PendingCharge]:
        """A customer's pending charges of days before this one, the oldest first."""

    def bill(self, customer_id: int, period_start: date, taxed: Mapping[str, Treatment]) -> None:
        """They are billed with this period. The balance is locked; raises where one is not pending any more.

        `taxed` says by reference how each one's line is taxed, whatever it would be by now. The document is
        the one whose `close_key` is the period's first day.
        """


_sources: dict[str, ChargeSource] = {}


def add_charge_source(name: str, source: ChargeSource) -> None:
    """Say who makes charges. Called by the factory; again is harmless."""
    _sources[name] = source


def fees_of(customer_id: int, start: date, end: date, treatment: Treatment) -> PaidFees | None:
    """What was paid as payment fees on the days from `start` up to `end`, as a line; None for nothing."""
    paid = topups.paid_fees(customer_id, start, end - timedelta(days=1))
    gross_micros = sum(one.fee.gross_micros for one in paid)
    if gross_micros == 0:
        return None
    gross_cents = cents_of_micros(gross_micros)
    return PaidFees(
        fee_line(gross_cents=gross_cents, treatment=treatment, names=in_all_languages(_FEES)), gross_micros
    )


def in_all_languages(text: Text) -> dict[str, str]:
    """A text of ours in every language that a document may have."""
    names: dict[str, str] = {}
    for language in LANGUAGES:
        with in_locale(language):
            names[language] = str(text)
    return names


def charges_of(customer_id: int, end: date, treatment: Treatment) -> tuple[Charge, ...]:
    """The charges that a period up to `end` bills, those that an earlier close left behind included."""
    return tuple(
        Charge(
            name,
            one.reference,
            charge_line(
                quantity=one.quantity,
                unit_price=one.unit_price,
                unit=one.unit,
                treatment=one.treatment or treatment,
                names=one.names,
                supplied=(one.on, one.until or one.on),
            ),
        )
        for name, source in _sources.items()
        for one in source.pending(customer_id, end)
    )


def waiting_customers(before: date) -> set[int]:
    """Customers with charges of days before this one that no close has billed."""
    return {customer_id for source in _sources.values() for customer_id in source.waiting(before)}


def among(customer_ids: Collection[int]) -> set[int]:
    """Those of these customers that may have something to bill beside usage."""
    charged = (source.among(customer_ids) for source in _sources.values())
    return topups.fee_bearers(customer_ids).union(*charged)


def take(facts: PeriodFacts, post: Callable[[Posting], object]) -> None:
    """Take a period's charges from the balance, VAT included, and tell those that made them.

    The balance is locked; a charge that another close has taken meanwhile makes this one fail.
    """
    for charge in facts.charges:
        if charge.gross_micros:
            post(_debit(facts.customer_id, charge))
    for name in {charge.source for charge in facts.charges}:
        taxed = {one.reference: one.line.treatment for one in facts.charges if one.source == name}
        _sources[name].bill(facts.customer_id, facts.period_start, taxed)


def _debit(customer_id: int, charge: Charge) -> Posting:
    micros = charge.gross_micros
    taken, given = Side.PREPAID, Side.UNBILLED_USAGE
    return Posting(
        customer_id=customer_id,
        kind=KIND,
        debit=taken if micros > 0 else given,
        credit=given if micros > 0 else taken,
        amount_micros=abs(micros),
        reference=f"charge-{charge.reference}",
    )

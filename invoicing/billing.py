"""A period's usage as an invoice: its lines, its totals and what was debited for it. Pure.

`prepare` needs no lock, since the period no longer changes; what depends on the balance comes later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import msgspec

from app.money import cents_of_micros, micros_of_cents
from invoicing.lines import Line, MeterUsage, lines_of, nothing_line
from invoicing.tax import Treatment
from invoicing.totals import Totals, cents, totals_of


@dataclass(frozen=True, slots=True)
class PaidFees:
    """What paying cost in a period: paid with the payments, VAT included, and never a part of the balance.

    Below zero where more was taken back than paid.
    """

    line: Line
    gross_micros: int

    @property
    def vat_micros(self) -> int:
        return self.gross_micros - micros_of_cents(self.line.net_cents)


@dataclass(frozen=True, slots=True)
class Charge:
    """What is charged beside usage, and debited by the close.

    `source` names who made it; `reference` is unique for the customer.
    """

    source: str
    reference: str
    line: Line

    @property
    def gross_micros(self) -> int:
        """VAT included, in whole cents: so it stands on the statement and in the balance block."""
        return micros_of_cents(cents(Decimal(self.line.net_cents).scaleb(-2) * self.line.treatment.factor))


class PeriodFacts(msgspec.Struct, frozen=True):
    """What a customer used in a period that no longer changes, and what was debited for it, in micros.

    Corrections of earlier periods that this one bills are among the lines and the debits. What is billed
    beside usage was not debited as usage: fees were paid already, charges are debited by the close.
    `treatment` is that of most products.
    """

    customer_id: int
    period_start: date
    period_end: date
    usage: tuple[MeterUsage, ...]
    corrections: tuple[Line, ...]
    prepaid_debited_micros: int
    promo_debited_micros: Mapping[Treatment, int]
    treatment: Treatment | None = None
    fees: PaidFees | None = None
    charges: tuple[Charge, ...] = ()

    @property
    def fees_micros(self) -> int:
        return self.fees.gross_micros if self.fees else 0

    @property
    def charged_micros(self) -> int:
        """What the charges of this period take from the balance."""
        return sum(charge.gross_micros for charge in self.charges)


class Prepared(msgspec.Struct, frozen=True):
    """An invoice ready but for its settlement and number. `sign` is −1 where it becomes a credit note."""

    facts: PeriodFacts
    lines: tuple[Line, ...]
    totals: Totals

    @property
    def sign(self) -> int:
        return -1 if self.totals.total_cents < 0 else 1

    @property
    def promo_micros(self) -> int:
        return sum(self.facts.promo_debited_micros.values())

    @property
    def rounding_micros(self) -> int:
        """What prepaid still has to give (above zero) or gets back, so that debits and fees are the total."""
        facts = self.facts
        debited = facts.prepaid_debited_micros + facts.charged_micros
        return micros_of_cents(self.totals.total_cents) - facts.fees_micros - debited

    @property
    def paid_cents(self) -> int:
        """What of the total was paid beside the balance: no part of what is due."""
        return cents_of_micros(self.facts.fees_micros)

    @property
    def is_empty(self) -> bool:
        """Nothing that could stand on a document: no line of a cent or more, no discount."""
        return all(line.net_cents == 0 for line in self.lines) and not self.totals.discount_cents


def prepare(facts: PeriodFacts) -> Prepared:
    beside = (*(charge.line for charge in facts.charges), *([facts.fees.line] if facts.fees else []))
    lines = (*lines_of(facts.usage), *facts.corrections, *beside)
    totals = totals_of(((line.treatment, line.net_cents) for line in lines), facts.promo_debited_micros)
    return Prepared(facts, lines, totals)


def with_nothing_used(prepared: Prepared, names: Mapping[str, str]) -> Prepared:
    """The same with something to stand on it, where its document is wanted although it bills nothing."""
    treatment = prepared.facts.treatment
    if treatment is None or any(line.quantity for line in prepared.lines):
        return prepared
    lines = (nothing_line(treatment=treatment, names=names),)
    return Prepared(prepared.facts, lines, totals_of([(treatment, 0)]))

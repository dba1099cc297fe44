"""A period's usage as an invoice: its lines, its totals and what was debited for it. Pure.

`prepare` needs no lock, since the period no longer changes; what depends on the balance comes later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from app.money import micros_of_cents
from invoicing.lines import Line, MeterUsage, lines_of
from invoicing.tax import Treatment
from invoicing.totals import Totals, totals_of


@dataclass(frozen=True, slots=True)
class PeriodFacts:
    """What a customer used in a period that no longer changes, and what was debited for it, in micros.

    Corrections of earlier periods that this one bills are among the lines and the debits.
    """

    customer_id: int
    period_start: date
    period_end: date
    usage: tuple[MeterUsage, ...]
    corrections: tuple[Line, ...]
    prepaid_debited_micros: int
    promo_debited_micros: Mapping[Treatment, int]


@dataclass(frozen=True, slots=True)
class Prepared:
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
        """What prepaid still has to give (above zero) or gets back, so that its debits equal the total."""
        return micros_of_cents(self.totals.total_cents) - self.facts.prepaid_debited_micros

    @property
    def is_empty(self) -> bool:
        """Nothing that could stand on a document: no line of a cent or more, no discount."""
        return all(line.net_cents == 0 for line in self.lines) and not self.totals.discount_cents


def prepare(facts: PeriodFacts) -> Prepared:
    lines = (*lines_of(facts.usage), *facts.corrections)
    totals = totals_of(((line.treatment, line.net_cents) for line in lines), facts.promo_debited_micros)
    return Prepared(facts, lines, totals)

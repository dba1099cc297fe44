"""An invoice's totals: lines, discount, VAT per rate, total; all in whole cents. Pure.

Follows EN 16931: the total of the lines is the sum of the rounded lines (BR-CO-10), VAT is counted once
per category and rate over its taxable amount (BR-CO-17), and the total is taxable amount plus VAT
(BR-CO-15). Rounding is half away from zero, so a credit note is its invoice with the sign turned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from app.money import decimal_of_micros, round_half_up
from invoicing.tax import Treatment


class TaxTotal(msgspec.Struct, frozen=True):
    """What one category and rate adds up to."""

    treatment: Treatment
    lines_cents: int
    discount_cents: int
    vat_cents: int

    @property
    def taxable_cents(self) -> int:
        return self.lines_cents - self.discount_cents


@dataclass(frozen=True, slots=True)
class Totals:
    """The amounts of a document, in cents; `taxes` is ordered by rate, highest first."""

    taxes: tuple[TaxTotal, ...]
    # Added up once: a close asks for them again and again.
    lines_cents: int = field(init=False)
    discount_cents: int = field(init=False)
    vat_cents: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines_cents", sum([tax.lines_cents for tax in self.taxes]))
        object.__setattr__(self, "discount_cents", sum([tax.discount_cents for tax in self.taxes]))
        object.__setattr__(self, "vat_cents", sum([tax.vat_cents for tax in self.taxes]))

    @property
    def taxable_cents(self) -> int:
        return self.lines_cents - self.discount_cents

    @property
    def total_cents(self) -> int:
        return self.lines_cents - self.discount_cents + self.vat_cents


def cents(amount: Decimal) -> int:
    """Currency units → cents, halves away from zero."""
    return int(round_half_up(amount, 2).scaleb(2))


def totals_of(
    lines: Iterable[tuple[Treatment, int]], promo_used_micros: Mapping[Treatment, int] | None = None
) -> Totals:
    """Totals of lines, each a treatment and net cents, less what promotional credit paid.

    Promotional credit is VAT-inclusive spending power: it becomes a discount of promo / (1 + rate), at most
    what that rate's lines charge. Promo given back (below zero) becomes a negative discount, at most what
    they give back: what one line charges never hides what another gives back.
    """
    promo = promo_used_micros or {}
    sums: dict[Treatment, list[int]] = {treatment: [0, 0] for treatment in promo}
    for treatment, net_cents in lines:
        found = sums.get(treatment)
        if found is None:
            found = sums[treatment] = [0, 0]
        found[0 if net_cents >= 0 else 1] += net_cents
    ordered = sorted(sums.items(), key=lambda one: (-one[0].percent, one[0].category))
    return Totals(
        tuple(
            _tax_total(t, charged + given_back, _discount(promo.get(t, 0), t, charged, given_back))
            for t, (charged, given_back) in ordered
        )
    )


def _discount(promo_micros: int, treatment: Treatment, charged_cents: int, given_back_cents: int) -> int:
    """The discount in cents that stands for promo used, never beyond the lines it is a discount on."""
    wanted = cents(decimal_of_micros(promo_micros) / treatment.factor)
    return min(wanted, charged_cents) if promo_micros >= 0 else max(wanted, given_back_cents)


def _tax_total(treatment: Treatment, lines_cents: int, discount_cents: int) -> TaxTotal:
    taxable = Decimal(lines_cents - discount_cents).scaleb(-2)
    return TaxTotal(treatment, lines_cents, discount_cents, cents(taxable * treatment.percent / 100))

"""How much of an invoice a credit note takes back, per tax treatment, in whole cents. Pure.

An amount is taken out of what the invoice came to, per treatment as in all; the last of it is taken to the
cent, so that together the credit notes are the invoice with the sign turned. Lines that were charged come
back whole, also where other lines of the document gave something back: that was the customer's already.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from invoicing.tax import Treatment
from invoicing.totals import TaxTotal, cents


@dataclass(frozen=True, slots=True)
class Left:
    """What of a treatment's taxable amount and VAT has not been credited yet."""

    treatment: Treatment
    taxable_cents: int
    vat_cents: int

    @property
    def gross_cents(self) -> int:
        return self.taxable_cents + self.vat_cents


def left_of(charged: Iterable[TaxTotal], credited: Iterable[TaxTotal]) -> tuple[Left, ...]:
    """What is left of an invoice's taxes after the credit notes so far, by treatment."""
    taken: dict[Treatment, tuple[int, int]] = {}
    for tax in credited:
        taxable, vat = taken.get(tax.treatment, (0, 0))
        taken[tax.treatment] = (taxable + tax.taxable_cents, vat + tax.vat_cents)
    left = []
    for tax in charged:
        taxable, vat = taken.get(tax.treatment, (0, 0))
        left.append(Left(tax.treatment, tax.taxable_cents - taxable, tax.vat_cents - vat))
    return tuple(one for one in left if one.taxable_cents or one.vat_cents)


def room_for_lines(
    lines: Iterable[tuple[Treatment, int]], charged: Iterable[TaxTotal], credited: Iterable[TaxTotal]
) -> tuple[Left, ...]:
    """What can come back of a document's charges: net cents above zero, less the discount on them."""
    discounts = {tax.treatment: max(0, tax.discount_cents) for tax in charged}
    sums = dict.fromkeys(discounts, 0)
    for treatment, net_cents in lines:
        sums[treatment] = sums.get(treatment, 0) + max(0, net_cents)
    totals = []
    for treatment, sum_cents in sums.items():
        taxable = max(0, sum_cents - discounts.get(treatment, 0))
        totals.append(TaxTotal(treatment, taxable, 0, vat_of(treatment, taxable)))
    return left_of(totals, credited)


def vat_of(treatment: Treatment, taxable_cents: int) -> int:
    return cents(Decimal(taxable_cents).scaleb(-2) * treatment.percent / 100)


def without(left: Iterable[Left], given_back: Iterable[TaxTotal]) -> tuple[Left, ...]:
    """What is left once what came back in another way is counted too, never below zero."""
    taken = {tax.treatment: tax for tax in given_back}
    rest = []
    for one in left:
        tax = taken.get(one.treatment)
        if tax is not None and one.taxable_cents > 0:
            taxable = max(0, one.taxable_cents - tax.taxable_cents)
            rest.append(Left(one.treatment, taxable, max(0, one.vat_cents - tax.vat_cents) if taxable else 0))
        else:
            rest.append(one)
    return tuple(one for one in rest if one.taxable_cents or one.vat_cents)


def shares_of(amount_cents: int, left: Sequence[Left]) -> tuple[TaxTotal, ...]:
    """An amount, VAT included, spread over what is left in proportion to it; all of it when it is all.

    Each share's VAT is in proportion too, so it may differ by a cent from the rate over its taxable amount
    where no whole number of cents gives the amount asked for.
    """
    total = sum(one.gross_cents for one in left)
    if not 0 < amount_cents <= total:
        raise ValueError(f"{amount_cents} cents cannot be taken out of {total}")
    if amount_cents == total:
        return tuple(TaxTotal(one.treatment, one.taxable_cents, 0, one.vat_cents) for one in left)
    gross = _spread(amount_cents, {one.treatment: one.gross_cents for one in left if one.gross_cents > 0})
    shares = []
    for one in left:
        share = gross.get(one.treatment, 0)
        if share:
            taxable = _proportion(share, one.taxable_cents, one.gross_cents)
            shares.append(TaxTotal(one.treatment, taxable, 0, share - taxable))
    return tuple(shares)


def of_lines(lines: Iterable[tuple[Treatment, int]], left: Sequence[Left]) -> tuple[TaxTotal, ...]:
    """What lines, each a treatment and net cents above zero, come to, at most what is left of each treatment.

    VAT is counted once per treatment; who takes all that is left of one takes what is left of its VAT.
    """
    wanted: dict[Treatment, int] = {}
    for treatment, net_cents in lines:
        wanted[treatment] = wanted.get(treatment, 0) + net_cents
    shares = []
    for one in left:
        taxable = max(0, min(wanted.get(one.treatment, 0), one.taxable_cents))
        if taxable:
            by_rate = vat_of(one.treatment, taxable)
            vat = max(0, one.vat_cents if taxable == one.taxable_cents else min(by_rate, one.vat_cents))
            shares.append(TaxTotal(one.treatment, taxable, 0, vat))
    return tuple(shares)


def _spread(amount: int, weights: Mapping[Treatment, int]) -> dict[Treatment, int]:
    """Whole shares in proportion to weights, each at most its weight, that add up to the amount."""
    shares: dict[Treatment, int] = {}
    left, weight_left = amount, sum(weights.values())
    for treatment, weight in weights.items():
        share = min(weight, _proportion(left, weight, weight_left))
        # What comes after must be able to take the rest.
        share = max(share, left - (weight_left - weight))
        shares[treatment] = share
        left, weight_left = left - share, weight_left - weight
    return shares


def _proportion(amount: int, part: int, whole: int) -> int:
    """The amount × part / whole, rounded half up; all three at least 0, whole above 0."""
    return (2 * amount * part + whole) // (2 * whole)

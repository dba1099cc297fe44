"""Tax as metering needs it: facts about a customer in, a treatment out. Who decides is subscribed.

The tax rules live above metering; the factory hands them in with `set_tax_resolver`. What a meter counts has
a tax class: a category of products, and whether it is telecom. A treatment says how each of them is taxed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple, Self

import msgspec

from app.customers.models import Customer

STANDARD: Final = "standard"
TELECOM: Final = "telecom"
TAX_CATEGORIES: Final = (STANDARD, "reduced", "zero")


class TaxClass(NamedTuple):
    """What decides, beside the customer, how a product is taxed."""

    category: str = STANDARD
    is_telecom: bool = False


USUAL_CLASS: Final = TaxClass()


def class_at(history: Sequence[tuple[int, str, bool]], version: int) -> TaxClass:
    """The class that held at a version of the catalogue; the usual one before the first entry."""
    held = [TaxClass(category, telecom) for since, category, telecom in history if since <= version]
    return held[-1] if held else USUAL_CLASS


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What decides about a customer's tax."""

    customer_id: int
    kind: str
    country: str
    vat_number: str | None
    resells_telecom: bool = False


def facts_of(customer: Customer) -> CustomerFacts:
    return CustomerFacts(
        customer.customer_id, customer.kind, customer.country, customer.vat_number, customer.resells_telecom
    )


@dataclass(frozen=True, slots=True)
class TaxTreatment:
    """An UNCL 5305 category, and the VAT rate in per cent ("21.00").

    `special` has those kinds of products ("reduced", "zero", "telecom") that are taxed otherwise.
    """

    category: str
    rate: Decimal
    special: Mapping[str, Self] = field(default_factory=dict, hash=False)

    def of_class(self, tax_class: TaxClass) -> "TaxTreatment":
        """How a class of products is taxed."""
        if tax_class.is_telecom and TELECOM in self.special:
            return self.special[TELECOM]
        return self.special.get(tax_class.category, self)


def special_text(treatment: TaxTreatment) -> str | None:
    """What a period keeps of the special treatments: JSON, or nothing where there are none."""
    kept = {kind: (one.category, str(one.rate)) for kind, one in treatment.special.items()}
    return msgspec.json.encode(kept, order="sorted").decode() if kept else None


def frozen_treatment(
    category: str, rate: Decimal, special: Mapping[str, Sequence[str]] | None
) -> TaxTreatment:
    """The treatment that a period was frozen with."""
    kinds = {kind: TaxTreatment(one[0], Decimal(one[1])) for kind, one in (special or {}).items()}
    return TaxTreatment(category, rate, kinds)


@lru_cache(maxsize=1000)
def rate_of_class(rate: Decimal, special: str | None, tax_class: TaxClass) -> Decimal:
    """The rate of a class of products, from what a period keeps as text."""
    kept = msgspec.json.decode(special) if special else None
    return frozen_treatment("", rate, kept).of_class(tax_class).rate


TaxResolver = Callable[[CustomerFacts, date], TaxTreatment]

_subscribed: dict[str, TaxResolver] = {}


def set_tax_resolver(resolver: TaxResolver) -> None:
    """Say who decides on tax. Called by the factory."""
    _subscribed["resolver"] = resolver


def treatment_of(facts: CustomerFacts, on: date) -> TaxTreatment:
    """The treatment of a customer on a day. Without a resolver nothing can be charged: RuntimeError."""
    if "resolver" not in _subscribed:
        raise RuntimeError("no tax resolver was set: usage cannot be charged without a VAT rate")
    return _subscribed["resolver"](facts, on)

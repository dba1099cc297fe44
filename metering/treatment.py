"""Tax as metering needs it: facts about a customer in, a treatment out. Who decides is subscribed.

The tax rules live above metering; the factory hands them in with `set_tax_resolver`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What decides about a customer's tax."""

    customer_id: int
    kind: str
    country: str
    vat_number: str | None


@dataclass(frozen=True, slots=True)
class TaxTreatment:
    """An UNCL 5305 category, and the VAT rate in per cent ("21.00")."""

    category: str
    rate: Decimal


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

"""Who and what the demo is about: a provider, its customers, their sign-ins, its meters and prices.

All invented but the trace. The passwords are printed at every start: demo data is loaded on loopback only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

PASSWORD: Final = "welkom-bij-tegoed"  # noqa: S105 -- public on purpose, printed at every start

# Who runs the demo's Tegoed; the supervisor gives this to every process, under the caller's own values.
PROVIDER_ENVIRONMENT: Final[Mapping[str, str]] = {
    "PROVIDER_NAME": "Codewerk AI",
    "PROVIDER_LEGAL_NAME": "Codewerk AI B.V.",
    "PROVIDER_SUPPORT_EMAIL": "support@codewerk.example",
    "MAIL_FROM": "facturen@codewerk.example",
}

THRESHOLD_MICROS: Final = 10_000_000
AMOUNT_MICROS: Final = 25_000_000
FIRST_PAYMENT_MICROS: Final = 25_000_000
# Last month one automatic top-up was allowed, which was not enough; since then ten are.
LAST_MONTHS_MAXIMUM_MICROS: Final = 25_000_000
MONTHLY_MAXIMUM_MICROS: Final = 250_000_000
# So far above the threshold that the first minute of live usage crosses it.
MARGIN_MICROS: Final = 600_000

VAT_PERCENT: Final = "21"
EVENT_TYPE: Final = "llm.completion"
SOURCE: Final = "https://api.codewerk.example/completions"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who signs in."""

    email: str
    name: str
    locale: str


@dataclass(frozen=True, kw_only=True)
class DemoCustomer:
    """A customer as the API takes it, who signs in for it, how it pays, and the plan it subscribes to.

    `small_months` are the numbers of requests of the two months before the full replay.
    """

    facts: Mapping[str, Any]
    person: Person
    saves: Literal["ideal", "creditcard"]
    tops_up_with: Literal["ideal", "creditcard"]
    pays_by: Literal["mandate", "banktransfer"]
    provisional_limit_micros: int
    small_months: tuple[int, int]
    subscribes_to: str

    @property
    def reference(self) -> str:
        return str(self.facts["reference"])


GRACHTWERK: Final = DemoCustomer(
    facts={
        "reference": "grachtwerk",
        "name": "Grachtwerk Software B.V.",
        "email": "boekhouding@grachtwerk.example",
        "kind": "business",
        "country": "NL",
        "locale": "nl",
        "vat_number": "NL000099998B57",
        "purchase_order": "PO-4471",
        "payment_term_days": 30,
        "address": {"line1": "Prinsengracht 2", "postal_code": "1015 DV", "city": "Amsterdam"},
    },
    person=Person(email="sanne@grachtwerk.example", name="Sanne de Wit", locale="nl"),
    saves="ideal",
    tops_up_with="ideal",
    pays_by="mandate",
    provisional_limit_micros=100_000_000,
    small_months=(1_200, 1_500),
    subscribes_to="support",
)

MAYA: Final = DemoCustomer(
    facts={
        "reference": "maya-okafor",
        "name": "Maya Okafor",
        "email": "maya@okafor.example",
        "kind": "consumer",
        "country": "NL",
        "locale": "en",
        "payment_term_days": 30,
        "address": {"line1": "Oudegracht 41", "postal_code": "3511 AB", "city": "Utrecht"},
    },
    person=Person(email="maya@okafor.example", name="Maya Okafor", locale="en"),
    saves="creditcard",
    tops_up_with="ideal",
    pays_by="banktransfer",
    provisional_limit_micros=0,
    small_months=(600, 900),
    subscribes_to="domain",
)

CUSTOMERS: Final = (GRACHTWERK, MAYA)
OPERATOR: Final = Person(email="balie@codewerk.example", name="Joris Bakker", locale="nl")

METERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "prompt-tokens": {
        "event_type": EVENT_TYPE,
        "aggregation": "sum",
        "value_property": "prompt_tokens",
        "unit": "token",
        "dimensions": [],
        "name": {"en": "Prompt tokens", "nl": "Prompttokens"},
    },
    "generated-tokens": {
        "event_type": EVENT_TYPE,
        "aggregation": "sum",
        "value_property": "generated_tokens",
        "unit": "token",
        "dimensions": [],
        "name": {"en": "Generated tokens", "nl": "Gegenereerde tokens"},
    },
    "requests": {
        "event_type": EVENT_TYPE,
        "aggregation": "count",
        "unit": "request",
        "dimensions": [],
        "name": {"en": "Requests", "nl": "Verzoeken"},
    },
}

# Net, per unit.
PRICES: Final[Mapping[str, Mapping[str, Any]]] = {
    "prompt-tokens": {
        "model": "graduated",
        "tiers": [
            {"up_to": "10000000", "unit_amount": "0.000002", "flat_amount": "0"},
            {"up_to": None, "unit_amount": "0.0000015", "flat_amount": "0"},
        ],
    },
    "generated-tokens": {"model": "per_unit", "unit_amount": "0.000012"},
    "requests": {"model": "per_unit", "unit_amount": "0.001"},
}

# Net. What customers have of them begins so late that nothing of it is invoiced yet.
PLANS: Final[Mapping[str, Mapping[str, Any]]] = {
    "hosting": {"name": {"en": "Model hosting", "nl": "Modelhosting"}, "price": "49.00", "interval": "month"},
    "support": {"name": {"en": "Support", "nl": "Ondersteuning"}, "price": "25.00", "interval": "month"},
    "domain": {"name": {"en": "Domain name", "nl": "Domeinnaam"}, "price": "12.00", "interval": "year"},
}


def accounts(api_key: str) -> dict[str, Any]:
    """What a newcomer needs to try the demo, in the shape of `demo.json`."""
    return {
        "api_key": api_key,
        "customers": [
            {"reference": c.reference, "email": c.person.email, "password": PASSWORD} for c in CUSTOMERS
        ],
        "operator": {"email": OPERATOR.email, "password": PASSWORD},
    }

"""The payment methods of the sandbox's profile: Mollie's names, limits, expiry, what they are used for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from topups.sandbox.money import amount_json, cents_of
from topups.sandbox.problems import Problem, unknown

OPEN_WITHOUT_METHOD = timedelta(minutes=15)


@dataclass(frozen=True)
class Method:
    """`mandate_method` is what a first payment makes; `expires_after` None means it is never open."""

    id: str
    name_en: str
    name_nl: str
    minimum_cents: int
    maximum_cents: int
    sequence_types: frozenset[str]
    expires_after: timedelta | None
    mandate_method: str | None = None
    cancelable: bool = False
    fee_cents: int = 0
    fee_percentage: str = "0"

    def name(self, locale: str | None) -> str:
        return self.name_nl if (locale or "").startswith("nl") else self.name_en

    def takes(self, amount_cents: int, sequence_type: str) -> bool:
        return (
            sequence_type in self.sequence_types
            and self.least_cents(sequence_type) <= amount_cents <= self.maximum_cents
        )

    def least_cents(self, sequence_type: str) -> int:
        """A card or PayPal mandate may be made with nothing paid."""
        return 0 if sequence_type == "first" and self.id in {"creditcard", "paypal"} else self.minimum_cents


METHODS: dict[str, Method] = {
    method.id: method
    for method in [
        Method(
            id="ideal",
            name_en="iDEAL | Wero",
            name_nl="iDEAL | Wero",
            minimum_cents=1,
            maximum_cents=50_000_00,
            sequence_types=frozenset({"oneoff", "first"}),
            expires_after=timedelta(minutes=15),
            mandate_method="directdebit",
            fee_cents=32,
        ),
        Method(
            id="creditcard",
            name_en="Card",
            name_nl="Kaart",
            minimum_cents=1,
            maximum_cents=10_000_00,
            sequence_types=frozenset({"oneoff", "first", "recurring"}),
            expires_after=timedelta(minutes=30),
            mandate_method="creditcard",
            fee_cents=25,
            fee_percentage="1.8",
        ),
        Method(
            id="bancontact",
            name_en="Bancontact",
            name_nl="Bancontact",
            minimum_cents=2,
            maximum_cents=50_000_00,
            sequence_types=frozenset({"oneoff", "first"}),
            expires_after=timedelta(hours=1),
            mandate_method="directdebit",
            fee_cents=39,
        ),
        Method(
            id="paypal",
            name_en="PayPal",
            name_nl="PayPal",
            minimum_cents=1,
            maximum_cents=8_000_00,
            sequence_types=frozenset({"oneoff", "first", "recurring"}),
            expires_after=timedelta(hours=3),
            mandate_method="paypal",
            fee_cents=10,
        ),
        Method(
            id="banktransfer",
            name_en="Bank transfer",
            name_nl="Overboeking",
            minimum_cents=1,
            maximum_cents=1_000_000_00,
            sequence_types=frozenset({"oneoff"}),
            expires_after=timedelta(days=12),
            cancelable=True,
            fee_cents=25,
        ),
        Method(
            id="directdebit",
            name_en="SEPA Direct Debit",
            name_nl="SEPA-incasso",
            minimum_cents=1,
            maximum_cents=1_000_00,
            sequence_types=frozenset({"recurring"}),
            expires_after=None,
            cancelable=True,
            fee_cents=35,
        ),
    ]
}


def method_json(method: Method, base_url: str, query: Mapping[str, str]) -> dict[str, Any]:
    sequence_type = query.get("sequenceType", "oneoff")
    image = f"{base_url}images/{method.id}"
    answer: dict[str, Any] = {
        "resource": "method",
        "id": method.id,
        "description": method.name(query.get("locale")),
        "minimumAmount": amount_json(method.least_cents(sequence_type)),
        "maximumAmount": amount_json(method.maximum_cents),
        "image": {"size1x": f"{image}.png", "size2x": f"{image}@2x.png", "svg": f"{image}.svg"},
        "status": "activated",
        "_links": {
            "self": {"href": f"{base_url}v2/methods/{method.id}", "type": "application/hal+json"},
            "documentation": {"href": "https://docs.mollie.com/reference/get-method", "type": "text/html"},
        },
    }
    includes = query.get("include", "").split(",")
    if "pricing" in includes:
        answer["pricing"] = [
            {
                "description": method.name(query.get("locale")),
                "fixed": amount_json(method.fee_cents),
                "variable": method.fee_percentage,
                "feeRegion": "other" if method.id == "creditcard" else None,
            }
        ]
    if "issuers" in includes:
        answer["issuers"] = []
    return answer


def get_method(method_id: str) -> Method:
    method = METHODS.get(method_id)
    if method is None:
        raise unknown(method_id)
    return method


def offered_methods(query: Mapping[str, str]) -> list[Method]:
    """The methods that fit the query's `sequenceType` and `amount`."""
    sequence_type = query.get("sequenceType", "oneoff")
    if sequence_type not in {"oneoff", "first", "recurring"}:
        raise Problem(400, "The sequence type is invalid.", "sequenceType")
    fitting = [method for method in METHODS.values() if sequence_type in method.sequence_types]
    value = query.get("amount[value]")
    if value is None:
        return fitting
    if query.get("amount[currency]") != "EUR":
        raise Problem(400, "The currency is not supported by this profile.", "amount.currency")
    amount_cents = cents_of(value)
    if amount_cents is None:
        raise Problem(400, "The amount is invalid.", "amount.value")
    return [method for method in fitting if method.takes(amount_cents, sequence_type)]

"""What a payment request may say: Mollie's checks, with the field each of them names."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from topups.sandbox.entities import SequenceType
from topups.sandbox.methods import METHODS, Method
from topups.sandbox.money import amount_from
from topups.sandbox.problems import invalid

LOCALES = {
    *("ca_ES", "cs_CZ", "da_DK", "de_AT", "de_CH", "de_DE", "de_LU", "en_BE", "en_GB", "en_NL", "en_US"),
    *("es_ES", "fi_FI", "fr_BE", "fr_FR", "fr_LU", "hu_HU", "is_IS", "it_IT", "lt_LT", "lv_LV", "nb_NO"),
    *("nl_BE", "nl_NL", "pl_PL", "pt_PT", "sk_SK", "sv_SE"),
}
METADATA_BYTES = 1024


@dataclass(frozen=True)
class PaymentRequest:
    amount_cents: int
    description: str
    sequence_type: SequenceType
    methods: list[str]
    customer_id: str | None
    mandate_id: str | None
    redirect_url: str | None
    cancel_url: str | None
    webhook_url: str | None
    locale: str | None
    metadata: Any


def parse_payment_request(data: dict[str, Any], customer_id: str | None) -> PaymentRequest:
    """Checks what can be checked without looking anything up. Raises Problem 422."""
    amount_cents = amount_from(data.get("amount"))
    sequence_type = sequence_type_from(data)
    methods = methods_from(data.get("method"))
    customer_id = customer_id or text_from(data, "customerId")
    redirect_url = url_from(data, "redirectUrl")
    if redirect_url is None and sequence_type != "recurring":
        raise invalid("redirectUrl", "The 'redirectUrl' field is missing")
    if customer_id is None and sequence_type != "oneoff":
        raise invalid("customerId", "A customer is needed for a first or recurring payment")
    if sequence_type != "recurring":
        check_methods(methods, amount_cents, sequence_type)
    return PaymentRequest(
        amount_cents=amount_cents,
        description=description_from(data, required=True) or "",
        sequence_type=sequence_type,
        methods=methods,
        customer_id=customer_id,
        mandate_id=text_from(data, "mandateId"),
        redirect_url=redirect_url,
        cancel_url=url_from(data, "cancelUrl"),
        webhook_url=url_from(data, "webhookUrl"),
        locale=locale_from(data),
        metadata=metadata_from(data),
    )


def sequence_type_from(data: dict[str, Any]) -> SequenceType:
    match data.get("sequenceType"):
        case None | "oneoff":
            return "oneoff"
        case "first":
            return "first"
        case "recurring":
            return "recurring"
    raise invalid("sequenceType", "The sequence type is invalid")


def methods_from(raw: Any) -> list[str]:
    """One method, a list to choose from, or nothing; then the checkout page offers all that fit."""
    if raw is None:
        return []
    listed = raw if isinstance(raw, list) else [raw]
    for method in listed:
        if not isinstance(method, str) or method not in METHODS:
            raise invalid("method", "The payment method is invalid or not activated on this profile")
    return listed


def check_methods(methods: list[str], amount_cents: int, sequence_type: str) -> None:
    for method_id in methods:
        method = METHODS[method_id]
        if sequence_type not in method.sequence_types:
            raise invalid(
                "method", f"The payment method does not support the sequence type '{sequence_type}'"
            )
        check_limits(method, amount_cents, sequence_type)
    if not any(method.takes(amount_cents, sequence_type) for method in METHODS.values()):
        raise invalid("amount", "No payment method takes this amount")


def check_limits(method: Method, amount_cents: int, sequence_type: str) -> None:
    if amount_cents < method.least_cents(sequence_type):
        raise invalid("amount", "The amount is lower than the minimum of this payment method")
    if amount_cents > method.maximum_cents:
        raise invalid("amount", "The amount is higher than the maximum of this payment method")


def text_from(data: dict[str, Any], field: str, *, longest: int = 255) -> str | None:
    raw = data.get(field)
    if raw is None or raw == "":
        return None
    if not isinstance(raw, str) or len(raw) > longest:
        raise invalid(field, f"The '{field}' field should be a text of at most {longest} characters")
    return raw


def description_from(data: dict[str, Any], *, required: bool) -> str | None:
    description = text_from(data, "description")
    if description is None and required:
        raise invalid("description", "The 'description' field is missing")
    return description


def url_from(data: dict[str, Any], field: str) -> str | None:
    raw = text_from(data, field, longest=2000)
    if raw is None:
        return None
    parts = urlsplit(raw)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise invalid(field, f"The '{field}' field should be a complete http or https address")
    return raw


def locale_from(data: dict[str, Any]) -> str | None:
    locale = text_from(data, "locale")
    if locale is not None and locale not in LOCALES:
        raise invalid("locale", "The locale is not supported")
    return locale


def metadata_from(data: dict[str, Any]) -> Any:
    metadata = data.get("metadata")
    if len(msgspec.json.encode(metadata)) > METADATA_BYTES:
        raise invalid("metadata", "The metadata is larger than 1 kB")
    return metadata

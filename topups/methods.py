"""The ways to pay that Mollie offers for an amount, in the reader's language, remembered for some minutes.

When Mollie cannot be asked, what was remembered longer ago is shown; with nothing remembered the list is
empty and the payer chooses on Mollie's own page.
"""

import time
from dataclasses import dataclass
from typing import Final

from app.config import settings
from app.i18n import current_locale
from topups import gateway
from topups.facts import MethodFacts
from topups.labels import METHODS
from topups.payment_body import LOCALES, amount_value

METHODS_BY_HAND: Final = frozenset({"ideal", "creditcard", "bancontact", "banktransfer", "paypal"})
# Their mandate can be given without paying anything.
METHODS_FOR_NOTHING: Final = frozenset({"creditcard", "paypal"})
_FRESH_SECONDS: Final = 300
_RETRY_SECONDS: Final = 15


@dataclass
class _Remembered:
    methods: list[MethodFacts]
    until: float


# By Mollie's address, key, language and kind of payment.
_memory: dict[tuple[str, str, str, str], _Remembered] = {}


def ways_to_pay(amount_micros: int, *, save_method: bool = False) -> list[MethodFacts]:
    """Methods for this amount that the product supports, in Mollie's order. Called outside a transaction."""
    sequence_type = "first" if save_method else "oneoff"
    locale = LOCALES[current_locale()]
    key = (settings().mollie_api_url, settings().mollie_api_key, locale, sequence_type)
    now = time.monotonic()
    known = _memory.get(key)
    if known is None or known.until < now:
        try:
            found = gateway.list_methods(
                amount_value=amount_value(settings().top_up_default_micros),
                currency=settings().currency,
                locale=locale,
                sequence_type=sequence_type,
            )
            known = _Remembered(found, now + _FRESH_SECONDS)
        except gateway.GatewayError:
            known = _Remembered(known.methods if known else [], now + _RETRY_SECONDS)
        _memory[key] = known
    return [m for m in known.methods if m.method_id in METHODS_BY_HAND and _allows(m, amount_micros)]


def method_name(method_id: str | None) -> str | None:
    """Mollie's own name of a method in the reader's language where that is remembered, else ours."""
    locale = LOCALES[current_locale()]
    for (_, _, language, _), remembered in _memory.items():
        for method in remembered.methods:
            if language == locale and method.method_id == method_id:
                return method.description
    return str(METHODS[method_id]) if method_id in METHODS else method_id


def forget() -> None:
    """For tests, whose Mollies come and go within one process."""
    _memory.clear()


def _allows(method: MethodFacts, amount_micros: int) -> bool:
    most = method.maximum_micros
    return method.minimum_micros <= amount_micros and (most is None or amount_micros <= most)

"""Automatic top-up: what to do now, and why. Pure: no clock, no database, no network.

Invariants: a charge never lifts the month's total above the maximum; a charge is only decided while the
balance, with what is on its way, is below the threshold; every answer carries its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_MICROS_PER_CENT: Final = 10_000
FAILURES_BEFORE_PAUSE: Final = 3


class Reason(StrEnum):
    """Why a top-up happened or did not; the names are part of the API."""

    CHARGED = "charged"
    ABOVE_THRESHOLD = "above_threshold"
    MONTHLY_MAXIMUM = "monthly_maximum"
    HOURLY_LIMIT = "hourly_limit"
    DAILY_LIMIT = "daily_limit"
    IN_FLIGHT = "in_flight"
    NO_VALID_METHOD = "no_valid_method"
    PAUSED_AFTER_FAILURES = "paused_after_failures"
    DISABLED = "disabled"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What the customer agreed to, and what of it is due. Exactly one of amount and target is set."""

    enabled: bool
    paused: bool
    threshold_micros: int
    amount_micros: int | None
    target_micros: int | None
    monthly_maximum_micros: int
    calendar_due_micros: int | None = None  # on the first of the month, until it has been charged


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is so right now, read under the balance's lock."""

    available_micros: int
    in_flight_micros: int  # on its way to the balance and not in it yet
    month_used_micros: int  # automatic charges of this month, in flight included, failed ones not
    charges_last_hour: int
    charges_last_day: int
    attempt_open: bool  # an automatic top-up is requested, submitting or unknown
    usable_methods: Sequence[str]  # ids, in the customer's order


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The provider's bounds."""

    hourly: int
    daily: int
    minimum_micros: int
    maximum_micros: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer: charge this amount from this method, or nothing, and why."""

    reason: Reason
    amount_micros: int = 0
    payment_method_id: str | None = None

    @property
    def charges(self) -> bool:
        return self.reason is Reason.CHARGED


def amount_to_charge(rule: Rule, situation: Situation, limits: Limits) -> int:
    """The amount of the next charge in micros, whole cents, within the provider's bounds."""
    if rule.amount_micros is not None:
        return rule.amount_micros
    if rule.target_micros is None:
        raise ValueError("a rule has an amount or a target")
    missing = rule.target_micros - situation.available_micros - situation.in_flight_micros
    cents = -(-missing // _MICROS_PER_CENT)
    return min(max(cents * _MICROS_PER_CENT, limits.minimum_micros), limits.maximum_micros)


def decide(rule: Rule, situation: Situation, limits: Limits) -> Verdict:
    """What to do now. Where several reasons hold, the first in the documented order is given."""
    if not rule.enabled:
        return Verdict(reason=Reason.DISABLED)
    by_calendar = rule.calendar_due_micros is not None
    if situation.available_micros >= rule.threshold_micros and not by_calendar:
        return Verdict(reason=Reason.ABOVE_THRESHOLD)
    amount_micros = rule.calendar_due_micros or amount_to_charge(rule, situation, limits)
    soon_micros = situation.available_micros + situation.in_flight_micros
    covered = soon_micros >= rule.threshold_micros and not by_calendar
    hindrances = (
        (situation.month_used_micros + amount_micros > rule.monthly_maximum_micros, Reason.MONTHLY_MAXIMUM),
        (rule.paused, Reason.PAUSED_AFTER_FAILURES),
        (not situation.usable_methods, Reason.NO_VALID_METHOD),
        (situation.charges_last_hour >= limits.hourly, Reason.HOURLY_LIMIT),
        (situation.charges_last_day >= limits.daily, Reason.DAILY_LIMIT),
        (covered or situation.attempt_open, Reason.IN_FLIGHT),
    )
    for holds, reason in hindrances:
        if holds:
            return Verdict(reason=reason, amount_micros=amount_micros)
    return Verdict(
        reason=Reason.CHARGED,
        amount_micros=amount_micros,
        payment_method_id=situation.usable_methods[0],
    )


class AfterFailure(StrEnum):
    """What becomes of a payment method whose charge failed."""

    RETRY_AFTER_BUSINESS_DAYS = "retry_after_business_days"
    RETRY_AFTER_A_DAY = "retry_after_a_day"
    WAIT_FOR_CUSTOMER = "wait_for_customer"
    DISABLE = "disable"


RETRY_BUSINESS_DAYS: Final = 3
_MAY_HAVE_MONEY_LATER: Final = frozenset({"AM04", "MS03", "insufficient_funds", "insufficient_balance"})
_MANDATE_IS_GONE: Final = frozenset({"MD01", "MD06", "MD07", "AC04", "invalid_mandate", "mandate_revoked"})


def after_failure(mandate_method: str, code: str | None, retries_done: int) -> AfterFailure:
    """What to do with the method after its charge failed with `code` (SEPA reason or Mollie's failureReason).

    Insufficient funds may be tried twice more, three business days apart; a card once more after a day,
    never on suspected fraud; a mandate that the bank does not know is gone; all else waits for the customer.
    """
    if code in _MANDATE_IS_GONE:
        return AfterFailure.DISABLE
    if mandate_method == "directdebit":
        if code in _MAY_HAVE_MONEY_LATER and retries_done < 2:
            return AfterFailure.RETRY_AFTER_BUSINESS_DAYS
        return AfterFailure.WAIT_FOR_CUSTOMER
    if code != "possible_fraud" and retries_done < 1:
        return AfterFailure.RETRY_AFTER_A_DAY
    return AfterFailure.WAIT_FOR_CUSTOMER

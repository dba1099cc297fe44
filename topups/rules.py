"""The customer's rule for automatic top-up: saved, switched off, resumed. Each in a unit of work.

Nothing is switched on without a consent that allows these amounts, and saving evaluates at once.
"""

from dataclasses import dataclass

from flask_babel import lazy_gettext

from app.clock import utc_now
from app.config import settings
from app.customers.service import get_customer
from app.db import db
from app.i18n import local_date
from app.ledger.service import lock_balance
from topups import auto, consents, mandates, notices, situation
from topups.calendar_day import next_due
from topups.consents import GivenBy
from topups.errors import (
    AmountOrTarget,
    AmountOutsideLimits,
    ConsentMissing,
    CustomerClosed,
    MonthlyMaximumBelowAmount,
    NoPaymentMethod,
    TargetNotAboveThreshold,
    check_amount,
)
from topups.models import AutoTopUp


@dataclass(frozen=True, kw_only=True)
class RuleWish:
    """A rule to save. Without `payment_methods` their order stays; without `consent_by` none is given now.

    `vouched_by` has taken the customer's consent elsewhere; that counts where what was agreed to before does
    not cover these amounts.
    """

    enabled: bool
    threshold_micros: int
    amount_micros: int | None
    target_micros: int | None
    monthly_maximum_micros: int
    calendar_micros: int | None = None  # on the first of each month
    payment_methods: list[str] | None = None
    consent_by: GivenBy | None = None
    vouched_by: GivenBy | None = None


def check(wish: RuleWish) -> None:
    """Raises AmountOrTarget, AmountOutsideLimits, TargetNotAboveThreshold, MonthlyMaximumBelowAmount."""
    if (wish.amount_micros is None) == (wish.target_micros is None):
        raise AmountOrTarget(field="amount")
    if wish.threshold_micros <= 0:
        raise AmountOutsideLimits(lazy_gettext("Enter an amount above zero."), field="threshold")
    check_amount(wish.threshold_micros, field="threshold", limited=False)
    check_amount(wish.monthly_maximum_micros, field="monthly_maximum", limited=False)
    if wish.amount_micros is not None:
        check_amount(wish.amount_micros, field="amount")
        least_micros = wish.amount_micros
    else:
        target_micros = wish.target_micros or 0
        check_amount(target_micros, field="target", limited=False)
        if target_micros <= wish.threshold_micros:
            raise TargetNotAboveThreshold(field="target")
        least_micros = max(target_micros - wish.threshold_micros, settings().top_up_minimum_micros)
    if wish.calendar_micros is not None:
        check_amount(wish.calendar_micros, field="calendar_amount")
        least_micros = max(least_micros, wish.calendar_micros)
    if wish.monthly_maximum_micros < least_micros:
        raise MonthlyMaximumBelowAmount(field="monthly_maximum")


def save(customer_id: int, wish: RuleWish) -> AutoTopUp:
    """Save the rule and evaluate it. Raises what `check` raises, and ConsentMissing, NoPaymentMethod."""
    check(wish)
    lock_balance(customer_id)
    if wish.enabled and get_customer(customer_id).status == "closed":
        raise CustomerClosed
    now = utc_now()
    row = db.session.get(AutoTopUp, customer_id, populate_existing=True)
    was_enabled = row is not None and row.enabled
    if row is None:
        row = AutoTopUp(
            customer_id=customer_id,
            enabled=False,
            threshold_micros=wish.threshold_micros,
            amount_micros=wish.amount_micros,
            target_micros=wish.target_micros,
            monthly_maximum_micros=wish.monthly_maximum_micros,
            failures_in_row=0,
            updated_at=now,
        )
        db.session.add(row)
    if wish.payment_methods is not None:
        mandates.order_methods(customer_id, wish.payment_methods)
        db.session.flush()
    if wish.enabled:
        _stand_on_consent(row, wish)
        if not situation.ordered_methods(customer_id):
            raise NoPaymentMethod(field="payment_methods")
    row.threshold_micros = wish.threshold_micros
    row.amount_micros, row.target_micros = wish.amount_micros, wish.target_micros
    row.monthly_maximum_micros = wish.monthly_maximum_micros
    row.calendar_on = next_due(
        row.calendar_on, wanted=wish.calendar_micros is not None, today=local_date(now)
    )
    row.calendar_micros = wish.calendar_micros
    row.enabled = wish.enabled
    row.updated_at = now
    if wish.enabled and not was_enabled:
        row.enabled_at, row.disabled_at = now, None
    if was_enabled and not wish.enabled:
        row.disabled_at, row.evaluate_at = now, None
    db.session.flush()
    if wish.enabled:
        auto.start_again(row)
        notices.switched_on(row)
    elif was_enabled:
        notices.switched_off(row)
    auto.evaluate(customer_id)
    return row


def _stand_on_consent(row: AutoTopUp, wish: RuleWish) -> None:
    given_by = wish.consent_by
    if given_by is None:
        if _agreed_before(row, wish):
            return
        given_by = wish.vouched_by
    if given_by is None:
        raise ConsentMissing(field="consent")
    given = consents.record(
        row.customer_id,
        "automatic_top_up",
        given_by,
        threshold_micros=wish.threshold_micros,
        amount_micros=wish.amount_micros,
        target_micros=wish.target_micros,
        monthly_maximum_micros=wish.monthly_maximum_micros,
        calendar_micros=wish.calendar_micros,
    )
    row.consent_id = given.consent_id


def _agreed_before(row: AutoTopUp, wish: RuleWish) -> bool:
    return consents.covers(
        consents.consent_of(row),
        threshold_micros=wish.threshold_micros,
        amount_micros=wish.amount_micros,
        target_micros=wish.target_micros,
        monthly_maximum_micros=wish.monthly_maximum_micros,
        calendar_micros=wish.calendar_micros,
    )


def find_rule(customer_id: int) -> AutoTopUp | None:
    return db.session.get(AutoTopUp, customer_id)


def switch_off(customer_id: int) -> None:
    """No more automatic charges; what is on its way arrives all the same. Again is harmless."""
    lock_balance(customer_id)
    row = db.session.get(AutoTopUp, customer_id, populate_existing=True)
    if row is None or not row.enabled:
        return
    row.enabled = False
    row.updated_at = row.disabled_at = utc_now()
    row.evaluate_at = None
    db.session.flush()
    notices.switched_off(row)
    auto.refresh_marks(customer_id)


def resume(customer_id: int) -> None:
    """End a pause and evaluate at once. Again is harmless."""
    lock_balance(customer_id)
    row = db.session.get(AutoTopUp, customer_id, populate_existing=True)
    if row is None:
        return
    auto.start_again(row)
    db.session.flush()
    auto.evaluate(customer_id)

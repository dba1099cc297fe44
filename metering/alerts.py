"""What a customer wants to be warned of: amounts, percentages, days left and monthly limits.

Evaluated off the hot path: a charge only notices that the balance passed the attention mark, which is the
nearest of these marks. Every crossing is told once; a rule is armed again when the balance has risen above
it, a monthly limit also by a new month.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask_babel import lazy_gettext
from sqlalchemy import func, select

from app.clock import utc_now
from app.config import settings
from app.db import db
from app.errors import Invalid, PaymentRequired
from app.ledger.service import Balance, get_balance, lock_balance
from metering import alert_notices
from metering.alert_marks import EVERYBODYS, Facts, Kind, Watch, is_crossed, marks_of
from metering.alert_models import AlertCrossing, AlertRule
from metering.models import UsageTotal
from metering.periods import day_of, midnight
from metering.usage import recent_burn_micros_per_day
from topups import service as topups

MAX_OF_A_KIND: Final = 5
MAX_MICROS: Final = 1_000_000_000_000
MAX_DAYS: Final = 90


class SpendingLimitReached(PaymentRequired):
    code = "spending_limit_reached"
    title = lazy_gettext("This would pass the customer's spending limit of this month.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that a customer wants to be warned of. Percentages are of the last top-up."""

    amounts_micros: tuple[int, ...] = ()
    percentages: tuple[int, ...] = ()
    days_left: int | None = None
    spending_limit_micros: int | None = None
    refuses_holds: bool = False

    def watches(self) -> list[Watch]:
        found = [Watch(Kind.AMOUNT, micros) for micros in self.amounts_micros]
        found += [Watch(Kind.PERCENTAGE, percentage) for percentage in self.percentages]
        if self.days_left is not None:
            found.append(Watch(Kind.DAYS, self.days_left))
        if self.spending_limit_micros is not None:
            found.append(Watch(Kind.SPENDING_LIMIT, self.spending_limit_micros))
        return found


@dataclass(frozen=True, slots=True)
class Spending:
    """This month's usage beside the limit, in micros; None without a limit."""

    spent_micros: int
    limit_micros: int | None
    refuses_holds: bool

    @property
    def left_micros(self) -> int | None:
        return None if self.limit_micros is None else max(0, self.limit_micros - self.spent_micros)


def rules_of(customer_id: int) -> Rules:
    rows = db.session.scalars(
        select(AlertRule).where(AlertRule.customer_id == customer_id).order_by(AlertRule.value.desc())
    ).all()
    values = {kind: tuple(row.value for row in rows if row.kind == kind) for kind in Kind}
    return Rules(
        amounts_micros=values[Kind.AMOUNT],
        percentages=values[Kind.PERCENTAGE],
        days_left=next(iter(values[Kind.DAYS]), None),
        spending_limit_micros=next(iter(values[Kind.SPENDING_LIMIT]), None),
        refuses_holds=any(row.refuses_holds for row in rows),
    )


def check(rules: Rules) -> None:
    """Raises Invalid naming the field."""
    for field, values, most in (
        ("amounts", rules.amounts_micros, MAX_MICROS),
        ("percentages", rules.percentages, 100),
        ("days_left", () if rules.days_left is None else (rules.days_left,), MAX_DAYS),
        (
            "spending_limit",
            () if rules.spending_limit_micros is None else (rules.spending_limit_micros,),
            MAX_MICROS,
        ),
    ):
        if len(set(values)) > MAX_OF_A_KIND:
            raise Invalid(lazy_gettext("Give at most %(most)s of these.", most=MAX_OF_A_KIND), field=field)
        if not all(0 < value <= most for value in values):
            if field in {"percentages", "days_left"}:
                text = lazy_gettext("Enter a whole number from 1 to %(most)s.", most=most)
            else:
                text = lazy_gettext("Enter an amount above zero.")
            raise Invalid(text, field=field)


def save(customer_id: int, rules: Rules) -> None:
    """Replace the customer's rules. What is below its mark already counts as told. Raises Invalid."""
    check(rules)
    lock_balance(customer_id)
    before = set(rules_of(customer_id).watches())
    _replace(customer_id, rules)
    _evaluate(customer_id, is_being_filled=None, quiet_about=set(rules.watches()) - before)
    topups.refresh_marks(customer_id)


def _replace(customer_id: int, rules: Rules) -> None:
    """Row by row, so that the audit log tells what was added and removed, and nothing of what stays."""
    query = select(AlertRule).where(AlertRule.customer_id == customer_id)
    rows = {(row.kind, row.value): row for row in db.session.scalars(query)}
    wanted = {(watch.kind.value, watch.value): watch for watch in rules.watches()}
    for key, row in rows.items():
        if key not in wanted:
            db.session.delete(row)
    # Of some kinds there is one: the old is gone before the new comes.
    db.session.flush()
    for key, watch in wanted.items():
        row = rows.get(key) or AlertRule(
            customer_id=customer_id, kind=key[0], value=key[1], created_at=utc_now()
        )
        row.refuses_holds = watch.kind is Kind.SPENDING_LIMIT and rules.refuses_holds
        db.session.add(row)
    db.session.flush()


def evaluate(customer_id: int, *, is_being_filled: bool | None = None) -> None:
    """Tell what has been crossed, arm what is above again. In a unit of work, under the balance's lock.

    While an automatic top-up is filling the balance, everybody's warnings are not mailed; where that is
    not known (None), they wait for an evaluation that knows.
    """
    lock_balance(customer_id)
    _evaluate(customer_id, is_being_filled=is_being_filled)


def marks(customer_id: int) -> list[int]:
    """The balances, in micros, through which a fall should be looked at."""
    balance = get_balance(customer_id)
    watches = rules_of(customer_id).watches()
    return marks_of([*EVERYBODYS, *watches], _facts(balance, watches))


def spending(customer_id: int) -> Spending:
    rules = rules_of(customer_id)
    return Spending(_month_spent_micros(customer_id), rules.spending_limit_micros, rules.refuses_holds)


def spending_refused(customer_id: int, amount_micros: int) -> bool:
    """Whether a hold of this amount would pass a monthly limit that refuses holds.

    What is held already counts as spent. Read under the balance's lock, so that two holds see each other.
    """
    limit_micros = db.session.scalar(
        select(AlertRule.value).where(
            AlertRule.customer_id == customer_id,
            AlertRule.kind == Kind.SPENDING_LIMIT.value,
            AlertRule.refuses_holds,
        )
    )
    if limit_micros is None:
        return False
    held_micros = get_balance(customer_id).held_micros
    return _month_spent_micros(customer_id) + held_micros + amount_micros > limit_micros


def refuse_spending(customer_id: int, amount_micros: int) -> None:
    """Raises SpendingLimitReached for a hold that a monthly limit refuses."""
    if spending_refused(customer_id, amount_micros):
        raise SpendingLimitReached


def customers_to_look_at(after_id: int, limit: int) -> list[int]:
    """Customers, by id, whose alerts may come or go by time alone, or have something open."""
    by_time = select(AlertRule.customer_id).where(
        AlertRule.kind.in_([Kind.DAYS.value, Kind.SPENDING_LIMIT.value]), AlertRule.customer_id > after_id
    )
    is_open = select(AlertCrossing.customer_id).where(
        AlertCrossing.rearmed_at.is_(None), AlertCrossing.customer_id > after_id
    )
    both = by_time.union(is_open).subquery()
    return list(db.session.scalars(select(both.c.customer_id).order_by(both.c.customer_id).limit(limit)))


def _evaluate(
    customer_id: int, *, is_being_filled: bool | None, quiet_about: Collection[Watch] = frozenset()
) -> None:
    balance = get_balance(customer_id)
    rules = rules_of(customer_id)
    watches = rules.watches()
    facts = _facts(balance, watches)
    now = utc_now()
    if balance.last_transfer_number == 0:
        # Who never had a balance has not lost it.
        quiet_about = {*quiet_about, *EVERYBODYS}
    open_crossings = _open_crossings(customer_id)
    news: list[AlertCrossing] = []
    for watch in (*EVERYBODYS, *watches):
        crossing = open_crossings.pop(watch, None)
        if crossing is not None and (not is_crossed(watch, facts) or _is_over(watch, crossing, now)):
            crossing.rearmed_at, crossing = now, None
        if crossing is None and is_crossed(watch, facts):
            crossing = _note(customer_id, watch, facts, now)
            if watch in quiet_about:
                crossing.mailed_at = now
            else:
                news.append(crossing)
    for crossing in open_crossings.values():
        crossing.rearmed_at = now
    db.session.flush()
    alert_notices.tell_programs(news, facts)
    alert_notices.mail(
        _unmailed(customer_id), facts, refuses_holds=rules.refuses_holds, is_being_filled=is_being_filled
    )


def _is_over(watch: Watch, crossing: AlertCrossing, now: datetime) -> bool:
    """A limit of another month."""
    return watch.kind is Kind.SPENDING_LIMIT and crossing.crossed_at < _month_start(now)


def _note(customer_id: int, watch: Watch, facts: Facts, now: datetime) -> AlertCrossing:
    db.session.flush()
    last = db.session.scalar(
        select(func.max(AlertCrossing.number)).where(
            AlertCrossing.customer_id == customer_id,
            AlertCrossing.kind == watch.kind.value,
            AlertCrossing.value == watch.value,
        )
    )
    crossing = AlertCrossing(
        customer_id=customer_id,
        kind=watch.kind.value,
        value=watch.value,
        number=(last or 0) + 1,
        available_micros=facts.available_micros,
        crossed_at=now,
    )
    db.session.add(crossing)
    return crossing


def _open_crossings(customer_id: int) -> dict[Watch, AlertCrossing]:
    return {Watch(Kind(row.kind), row.value): row for row in _open(customer_id)}


def open_crossings(customer_id: int) -> list[AlertCrossing]:
    """What is below its mark now, the newest first."""
    return sorted(_open(customer_id), key=lambda row: row.crossed_at, reverse=True)


def _open(customer_id: int) -> Iterable[AlertCrossing]:
    return db.session.scalars(
        select(AlertCrossing)
        .where(AlertCrossing.customer_id == customer_id, AlertCrossing.rearmed_at.is_(None))
        .execution_options(populate_existing=True)
    ).all()


def _unmailed(customer_id: int) -> list[AlertCrossing]:
    return [row for row in _open(customer_id) if row.mailed_at is None]


def _facts(balance: Balance, watches: Iterable[Watch]) -> Facts:
    """Reads only what these watches ask for."""
    customer_id = balance.customer_id
    kinds = {watch.kind for watch in watches}
    return Facts(
        available_micros=balance.available_micros,
        spendable_micros=balance.spendable_micros,
        low_mark_micros=balance.low_mark_micros,
        last_top_up_micros=topups.last_top_up_micros(customer_id) if Kind.PERCENTAGE in kinds else 0,
        burn_micros_per_day=recent_burn_micros_per_day(customer_id) if Kind.DAYS in kinds else 0,
        month_spent_micros=_month_spent_micros(customer_id) if Kind.SPENDING_LIMIT in kinds else 0,
    )


def _month_spent_micros(customer_id: int) -> int:
    """What this month's usage was charged, with VAT, whatever paid for it."""
    first = day_of(utc_now(), settings().timezone).replace(day=1)
    spent = db.session.scalar(
        select(func.sum(UsageTotal.gross_micros + UsageTotal.late_gross_micros)).where(
            UsageTotal.customer_id == customer_id,
            UsageTotal.period_start >= first,
            UsageTotal.period_start < (first + timedelta(days=32)).replace(day=1),
        )
    )
    return max(0, int(spent or 0))


def _month_start(now: datetime) -> datetime:
    zone = settings().timezone
    return midnight(day_of(now, zone).replace(day=1), zone)

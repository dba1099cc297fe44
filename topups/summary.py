"""How automatic top-up stands, as values for a page: one sentence's facts, the month, the last decision."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from sqlalchemy import and_, func, select

from app.clock import utc_now
from app.customers.models import Customer
from app.db import db
from app.once import once_per_page
from topups import labels, situation
from topups.decisions import Reason
from topups.models import AutoTopUp, PaymentMethod, TopUp, TopUpDecision
from topups.states import UNDER_WAY, Status

State = Literal["off", "on", "paused", "no_method"]


@dataclass(frozen=True, kw_only=True)
class DecisionLine:
    """One decision in the reader's words."""

    at: datetime
    reason: Reason
    text: str
    note: str | None  # the text beside the tag; None where the tag says it all
    remedy: str | None
    available_micros: int
    in_flight_micros: int
    amount_micros: int
    times: int
    top_up_id: str | None
    kind: str  # of the tag: ok, look, info, quiet
    tag: str


@dataclass(frozen=True, kw_only=True)
class MoneyUnderWay:
    """A payment that has not ended: what it is for, when it is expected, what was credited already."""

    top_up_id: str
    request_key: str
    amount_micros: int
    purpose: str
    invoice_number: str | None
    method: str | None
    origin: str
    status: Status
    created_at: datetime
    expected_on: date | None
    provisional_micros: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Automatic top-up in one sentence's facts. Amounts are None where there is no rule yet."""

    state: State
    threshold_micros: int | None = None
    amount_micros: int | None = None
    target_micros: int | None = None
    monthly_maximum_micros: int | None = None
    calendar_micros: int | None = None
    calendar_on: date | None = None
    method_label: str | None = None  # as it stands within a sentence
    month_used_micros: int = 0  # in flight included
    month_in_flight_micros: int = 0
    enabled_at: datetime | None = None
    paused_at: datetime | None = None
    paused_because: str | None = None
    last_decision: DecisionLine | None = None
    under_way: tuple[MoneyUnderWay, ...] = ()

    @property
    def under_way_micros(self) -> int:
        """Money on its way to the balance and not in it yet."""
        return sum(m.amount_micros - m.provisional_micros for m in self.under_way if m.purpose == "balance")


_TAGS: dict[Reason, tuple[str, LazyString]] = {
    Reason.CHARGED: ("ok", lazy_gettext("topped up")),
    Reason.ABOVE_THRESHOLD: ("quiet", lazy_gettext("not needed")),
    Reason.IN_FLIGHT: ("quiet", lazy_gettext("not needed")),
    Reason.DISABLED: ("quiet", lazy_gettext("off")),
}
_NOT_TOPPED_UP: tuple[str, LazyString] = ("look", lazy_gettext("not topped up"))


def decision_line(decision: TopUpDecision) -> DecisionLine:
    kind, tag = _TAGS.get(decision.reason, _NOT_TOPPED_UP)
    note = labels.NOTES.get(decision.reason)
    remedy = labels.REMEDIES.get(decision.reason)
    return DecisionLine(
        at=decision.decided_at,
        reason=decision.reason,
        text=str(labels.REASONS[decision.reason]),
        note=str(note) if note else None,
        remedy=str(remedy) if remedy else None,
        available_micros=decision.available_micros,
        in_flight_micros=decision.in_flight_micros,
        amount_micros=decision.amount_micros,
        times=decision.times,
        top_up_id=decision.top_up_id,
        kind=kind,
        tag=str(tag),
    )


@once_per_page
def payments_under_way(customer_id: int) -> tuple[MoneyUnderWay, ...]:
    """Payments that Mollie or the bank is working on, the oldest first.

    A checkout page that nobody has paid is not under way.
    """
    return payments_under_way_of([customer_id]).get(customer_id, ())


def payments_under_way_of(
    customer_ids: Collection[int] | None = None,
) -> dict[int, tuple[MoneyUnderWay, ...]]:
    """The same of several customers, or of all, in one statement; of those that have any."""
    query = select(TopUp).where(
        TopUp.status.in_(UNDER_WAY),
        (TopUp.sequence_type == "recurring") | (TopUp.status == Status.PENDING),
    )
    if customer_ids is not None:
        query = query.where(TopUp.customer_id.in_(set(customer_ids)))
    found: dict[int, tuple[MoneyUnderWay, ...]] = {}
    for top_up in db.session.scalars(query.order_by(TopUp.created_at)):
        found[top_up.customer_id] = (*found.get(top_up.customer_id, ()), _under_way(top_up))
    return found


def _under_way(top_up: TopUp) -> MoneyUnderWay:
    return MoneyUnderWay(
        top_up_id=top_up.top_up_id,
        request_key=top_up.request_key,
        amount_micros=top_up.amount_micros,
        purpose=top_up.purpose,
        invoice_number=top_up.invoice_number,
        method=top_up.method,
        origin=top_up.origin,
        status=top_up.status,
        created_at=top_up.created_at,
        expected_on=top_up.expected_on,
        provisional_micros=top_up.provisional_micros,
    )


def _state(row: AutoTopUp, *, has_method: bool) -> State:
    if not row.enabled:
        return "off"
    if row.paused_at is not None:
        return "paused"
    return "on" if has_method else "no_method"


@dataclass(frozen=True)
class _Rule:
    """What is read of a rule: its row, the first method, the last decision, what the month used."""

    row: AutoTopUp | None
    method: PaymentMethod | None
    last: TopUpDecision | None
    month_used_micros: int


def _rule(customer_id: int, now: datetime) -> _Rule:
    """In one statement, since every page of the customer's may ask for it."""
    newest = select(func.max(TopUpDecision.number)).where(TopUpDecision.customer_id == customer_id)
    first = (
        situation.methods_in_order(customer_id).with_only_columns(PaymentMethod.payment_method_id).limit(1)
    )
    used = situation.month_used(customer_id, now).scalar_subquery()
    found = db.session.execute(
        select(AutoTopUp, PaymentMethod, TopUpDecision, used.label("used_micros"))
        .select_from(Customer)
        .outerjoin(AutoTopUp, AutoTopUp.customer_id == Customer.customer_id)
        .outerjoin(
            PaymentMethod,
            and_(
                PaymentMethod.customer_id == Customer.customer_id,
                PaymentMethod.payment_method_id == first.scalar_subquery(),
            ),
        )
        .outerjoin(
            TopUpDecision,
            and_(
                TopUpDecision.customer_id == Customer.customer_id,
                TopUpDecision.number == newest.scalar_subquery(),
            ),
        )
        .where(Customer.customer_id == customer_id)
    ).one()
    return _Rule(found.AutoTopUp, found.PaymentMethod, found.TopUpDecision, int(found.used_micros or 0))


def summary(customer_id: int) -> Summary:
    """For dashboard and settings page alike. Two statements."""
    now = utc_now()
    under_way = payments_under_way(customer_id)
    rule = _rule(customer_id, now)
    row = rule.row
    label = labels.method_within(rule.method) if rule.method else None
    if row is None:
        return Summary(state="off", method_label=label, under_way=under_way)
    this_month = situation.month_start(now)
    in_flight = [m for m in under_way if m.origin == "automatic" and m.created_at >= this_month]
    return Summary(
        state=_state(row, has_method=rule.method is not None),
        threshold_micros=row.threshold_micros,
        amount_micros=row.amount_micros,
        target_micros=row.target_micros,
        monthly_maximum_micros=row.monthly_maximum_micros,
        calendar_micros=row.calendar_micros,
        calendar_on=row.calendar_on,
        method_label=label,
        month_used_micros=rule.month_used_micros,
        month_in_flight_micros=sum(m.amount_micros for m in in_flight),
        enabled_at=row.enabled_at,
        paused_at=row.paused_at,
        paused_because=row.paused_because,
        last_decision=decision_line(rule.last) if rule.last else None,
        under_way=under_way,
    )

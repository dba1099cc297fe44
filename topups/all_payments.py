"""Payments of all customers, by what is the matter with them. Reads only.

Each list is read from an index of its own, since there are as many payments as customers have ever made.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from sqlalchemy import Select, or_, select

from app.db import among, db
from app.ledger.figures import latest_of_kind
from topups.models import Chargeback, TopUp
from topups.states import UNANSWERED, UNDER_WAY, Status

Show = Literal["unclear", "under_way", "received", "failed", "taken_back"]

# What does not fit between Mollie's payment and ours; nothing is booked until it does.
PROBLEMS: Final[dict[str, LazyString]] = {
    "gone_at_mollie": lazy_gettext("Mollie no longer knows this payment."),
    "other_metadata": lazy_gettext("At Mollie this payment names another one of ours."),
    "other_payment": lazy_gettext("Mollie has a second payment that names this one."),
    "other_amount": lazy_gettext("The amount at Mollie differs from ours."),
    "other_currency": lazy_gettext("The currency at Mollie differs from ours."),
    "other_mode": lazy_gettext("It was made with Mollie's other key: test instead of live, or the reverse."),
    "other_customer": lazy_gettext("At Mollie this payment belongs to another customer."),
}
_OPEN: Final = UNDER_WAY | {Status.OPEN}


def listed(show: Show, *, skip: int, limit: int) -> list[TopUp]:
    """The newest first."""
    if show == "received":
        return _received(skip, limit)
    query: Select[Any] = select(TopUp).where(TopUp.purpose != "method")
    if show == "failed":
        query = query.where(TopUp.status == Status.FAILED, TopUp.ended_at.is_not(None))
        query = query.order_by(TopUp.ended_at.desc(), TopUp.top_up_id)
    elif show == "taken_back":
        query = query.join(
            Chargeback,
            (Chargeback.customer_id == TopUp.customer_id) & (Chargeback.top_up_id == TopUp.top_up_id),
        ).order_by(Chargeback.created_at.desc(), TopUp.top_up_id)
    else:
        query = query.where(TopUp.status.in_(sorted(_OPEN)))
        if show == "unclear":
            query = query.where(_is_unclear())
        query = query.order_by(TopUp.created_at.desc(), TopUp.top_up_id)
    return list(db.session.scalars(query.offset(skip).limit(limit)))


def unclear_count(most: int = 99) -> int:
    """How many payments wait for an answer or do not fit."""
    query = select(TopUp.top_up_id).where(TopUp.status.in_(sorted(_OPEN)), _is_unclear()).limit(most)
    return len(db.session.scalars(query).all())


def by_reference(reference: str) -> TopUp | None:
    """The payment with this id, ours or Mollie's."""
    query = select(TopUp).where(TopUp.mollie_payment_id == reference)
    return db.session.scalars(query.limit(1)).one_or_none()


def _is_unclear() -> Any:
    return or_(TopUp.status.in_(sorted(UNANSWERED)), TopUp.problem.is_not(None))


def _received(skip: int, limit: int) -> list[TopUp]:
    """By the movements that booked them, which name their payment."""
    booked = latest_of_kind("top_up", skip=skip, limit=limit)
    ids = {
        reference.removeprefix("topup-").removesuffix("-paid"): customer_id
        for customer_id, reference in booked
    }
    found: Sequence[TopUp] = db.session.scalars(
        select(TopUp).where(among(TopUp.customer_id, ids.values()), TopUp.top_up_id.in_(ids))
    ).all()
    by_id = {top_up.top_up_id: top_up for top_up in found}
    return [by_id[top_up_id] for top_up_id in ids if top_up_id in by_id]

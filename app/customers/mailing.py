"""Copies of a customer's mails for those of its people who want them, by topic, chosen per membership."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from sqlalchemy import select

from app.customers.models import Membership, User
from app.db import db
from app.errors import Invalid, NotFound

Topic = Literal["invoices", "payments", "balance"]
TOPICS: Final[dict[Topic, LazyString]] = {
    "invoices": lazy_gettext("Invoices and credit notes"),
    "payments": lazy_gettext("Payments, receipts and reminders"),
    "balance": lazy_gettext("Low balance and spending limit"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A member who wants a copy. `key` sets their mail apart from the same mail to others."""

    email: str
    name: str
    locale: str
    key: str


def readers(customer_id: int, topic: Topic) -> list[Reader]:
    """Who of the team gets a copy."""
    rows = db.session.execute(
        select(User, Membership.mail_topics)
        .join(Membership, Membership.user_id == User.user_id)
        .where(Membership.customer_id == customer_id)
        .order_by(User.user_id)
    )
    return [
        Reader(email=user.email, name=user.name, locale=user.locale, key=f"member-{user.user_id}")
        for user, topics in rows
        if topic in topics
    ]


def topics_of(customer_id: int, user_id: int) -> list[str]:
    found = db.session.get(Membership, (customer_id, user_id))
    return list(found.mail_topics) if found is not None else []


def choose(customer_id: int, user_id: int, topics: Sequence[str]) -> None:
    """Raises Invalid, NotFound."""
    membership = db.session.get(Membership, (customer_id, user_id))
    if membership is None:
        raise NotFound
    if not set(topics) <= TOPICS.keys():
        raise Invalid(lazy_gettext("Choose from the list."), field="topics")
    membership.mail_topics = [topic for topic in TOPICS if topic in topics]

"""A customer's wish to be closed: asked by an owner, seen by the provider's staff, who do it."""

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.clock import utc_now
from app.config import page_url, settings
from app.customers.models import Customer, User
from app.customers.people_models import ClosingWish
from app.db import db
from app.errors import Invalid
from app.mail import send


def wish_of(customer_id: int) -> ClosingWish | None:
    return db.session.get(ClosingWish, customer_id)


def ask(customer: Customer, reason: str, *, by: User) -> ClosingWish:
    """Note the wish and tell the staff; asking again changes nothing. Raises Invalid."""
    db.session.get(Customer, customer.customer_id, with_for_update={"key_share": True})
    found = wish_of(customer.customer_id)
    if found is not None:
        return found
    if len(reason) > 1000 or "\x00" in reason:
        raise Invalid(lazy_gettext("Use at most 1000 characters."), field="reason")
    wish = ClosingWish(
        customer_id=customer.customer_id, asked_by_user_id=by.user_id, reason=reason, asked_at=utc_now()
    )
    db.session.add(wish)
    db.session.flush()
    send(
        "closing_wish",
        to=settings().provider.support_email,
        locale=settings().default_locale,
        customer_id=customer.customer_id,
        context={
            "customer": customer,
            "by": by,
            "reason": reason,
            "url": page_url(f"/desk/customers/{customer.reference}/close"),
        },
    )
    return wish


def waiting(limit: int = 100) -> list[tuple[Customer, ClosingWish]]:
    """Customers that asked to be closed and are not yet, the longest waiting first."""
    rows = db.session.execute(
        select(Customer, ClosingWish)
        .join(ClosingWish, ClosingWish.customer_id == Customer.customer_id)
        .where(Customer.status != "closed")
        .order_by(ClosingWish.asked_at, Customer.customer_id)
        .limit(limit)
    )
    return [(row.Customer, row.ClosingWish) for row in rows]


def withdraw(customer_id: int) -> None:
    """Again is harmless."""
    found = db.session.get(ClosingWish, customer_id)
    if found is not None:
        db.session.delete(found)

"""Looking at a customer's pages as the customer sees them: for staff, read-only, until they end it.

What must stay true: whoever looks changes nothing. So nothing is sent but the way out, whatever a page
offers.
"""

from typing import Final, TypedDict, cast

from flask import Flask, g, request, session
from flask_babel import lazy_gettext

from app.customers.models import Customer, User
from app.db import db
from app.errors import Forbidden

SESSION_KEY: Final = "viewing_as"
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
WAYS_OUT: Final = frozenset({"desk_viewing.end", "customers.sign_out"})


class Viewed(TypedDict):
    customer_id: int
    reference: str
    name: str


class OnlyLooking(Forbidden):
    code = "only_looking"
    title = lazy_gettext("You are looking as the customer: nothing can be changed until you end that.")


def init_app(app: Flask) -> None:
    app.before_request(_refuse_changes)
    app.jinja_env.globals["viewing"] = viewing


def begin(customer: Customer) -> None:
    session[SESSION_KEY] = Viewed(
        customer_id=customer.customer_id, reference=customer.reference, name=customer.name
    )


def end() -> None:
    session.pop(SESSION_KEY, None)


def viewing() -> Viewed | None:
    """Whom this session looks as."""
    return cast("Viewed | None", session.get(SESSION_KEY))


def viewed_customer(user: User) -> Customer | None:
    """Whose pages a member of staff is looking at. Anybody else never is."""
    seen = viewing()
    return db.session.get(Customer, seen["customer_id"]) if seen and user.is_operator else None


def _refuse_changes() -> None:
    seen = viewing()
    if seen is None:
        return
    g.viewing_as = seen["reference"]
    if request.method not in READING and request.endpoint not in WAYS_OUT:
        raise OnlyLooking

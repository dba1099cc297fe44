"""The provider's staff: who may work at the desk, and in which role.

What must stay true: there is always an operator, and nobody takes the desk from themselves.
"""

from collections.abc import Collection
from typing import Final, Literal

from flask_babel import lazy_gettext
from sqlalchemy import func, select

from app.customers.models import Membership, User
from app.customers.sign_in import create_user, find_user, sign_out_everywhere
from app.db import db
from app.errors import Conflict, NotFound
from app.mail import send

StaffRole = Literal["operator", "support"]
STAFF_ROLES: Final[tuple[StaffRole, ...]] = ("operator", "support")


class StaffAlready(Conflict):
    code = "staff_already"
    title = lazy_gettext("This person works at the desk already.")


class IsCustomer(Conflict):
    code = "is_customer"
    title = lazy_gettext("This person acts for a customer. Staff signs in with an address of its own.")


class OwnAccess(Conflict):
    code = "own_access"
    title = lazy_gettext("You cannot change your own access: ask a colleague.")


class LastOperator(Conflict):
    code = "last_operator"
    title = lazy_gettext("There must be an operator. Make somebody else an operator first.")


def staff() -> list[User]:
    """Everybody who may work at the desk, by name."""
    return list(db.session.scalars(select(User).where(User.is_operator).order_by(User.name, User.user_id)))


def people(user_ids: Collection[int]) -> dict[int, User]:
    """These users, by id, in one statement."""
    if not user_ids:
        return {}
    rows = db.session.scalars(select(User).where(User.user_id.in_(user_ids)))
    return {user.user_id: user for user in rows}


def invite(email: str, name: str, role: StaffRole, *, locale: str, sign_in_url: str) -> User:
    """Let somebody work at the desk and mail them where to sign in: by code, so no password travels.

    Raises StaffAlready, IsCustomer.
    """
    user = find_user(email)
    if user is None:
        user = create_user(email, name, locale=locale, is_operator=True)
    elif user.is_operator:
        raise StaffAlready
    elif db.session.scalar(select(Membership.user_id).where(Membership.user_id == user.user_id).limit(1)):
        raise IsCustomer
    user.is_operator = True
    user.name = name
    user.staff_role = role
    send(
        "staff_invitation",
        to=user.email,
        locale=user.locale,
        customer_id=None,
        context={"name": name, "url": sign_in_url, "email": user.email},
        dedupe_key=f"staff-{user.user_id}-{user.session_version}",
    )
    db.session.flush()
    return user


def change_role(user_id: int, role: StaffRole, *, by_user_id: int) -> User:
    """Holds from the next request on. Raises NotFound, OwnAccess, LastOperator."""
    user = _other(user_id, by_user_id)
    if role != "operator":
        _keep_an_operator(user)
    user.staff_role = role
    return user


def remove(user_id: int, *, by_user_id: int) -> User:
    """Ends the access and every session. Raises NotFound, OwnAccess, LastOperator."""
    user = _other(user_id, by_user_id)
    _keep_an_operator(user)
    user.is_operator = False
    sign_out_everywhere(user)
    return user


def _other(user_id: int, by_user_id: int) -> User:
    if user_id == by_user_id:
        raise OwnAccess
    # All of the staff is locked, in order: two who remove each other at once cannot both succeed.
    rows = db.session.scalars(select(User).where(User.is_operator).order_by(User.user_id).with_for_update())
    user = {user.user_id: user for user in rows}.get(user_id)
    if user is None:
        raise NotFound
    return user


def _keep_an_operator(leaving: User) -> None:
    others = db.session.scalar(
        select(func.count())
        .select_from(User)
        .where(User.is_operator, User.staff_role == "operator", User.user_id != leaving.user_id)
    )
    if not others:
        raise LastOperator

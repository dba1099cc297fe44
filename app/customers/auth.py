"""Who is asking: the key of a program, the session of a person, the customer they act for."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Final, ParamSpec, TypeVar, cast

from flask import Flask, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_login import LoginManager, current_user
from sqlalchemy import and_, select, update

from app.clock import utc_now
from app.customers.models import ApiKey, Customer, Membership, User
from app.customers.roles import Permission, require
from app.db import db
from app.errors import Forbidden, NotFound, Unauthorized
from app.reference.statements import API_KEY

P = ParamSpec("P")
R = TypeVar("R")

KEY_PREFIX: Final = "tgd"
KEY_MEMORY_SECONDS: Final = 5
USED_MEMORY: Final = timedelta(minutes=5)
PERMISSION: Final = "permission_required"
login_manager = LoginManager()


class NoCustomer(Forbidden):
    code = "no_customer"
    title = lazy_gettext("You are signed in, but not linked to a customer yet. Ask us, or a colleague.")


# A key that was right a moment ago is not looked up again; revoking takes effect within these seconds.
_fresh_keys: dict[str, tuple[float, str]] = {}


def init_app(app: Flask) -> None:
    login_manager.init_app(app)
    login_manager.login_view = "customers.sign_in"
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=14),
    )


_WITH_CUSTOMERS: Final = (
    select(User, Customer, Membership.role)
    .outerjoin(Membership, Membership.user_id == User.user_id)
    .outerjoin(Customer, and_(Customer.customer_id == Membership.customer_id, Customer.status == "active"))
    .order_by(Customer.name)
)


@login_manager.user_loader
def _load_user(session_name: str) -> User | None:
    user_id, _, version = session_name.partition(".")
    if not user_id.isdigit() or not version.isdigit():
        return None
    user = _read_with_customers(int(user_id))
    return user if user is not None and user.session_version == int(version) else None


def _read_with_customers(user_id: int) -> User | None:
    """In one statement, kept for this request: nearly every page asks for both."""
    rows = db.session.execute(_WITH_CUSTOMERS.where(User.user_id == user_id)).all()
    acts_for = [(row.Customer, row.role) for row in rows if row.Customer is not None]
    g.acts_for = (user_id, acts_for)
    return rows[0].User if rows else None


@login_manager.unauthorized_handler
def _unauthorized() -> ResponseReturnValue:
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("customers.sign_in", next=target))


def create_api_key(name: str, *, created_by: User | None = None) -> tuple[ApiKey, str]:
    """A new key and its full text, which is shown once and not kept."""
    key_id = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(10))
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        key_id=key_id,
        name=name,
        secret_hash=_digest(secret),
        created_by_user_id=created_by.user_id if created_by else None,
        created_at=utc_now(),
    )
    db.session.add(key)
    db.session.flush()
    return key, f"{KEY_PREFIX}_{key_id}_{secret}"


def revoke_api_key(key_id: str) -> None:
    """Raises NotFound. Again is harmless."""
    key = db.session.get(ApiKey, key_id)
    if key is None:
        raise NotFound
    key.revoked_at = key.revoked_at or utc_now()


def api_keys() -> list[ApiKey]:
    return list(db.session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc())))


def check_api_key(text: str) -> str:
    """The id of a valid key. Raises Unauthorized."""
    digest = _digest(text)
    seen = _fresh_keys.get(digest)
    if seen is not None and time.monotonic() - seen[0] < KEY_MEMORY_SECONDS:
        return seen[1]
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    row = db.session.execute(
        select(ApiKey.secret_hash, ApiKey.last_used_at).where(
            ApiKey.key_id == key_id, ApiKey.revoked_at.is_(None)
        )
    ).one_or_none()
    if prefix != KEY_PREFIX or row is None or not hmac.compare_digest(row.secret_hash, _digest(secret)):
        raise Unauthorized
    now = utc_now()
    if row.last_used_at is None or now - row.last_used_at > USED_MEMORY:
        db.session.execute(update(ApiKey).where(ApiKey.key_id == key_id).values(last_used_at=now))
        db.session.commit()
    _fresh_keys[digest] = (time.monotonic(), key_id)
    return key_id


def forget_api_keys() -> None:
    """For tests, whose databases come and go within one process."""
    _fresh_keys.clear()


def require_api_key(view: Callable[P, R]) -> Callable[P, R]:
    """For the API's routes: `Authorization: Bearer tgd_…`; g.api_key_id says whose it is."""

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized
        g.api_key_id = check_api_key(token.strip())
        return view(*args, **kwargs)

    vars(checked)[API_KEY] = True
    return checked


def customers_of(user: User) -> list[tuple[Customer, str]]:
    """The customers a user acts for, with the role, by name."""
    if g.get("acts_for", (None,))[0] != user.user_id:
        _read_with_customers(user.user_id)
    return list(g.acts_for[1])


def acting_for(user: User) -> tuple[Customer, str] | None:
    """The customer chosen in the session, else the first, with the user's role; None for nobody's member."""
    mine = customers_of(user)
    chosen = [pair for pair in mine if pair[0].customer_id == session.get("customer_id")]
    return (chosen or mine or [None])[0]


def permitted(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For customers' pages: g.customer and g.role, of the customer chosen in the session or the first.

    Raises NoCustomer, NotYourRole.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if not current_user.is_authenticated:
                return cast("R", login_manager.unauthorized())
            acting = acting_for(cast("User", current_user))
            if acting is None:
                raise NoCustomer
            g.customer, g.role = acting
            require(permission)
            return view(*args, **kwargs)

        vars(checked)[PERMISSION] = permission
        return checked

    return decorate


customer_required: Final = permitted("view")


def operator_required(view: Callable[P, R]) -> Callable[P, R]:
    """For the desk: the provider's staff; everybody else is told nothing of it."""

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_authenticated:
            return cast("R", login_manager.unauthorized())
        if not current_user.is_operator:
            abort(404)
        return view(*args, **kwargs)

    return checked


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

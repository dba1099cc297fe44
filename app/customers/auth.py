"""Who is asking: the key of a program, the session of a person, the customer they act for."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Final, ParamSpec, TypeVar, cast

from flask import Flask, Response, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_login import LoginManager, current_user, login_user
from sqlalchemy import and_, select, update

from app.clock import utc_now
from app.customers import key_scopes, user_sessions
from app.customers.models import ApiKey, Customer, Membership, User
from app.customers.people_models import UserSession
from app.customers.roles import NotYourRole, Permission, require
from app.customers.viewing import READING, viewed_customer
from app.db import db
from app.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from app.reference.statements import API_KEY

P = ParamSpec("P")
R = TypeVar("R")

KEY_PREFIX: Final = "tgd"
KEY_MEMORY_SECONDS: Final = 5
USED_MEMORY: Final = timedelta(minutes=5)
PERMISSION: Final = "permission_required"
SUPPORT_TOO: Final = "support_too"
SESSION_KEY: Final = "session"
CUSTOMER_SCOPES: Final = ("read", "events")
MOST_CUSTOMER_KEYS: Final = 20
login_manager = LoginManager()


class TooManyKeys(Conflict):
    code = "too_many_keys"
    title = lazy_gettext("There are twenty keys already. Revoke those that nobody uses.")


class NoCustomer(Forbidden):
    code = "no_customer"
    title = lazy_gettext("You are signed in, but not linked to a customer yet. Ask us, or a colleague.")


# A key that was right a moment ago is not looked up again; revoking takes effect within these seconds.
_fresh_keys: dict[str, tuple[float, "KeyFacts"]] = {}
# How to find what an argument of an address names; told by the factory, for slices above this one.
_finders: dict[str, key_scopes.Finder] = {}


def init_app(app: Flask) -> None:
    login_manager.init_app(app)
    login_manager.login_view = "customers.sign_in"
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=user_sessions.LIFE,
    )
    app.after_request(_note_visit)


_WITH_CUSTOMERS: Final = (
    select(User, Customer, Membership.role, UserSession)
    .outerjoin(Membership, Membership.user_id == User.user_id)
    .outerjoin(Customer, and_(Customer.customer_id == Membership.customer_id, Customer.status == "active"))
    .order_by(Customer.name, Customer.customer_id)
)


def sign_in(user: User, way: user_sessions.Way) -> None:
    """Begin a fresh session: nothing that was there before lives on in it. In a unit of work."""
    session.clear()
    session.permanent = True
    session["locale"] = user.locale
    session[SESSION_KEY] = user_sessions.begin(
        user, way, user_agent=request.headers.get("User-Agent", ""), ip_address=request.remote_addr or ""
    )
    login_user(user)


@login_manager.user_loader
def _load_user(session_name: str) -> User | None:
    user_id, _, version = session_name.partition(".")
    secret = session.get(SESSION_KEY)
    if not user_id.isdigit() or not version.isdigit() or not isinstance(secret, str):
        return None
    user = _read_with_customers(int(user_id), user_sessions.digest(secret))
    return user if user is not None and user.session_version == int(version) else None


def _read_with_customers(user_id: int, session_id: str) -> User | None:
    """In one statement, kept for this request: nearly every page asks for both. None without a session."""
    this = and_(UserSession.user_id == User.user_id, UserSession.session_id == session_id)
    rows = db.session.execute(
        _WITH_CUSTOMERS.outerjoin(UserSession, this).where(User.user_id == user_id)
    ).all()
    g.acts_for = (user_id, [(row.Customer, row.role) for row in rows if row.Customer is not None])
    here: UserSession | None = rows[0].UserSession if rows else None
    if here is None or here.ended_at is not None:
        return None
    g.session_id = session_id
    g.session_to_note = here.last_seen_at < utc_now() - user_sessions.SEEN_MEMORY
    return cast("User", rows[0].User)


def _note_visit(response: Response) -> Response:
    """Now and then, that a session is in use: after the answer is made, whatever was answered."""
    if g.pop("session_to_note", False):
        user_sessions.seen(g.session_id)
    return response


@login_manager.unauthorized_handler
def _unauthorized() -> ResponseReturnValue:
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("customers.sign_in", next=target))


def create_api_key(
    name: str, *, created_by: User | None = None, customer_id: int | None = None, scope: str = "full"
) -> tuple[ApiKey, str]:
    """A new key and its full text, which is shown once and not kept."""
    key_id = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(10))
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        key_id=key_id,
        name=name,
        customer_id=customer_id,
        scope=scope,
        secret_hash=_digest(secret),
        created_by_user_id=created_by.user_id if created_by else None,
        created_at=utc_now(),
    )
    db.session.add(key)
    db.session.flush()
    return key, f"{KEY_PREFIX}_{key_id}_{secret}"


def create_customer_key(customer_id: int, name: str, scope: str, *, created_by: User) -> tuple[ApiKey, str]:
    """A key for one customer alone. Raises Invalid, TooManyKeys."""
    if scope not in CUSTOMER_SCOPES:
        raise Invalid(lazy_gettext("Choose what the key may do."), field="scope")
    if sum(key.revoked_at is None for key in api_keys(customer_id)) >= MOST_CUSTOMER_KEYS:
        raise TooManyKeys
    return create_api_key(name, created_by=created_by, customer_id=customer_id, scope=scope)


def revoke_api_key(key_id: str, *, customer_id: int | None = None) -> None:
    """One of the provider's keys, or of this customer's. Raises NotFound. Again is harmless."""
    key = db.session.get(ApiKey, key_id)
    if key is None or key.customer_id != customer_id:
        raise NotFound
    key.revoked_at = key.revoked_at or utc_now()


def api_keys(customer_id: int | None = None) -> list[ApiKey]:
    """The provider's own keys, or a customer's, the newest first."""
    query = select(ApiKey).where(ApiKey.customer_id.is_not_distinct_from(customer_id))
    return list(db.session.scalars(query.order_by(ApiKey.created_at.desc())))


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """Whose key it is: a customer's, or the provider's, which has no `customer_id`."""

    key_id: str
    customer_id: int | None
    scope: str


def find_by_argument(name: str, finder: key_scopes.Finder) -> None:
    """Customers' keys reach what an argument `name` of an address stands for through `finder`."""
    _finders[name] = finder


def check_api_key(text: str) -> KeyFacts:
    """A valid key. Raises Unauthorized."""
    digest = _digest(text)
    seen = _fresh_keys.get(digest)
    if seen is not None and time.monotonic() - seen[0] < KEY_MEMORY_SECONDS:
        return seen[1]
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    row = db.session.execute(
        select(ApiKey.secret_hash, ApiKey.last_used_at, ApiKey.customer_id, ApiKey.scope).where(
            ApiKey.key_id == key_id, ApiKey.revoked_at.is_(None)
        )
    ).one_or_none()
    if prefix != KEY_PREFIX or row is None or not hmac.compare_digest(row.secret_hash, _digest(secret)):
        raise Unauthorized
    now = utc_now()
    if row.last_used_at is None or now - row.last_used_at > USED_MEMORY:
        db.session.execute(update(ApiKey).where(ApiKey.key_id == key_id).values(last_used_at=now))
        db.session.commit()
    facts = KeyFacts(key_id, row.customer_id, row.scope)
    _fresh_keys[digest] = (time.monotonic(), facts)
    return facts


def forget_api_keys() -> None:
    """For tests, whose databases come and go within one process."""
    _fresh_keys.clear()


def require_api_key(view: Callable[P, R]) -> Callable[P, R]:
    """For the API's routes: `Authorization: Bearer tgd_…`; g.api_key_id says whose it is.

    A customer's own key opens what `key_scopes` says; nothing of the view runs otherwise.
    """

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized
        key = check_api_key(token.strip())
        g.api_key_id, g.key_customer_id = key.key_id, key.customer_id
        if key.customer_id is not None:
            key_scopes.check(key.scope, key.customer_id, request.endpoint or "", kwargs, _finders)
        return view(*args, **kwargs)

    vars(checked)[API_KEY] = True
    return checked


def customers_of(user: User) -> list[tuple[Customer, str]]:
    """The customers a user acts for, with the role, by name."""
    if g.get("acts_for", (None,))[0] != user.user_id:
        _read_with_customers(user.user_id, "")
    return list(g.acts_for[1])


def acting_for(user: User) -> tuple[Customer, str] | None:
    """The customer chosen in the session, else the first, with the user's role; None for nobody's member.

    Staff that looks as a customer sees what an owner sees.
    """
    viewed = viewed_customer(user)
    if viewed is not None:
        return viewed, "owner"
    mine = customers_of(user)
    chosen = [pair for pair in mine if pair[0].customer_id == session.get("customer_id")]
    acting = chosen or mine
    return acting[0] if acting else None


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
    """For the desk: the provider's staff; everybody else is told nothing of it.

    Support reads, and does only what is marked `support_too`. Raises NotYourRole.
    """

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_authenticated:
            return cast("R", login_manager.unauthorized())
        if not current_user.is_operator:
            abort(404)
        reads = request.method in READING or vars(view).get(SUPPORT_TOO, False)
        if current_user.staff_role != "operator" and not reads:
            raise NotYourRole
        return view(*args, **kwargs)

    return checked


def support_too(view: Callable[P, R]) -> Callable[P, R]:
    """Beneath `operator_required`: support may send this too."""
    vars(view)[SUPPORT_TOO] = True
    return view


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""Passwords: forgotten and chosen anew by a mailed link, changed by who knows the current one.

What must stay true: no answer tells whether an address is known; a link works once, for an hour, and not
after the password was changed; a changed password ends the other sessions, and its person is told by mail.
"""

import secrets
from datetime import timedelta
from typing import Final

from argon2.exceptions import InvalidHashError, VerificationError
from flask_babel import lazy_gettext
from sqlalchemy import select, update

from app.clock import utc_now
from app.config import page_url
from app.customers import user_sessions
from app.customers.models import User
from app.customers.people_models import PasswordLink
from app.customers.sign_in import count_attempt, find_user, hasher
from app.customers.user_sessions import digest
from app.db import db
from app.errors import Forbidden, Invalid, NotFound
from app.mail import send
from app.throttle import throttle

LINK_LIFE: Final = timedelta(hours=1)
LEAST: Final = 10
MOST: Final = 200


class LinkExpired(NotFound):
    code = "link_expired"
    title = lazy_gettext("This link has expired or was used before. Ask for a new one.")


class WrongPassword(Forbidden):
    code = "wrong_password"
    title = lazy_gettext("This is not your current password.")


def send_link(email: str) -> None:
    """Mail a link to choose a password when the address is known; silently do nothing when it is not."""
    count_attempt("password-link", email)
    user = find_user(email)
    token = secrets.token_urlsafe(32)
    # The work that the answer waits for is the same, known or not.
    hasher.hash(token)
    if user is None:
        return
    now = utc_now()
    link = PasswordLink(
        link_id=digest(token), user_id=user.user_id, expires_at=now + LINK_LIFE, created_at=now
    )
    db.session.add(link)
    db.session.flush()
    send(
        "password_link",
        to=user.email,
        locale=user.locale,
        customer_id=None,
        context={
            "url": page_url(f"/password/choose/{token}"),
            "minutes": int(LINK_LIFE.total_seconds() // 60),
        },
        dedupe_key=f"password-link-{link.link_id}",
    )


def find_link(token: str, *, locked: bool = False) -> PasswordLink:
    """Raises LinkExpired."""
    link = db.session.get(PasswordLink, digest(token), with_for_update=locked)
    if link is None or link.used_at is not None or link.expires_at <= utc_now():
        raise LinkExpired
    return link


def choose_by_link(token: str, password: str) -> None:
    """Raises LinkExpired, Invalid."""
    link = find_link(token, locked=True)
    user = db.session.get_one(User, link.user_id)
    _change(user, password)
    user.session_version += 1
    user_sessions.end_all(user.user_id)


def change(user: User, current: str, password: str, *, session_id: str) -> None:
    """By who is signed in; the other sessions end. Raises WrongPassword, Invalid, TooManyRequests."""
    throttle("password-change", str(user.user_id), most=10, window_seconds=15 * 60)
    if user.password_hash is not None and not is_right(user, current):
        raise WrongPassword(field="current")
    _change(user, password)
    user_sessions.end_all(user.user_id, but=session_id)


def is_right(user: User, password: str) -> bool:
    try:
        return hasher.verify(user.password_hash or "", password)
    except (VerificationError, InvalidHashError):
        return False


def check(password: str, email: str) -> None:
    """Raises Invalid, saying what a password must be."""
    if not LEAST <= len(password) <= MOST:
        raise Invalid(
            lazy_gettext("A password has at least %(least)s characters.", least=LEAST), field="password"
        )
    plain = password.strip().lower()
    if plain in (email.lower(), email.partition("@")[0].lower()) or len(set(plain)) < 4:
        raise Invalid(lazy_gettext("This password is too easy to guess."), field="password")


def _change(user: User, password: str) -> None:
    check(password, user.email)
    user.password_hash = hasher.hash(password)
    now = utc_now()
    unused = select(PasswordLink.link_id).where(
        PasswordLink.user_id == user.user_id, PasswordLink.used_at.is_(None)
    )
    db.session.execute(update(PasswordLink).where(PasswordLink.link_id.in_(unused)).values(used_at=now))
    send(
        "password_changed",
        to=user.email,
        locale=user.locale,
        customer_id=None,
        context={"when": now, "url": page_url("/password/forgotten")},
    )

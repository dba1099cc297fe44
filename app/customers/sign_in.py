"""Signing in: by e-mail and password (argon2), or by a six-digit code sent by mail.

Neither way tells whether an address is known: the answers and their timing are the same.
"""

import secrets
from datetime import timedelta
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select

from app.clock import utc_now
from app.customers import user_sessions
from app.customers.models import Membership, SignInCode, User
from app.db import db
from app.mail import send
from app.throttle import throttle

CODE_LIFE: Final = timedelta(minutes=10)
CODE_ATTEMPTS: Final = 5
ATTEMPTS_PER_QUARTER: Final = 10
hasher: Final = PasswordHasher()
# Verified when the address is unknown, so that the answer takes as long.
_NOBODY: Final = hasher.hash(secrets.token_urlsafe(16))
# What a new member gets copies of, by role: whoever pays wants to see it.
FIRST_TOPICS: Final = {"billing": ["invoices", "payments"]}


def find_user(email: str) -> User | None:
    return db.session.scalars(select(User).where(User.email == email.strip().lower())).one_or_none()


def user_of_session(name: str) -> User | None:
    """Who a session's name stands for, as long as their sessions have not been ended."""
    user_id, _, version = name.partition(".")
    if not user_id.isdigit() or not version.isdigit():
        return None
    user = db.session.get(User, int(user_id))
    return user if user is not None and user.session_version == int(version) else None


def create_user(
    email: str, name: str, *, locale: str, password: str | None = None, is_operator: bool = False
) -> User:
    user = User(
        email=email.strip().lower(),
        name=name,
        locale=locale,
        password_hash=hasher.hash(password) if password else None,
        is_operator=is_operator,
        session_version=1,
        created_at=utc_now(),
    )
    db.session.add(user)
    db.session.flush()
    return user


def add_member(customer_id: int, user: User, role: str = "owner") -> None:
    db.session.add(
        Membership(
            customer_id=customer_id,
            user_id=user.user_id,
            role=role,
            mail_topics=FIRST_TOPICS.get(role, []),
            created_at=utc_now(),
        )
    )
    db.session.flush()


def authenticate(email: str, password: str) -> User | None:
    """The user, when the password is right. Raises TooManyRequests after many tries for one address."""
    count_attempt("password", email)
    user = find_user(email)
    try:
        hasher.verify((user.password_hash if user else None) or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return None
    if user is None or user.password_hash is None:
        return None
    if hasher.check_needs_rehash(user.password_hash):
        user.password_hash = hasher.hash(password)
    return user


def send_sign_in_code(email: str) -> None:
    """Mail a code when the address is known; silently do nothing when it is not."""
    count_attempt("code", email)
    user = find_user(email)
    code = f"{secrets.randbelow(1_000_000):06d}"
    digest = hasher.hash(code)
    if user is None:
        return
    now = utc_now()
    stored = SignInCode(
        user_id=user.user_id, code_hash=digest, attempts=0, expires_at=now + CODE_LIFE, created_at=now
    )
    db.session.add(stored)
    db.session.flush()
    send(
        "sign_in_code",
        to=user.email,
        locale=user.locale,
        customer_id=None,
        context={"code": code, "minutes": int(CODE_LIFE.total_seconds() // 60)},
        dedupe_key=f"sign-in-code-{stored.code_id}",
    )


def redeem_sign_in_code(email: str, code: str) -> User | None:
    """The user, when this is their newest code, unused, in time and within five tries."""
    count_attempt("redeem", email)
    user = find_user(email)
    newest = (
        db.session.scalars(
            select(SignInCode)
            .where(SignInCode.user_id == user.user_id)
            .order_by(SignInCode.code_id.desc())
            .limit(1)
            .with_for_update()
        ).one_or_none()
        if user is not None
        else None
    )
    usable = (
        newest is not None
        and newest.used_at is None
        and newest.expires_at > utc_now()
        and newest.attempts < CODE_ATTEMPTS
    )
    if newest is not None:
        newest.attempts += 1
    try:
        hasher.verify(newest.code_hash if newest is not None and usable else _NOBODY, code.strip())
    except VerificationError:
        return None
    if user is None or newest is None or not usable:
        return None
    newest.used_at = utc_now()
    return user


def sign_out_everywhere(user: User) -> None:
    """End every session of this user."""
    user.session_version += 1
    user_sessions.end_all(user.user_id)


def count_attempt(what: str, email: str) -> None:
    """At most ten tries per address in a quarter of an hour, whether or not the address is known."""
    throttle(what, email.strip().lower(), most=ATTEMPTS_PER_QUARTER, window_seconds=15 * 60)

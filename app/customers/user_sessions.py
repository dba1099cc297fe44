"""Where a person is signed in: a row per sign-in, named by the digest of the secret that its cookie holds.

A session ends when its person says so or the password changes; a cookie that was not renewed for a fortnight
is refused by its signature's age.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, delete, select, update

from app import audit
from app.audit import Subject
from app.clock import utc_now
from app.customers.models import User
from app.customers.people_models import UserSession
from app.db import db

LIFE: Final = timedelta(days=14)
SEEN_MEMORY: Final = timedelta(minutes=5)
KEPT: Final = timedelta(days=90)
Way = Literal["password", "code", "single_sign_on", "invitation"]

# What a User-Agent is told by; of several the first that it holds.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, kw_only=True)
class Device:
    """One session as its person reads it."""

    session_id: str
    name: str
    ip_address: str
    way: str
    created_at: datetime
    last_seen_at: datetime
    is_this: bool


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def begin(user: User, way: Way, *, user_agent: str, ip_address: str) -> str:
    """A new session; answers the secret for its cookie."""
    secret, now = secrets.token_urlsafe(24), utc_now()
    db.session.add(
        UserSession(
            session_id=digest(secret),
            user_id=user.user_id,
            way=way,
            user_agent=user_agent[:300].replace("\x00", ""),
            ip_address=ip_address[:45],
            created_at=now,
            last_seen_at=now,
        )
    )
    user.last_sign_in_at = now
    db.session.flush()
    return secret


def seen(session_id: str) -> None:
    """On a connection of its own: a commit of the request's session would be taken for a person's act."""
    with db.engine.begin() as connection:
        connection.execute(
            update(UserSession).where(UserSession.session_id == session_id).values(last_seen_at=utc_now())
        )


def devices(user_id: int, this_session_id: str | None) -> list[Device]:
    """Where this person is signed in, this device first, then the latest seen."""
    rows = db.session.scalars(
        select(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.ended_at.is_(None),
            UserSession.last_seen_at > utc_now() - LIFE,
        )
        .order_by(UserSession.last_seen_at.desc())
        .limit(100)
    )
    found = [
        Device(
            session_id=row.session_id,
            name=device_name(row.user_agent),
            ip_address=row.ip_address,
            way=row.way,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            is_this=row.session_id == this_session_id,
        )
        for row in rows
    ]
    return sorted(found, key=lambda device: not device.is_this)


def end(user_id: int, session_id: str) -> None:
    """End one of this person's sessions; another's is left alone. Again is harmless."""
    _end(user_id, UserSession.session_id == session_id)


def end_all(user_id: int, *, but: str | None = None) -> None:
    """End every session of this person, `but` this one."""
    _end(user_id, UserSession.session_id != (but or ""))


def _end(user_id: int, which: ColumnElement[bool]) -> None:
    ended = db.session.scalars(
        update(UserSession)
        .where(UserSession.user_id == user_id, which, UserSession.ended_at.is_(None))
        .values(ended_at=utc_now())
        .returning(UserSession.session_id)
    ).all()
    if ended:
        audit.note("session.ended", Subject("user", str(user_id)), after={"sessions": len(ended)})


def forget_old() -> None:
    """Sessions that were left long ago."""
    db.session.execute(delete(UserSession).where(UserSession.last_seen_at < utc_now() - KEPT))


def device_name(user_agent: str) -> str:
    """What a browser says of itself, such as "Firefox, Windows"; "" when it says nothing known."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return ", ".join(part for part in (browser, system) if part)

"""Jobs of people: what is long over is forgotten."""

from sqlalchemy import delete

from app.clock import utc_now
from app.customers import user_sessions
from app.customers.models import SignInCode
from app.customers.people_models import PasswordLink
from app.db import db, in_unit_of_work


def forget_old() -> None:
    """Job: sessions, codes and links that ended three months ago."""
    in_unit_of_work(_forget_old)


def _forget_old() -> None:
    long_ago = utc_now() - user_sessions.KEPT
    user_sessions.forget_old()
    db.session.execute(delete(SignInCode).where(SignInCode.expires_at < long_ago))
    db.session.execute(delete(PasswordLink).where(PasswordLink.expires_at < long_ago))

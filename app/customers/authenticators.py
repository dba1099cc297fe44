"""A second code at the sign-in, from an app on one's phone (TOTP, RFC 6238), and recovery codes in its place.

What must stay true: no code works twice; whoever lost the phone comes in by a recovery code, once each; the
secret lies sealed in the database.
"""

import hashlib
import secrets
from typing import Final

import pyotp
import segno
from sqlalchemy import delete, select

from app import audit
from app.audit import Subject
from app.clock import utc_now
from app.config import settings
from app.customers.models import User
from app.customers.people_models import Authenticator, RecoveryCode
from app.db import db
from app.sealing import CannotOpen, is_of_now, open_sealed, seal
from app.throttle import throttle

RECOVERY_CODES: Final = 10
STEP_SECONDS: Final = 30
TRIES_PER_QUARTER: Final = 10
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def is_on(user_id: int) -> bool:
    row = db.session.get(Authenticator, user_id)
    return row is not None and row.confirmed_at is not None


def begin(user: User) -> Authenticator:
    """The secret to be put into the app; it is asked for once a code from it has confirmed it.

    The same until then, so a page may be loaded again.
    """
    # The person's row orders two pages that are opened at once.
    db.session.get_one(User, user.user_id, with_for_update={"key_share": True})
    row = db.session.get(Authenticator, user.user_id, populate_existing=True)
    if row is None:
        row = Authenticator(user_id=user.user_id, last_step=0, created_at=utc_now())
        row.secret = seal(pyotp.random_base32(), purpose_of(user.user_id))
        db.session.add(row)
    elif row.confirmed_at is None and secret_of(row) is None:
        # Nobody has it in an app yet, so another one does as well.
        row.secret = seal(pyotp.random_base32(), purpose_of(user.user_id))
    db.session.flush()
    return row


def purpose_of(user_id: int) -> str:
    """What a person's secret is sealed for: in another person's row it does not open."""
    return f"authenticator of {user_id}"


def secret_of(row: Authenticator) -> str | None:
    """The secret as the app has it; None where its key is gone, and only recovery codes work."""
    try:
        return open_sealed(row.secret, purpose_of(row.user_id))
    except CannotOpen:
        return None


def address(user: User, row: Authenticator) -> str:
    """The otpauth:// address that apps read."""
    totp = pyotp.TOTP(secret_of(row) or "")
    return totp.provisioning_uri(name=user.email, issuer_name=settings().provider.name)


def picture(user: User, row: Authenticator) -> str:
    """The address as a QR code, as a data URI."""
    return str(segno.make(address(user, row), error="m").svg_data_uri(scale=4, border=3, light="#fff"))


def confirm(user: User, code: str) -> list[str] | None:
    """Turn it on when the code is right; answers the recovery codes, which are shown this once."""
    throttle("authenticator", str(user.user_id), most=TRIES_PER_QUARTER, window_seconds=15 * 60)
    row = db.session.get(Authenticator, user.user_id, with_for_update=True)
    if row is None or row.confirmed_at is not None or not _takes(row, code):
        return None
    row.confirmed_at = utc_now()
    return new_recovery_codes(user)


def new_recovery_codes(user: User) -> list[str]:
    """Ten fresh ones; the older work no longer."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.user_id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    db.session.add_all(RecoveryCode(user_id=user.user_id, code_digest=_digest(code)) for code in codes)
    db.session.flush()
    audit.note("recovery_codes.made", Subject("user", str(user.user_id)), after={"codes": len(codes)})
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def codes_left(user_id: int) -> int:
    unused = select(RecoveryCode.code_digest).where(
        RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    )
    return len(db.session.scalars(unused).all())


def check(user: User, code: str) -> bool:
    """Whether this is the app's code of now or a recovery code; each works once. Raises TooManyRequests."""
    throttle("authenticator", str(user.user_id), most=TRIES_PER_QUARTER, window_seconds=15 * 60)
    row = db.session.get(Authenticator, user.user_id, with_for_update=True)
    if row is None or row.confirmed_at is None:
        return False
    return _takes(row, code) or _recovers(user, code)


def turn_off(user: User) -> None:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.user_id))
    row = db.session.get(Authenticator, user.user_id, with_for_update=True)
    if row is not None:
        db.session.delete(row)
        db.session.flush()


def _takes(row: Authenticator, code: str) -> bool:
    """The code of this half minute, the one before or the one after: clocks differ."""
    digits = code.replace(" ", "")
    now_step = int(utc_now().timestamp()) // STEP_SECONDS
    secret = secret_of(row)
    if secret is None:
        return False
    totp = pyotp.TOTP(secret)
    for step in (now_step - 1, now_step, now_step + 1):
        if step > row.last_step and pyotp.utils.strings_equal(totp.generate_otp(step), digits):
            row.last_step = step
            if not is_of_now(row.secret, purpose_of(row.user_id)):
                row.secret = seal(secret, purpose_of(row.user_id))
            return True
    return False


def _recovers(user: User, code: str) -> bool:
    plain = code.strip().lower().replace("-", "").replace(" ", "")
    found = db.session.get(RecoveryCode, (user.user_id, _digest(plain)), with_for_update=True)
    if found is None or found.used_at is not None:
        return False
    found.used_at = utc_now()
    return True


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()

"""Tables of people: sessions, invitations, ways to sign in, a customer's wish to leave.

Whatever opens a door (a session, a link, a recovery code) is kept as a digest only.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import CustomerKey, Model, UtcDateTime


def _of_user() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["user_id"], ["user_account.user_id"], ondelete="RESTRICT")


class UserSession(Model):
    """One sign-in on one device. Its cookie holds the secret that `session_id` is the digest of."""

    __tablename__ = "user_session"

    session_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    way: Mapped[str] = mapped_column(String(16))
    user_agent: Mapped[str] = mapped_column(String(300))
    ip_address: Mapped[str] = mapped_column(String(45))
    created_at: Mapped[UtcDateTime]
    last_seen_at: Mapped[UtcDateTime]
    ended_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        _of_user(),
        CheckConstraint("way IN ('password', 'code', 'single_sign_on', 'invitation')", name="way"),
        Index("ix_user_session_open", "user_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_user_session_last_seen_at", "last_seen_at"),
    )


class PasswordLink(Model):
    """A link by which one chooses a new password, once."""

    __tablename__ = "password_link"

    link_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[UtcDateTime]
    used_at: Mapped[UtcDateTime | None]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (_of_user(), Index("ix_password_link_user_id", "user_id"))


class Authenticator(Model):
    """The secret that a person's authenticator app shares with us; asked for once `confirmed_at` is set."""

    __tablename__ = "authenticator"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # Sealed (`app.sealing`): who reads the database alone makes no codes of it.
    secret: Mapped[str] = mapped_column(String(255))
    # The number of the last half minute whose code was taken: no code works twice.
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[UtcDateTime]
    confirmed_at: Mapped[UtcDateTime | None]

    __table_args__ = (_of_user(),)


class RecoveryCode(Model):
    """Signs in once in place of the authenticator app."""

    __tablename__ = "recovery_code"

    user_id: Mapped[int] = mapped_column(BigInteger)
    code_digest: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[UtcDateTime | None]

    __table_args__ = (PrimaryKeyConstraint("user_id", "code_digest"), _of_user())


class SignInIdentity(Model):
    """A person as a single sign-on provider knows them; `user_id` once we know who that is here."""

    __tablename__ = "sign_in_identity"

    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    email: Mapped[str] = mapped_column(String(254))
    email_verified: Mapped[bool] = mapped_column(Boolean)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[UtcDateTime]
    last_used_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("issuer", "subject"),
        _of_user(),
        Index("ix_sign_in_identity_user_id", "user_id"),
    )


class Invitation(Model):
    """An address asked to join a customer's team. The mailed link holds the token that the digest is of."""

    __tablename__ = "invitation"

    customer_id: Mapped[CustomerKey]
    invitation_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(8))
    token_digest: Mapped[str] = mapped_column(String(64))
    invited_by_user_id: Mapped[int] = mapped_column(BigInteger)
    mails_sent: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[UtcDateTime]
    sent_at: Mapped[UtcDateTime]
    expires_at: Mapped[UtcDateTime]
    accepted_at: Mapped[UtcDateTime | None]
    accepted_by_user_id: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("role IN ('owner', 'billing', 'viewer')", name="role"),
        Index(
            "uq_invitation_open",
            "customer_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
    )


class ClosingWish(Model):
    """An owner asks us to close the customer."""

    __tablename__ = "closing_wish"

    customer_id: Mapped[CustomerKey]
    asked_by_user_id: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[UtcDateTime]

    __table_args__ = (ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),)

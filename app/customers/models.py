"""Tables of customers, users, memberships, sign-in codes and API keys."""

from datetime import date

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Sequence,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.customers import cycles
from app.customers.cycles import CycleChange
from app.db import Micros, Model, UtcDateTime

customer_id_seq = Sequence("customer_id_seq", start=1000, metadata=Model.metadata)


class Customer(Model):
    """Who holds a balance. `reference` is the provider's own name for it and never changes."""

    __tablename__ = "customer"

    customer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reference: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    kind: Mapped[str] = mapped_column(String(8))
    country: Mapped[str] = mapped_column(String(2))
    locale: Mapped[str] = mapped_column(String(2))
    currency: Mapped[str] = mapped_column(String(3))
    vat_number: Mapped[str | None] = mapped_column(String(20))
    address_line1: Mapped[str] = mapped_column(String(200), default="")
    postal_code: Mapped[str] = mapped_column(String(16), default="")
    city: Mapped[str] = mapped_column(String(100), default="")
    payment_term_days: Mapped[int | None] = mapped_column(Integer)
    purchase_order: Mapped[str | None] = mapped_column(String(64))
    provisional_limit_micros: Mapped[Micros] = mapped_column(default=0)
    # How often the customer is invoiced, as changes with the day each holds from.
    billing_cycles: Mapped[list[CycleChange]] = mapped_column(
        JSONB, default=list, server_default=text("'[]'::jsonb")
    )
    invoice_empty_periods: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))
    # A Dutch business that sells telecom on: VAT on telecom is reverse-charged to it.
    resells_telecom: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))
    status: Mapped[str] = mapped_column(String(8), default="active")
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        CheckConstraint("kind IN ('business', 'consumer', 'house')", name="kind"),
        CheckConstraint("status IN ('active', 'closed')", name="status"),
        CheckConstraint("locale IN ('nl', 'en')", name="locale"),
    )

    @property
    def billing_cycle(self) -> str:
        """The cycle that was chosen last; it may hold from the next month on."""
        return cycles.latest(self.billing_cycles)

    def billing_cycle_on(self, day: date) -> str:
        return cycles.cycle_on(self.billing_cycles, day)


class CustomerReference(Model):
    """Look-up: reference → customer. Small and replicated when the other tables are sharded."""

    __tablename__ = "customer_reference"

    reference: Mapped[str] = mapped_column(String(64, collation="C"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(BigInteger, unique=True)


class User(Model):
    """A person who signs in; acts for customers through memberships, or for the provider as operator."""

    __tablename__ = "user_account"

    user_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    locale: Mapped[str] = mapped_column(String(2))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    is_operator: Mapped[bool] = mapped_column(Boolean, default=False)
    # What somebody of the provider's staff may do at the desk: all of it, or look and send mails again.
    staff_role: Mapped[str] = mapped_column(String(8), default="operator", server_default="operator")
    session_version: Mapped[int] = mapped_column(Integer, default=1)
    last_sign_in_at: Mapped[UtcDateTime | None]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (CheckConstraint("staff_role IN ('operator', 'support')", name="staff_role"),)

    # What Flask-Login asks of a user.
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """The session's name for this user; a new version ends the sessions that carry an older one."""
        return f"{self.user_id}.{self.session_version}"


class Membership(Model):
    """A user's role for one customer: owner, billing or viewer."""

    __tablename__ = "membership"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[int] = mapped_column(BigInteger)
    role: Mapped[str] = mapped_column(String(8))
    # Which of the customer's mails this person gets a copy of: topics of `app.customers.mailing`.
    mail_topics: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'::jsonb"))
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "user_id"),
        ForeignKeyConstraint(["user_id"], ["user_account.user_id"], ondelete="RESTRICT"),
        CheckConstraint("role IN ('owner', 'billing', 'viewer')", name="role"),
        Index("ix_membership_user_id", "user_id"),
    )


class SignInCode(Model):
    """A six-digit code sent by mail: stored hashed, used once, few tries, minutes of life."""

    __tablename__ = "sign_in_code"

    code_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    code_hash: Mapped[str] = mapped_column(String(200))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    expires_at: Mapped[UtcDateTime]
    used_at: Mapped[UtcDateTime | None]
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.user_id"], ondelete="RESTRICT"),
        Index("ix_sign_in_code_user_id", "user_id", "created_at"),
    )


class ApiKey(Model):
    """A program's key. Only a digest of the secret is kept; `key_id` is its readable first part.

    `scope` is `full` for the provider's programs; a customer's own key reads, or writes events, of that
    customer alone.
    """

    __tablename__ = "api_key"

    key_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    scope: Mapped[str] = mapped_column(String(8), default="full", server_default="full")
    secret_hash: Mapped[str] = mapped_column(String(64))
    created_by_user_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[UtcDateTime]
    last_used_at: Mapped[UtcDateTime | None]
    revoked_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        CheckConstraint("scope IN ('full', 'read', 'events')", name="scope"),
        CheckConstraint("(scope = 'full') = (customer_id IS NULL)", name="scope_of_customer"),
        Index("ix_api_key_customer_id", "customer_id"),
    )

"""Who changed what, when and from where. Append-only, written in the transaction of the change itself.

Two things leave an entry: a change of a watched table (`WATCHED`), noticed when the session is flushed, and
an act that a service or the desk names itself (`note`). What rolls back leaves none.
"""

import getpass
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import click
from flask import g, has_request_context, request
from flask_login import current_user
from rq import get_current_job
from sqlalchemy import BigInteger, Identity, Index, String, event, insert, inspect, select
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import get_history

from app.clock import utc_now
from app.db import Model, UtcDateTime, db

Facts = Mapping[str, Any]
HIDDEN: Final = "•••"
MOST_CHARACTERS: Final = 2_000


class AuditEntry(Model):
    """One act or change. `before` and `after` hold what differs; of secrets only that they changed."""

    __tablename__ = "audit_entry"

    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[UtcDateTime]
    actor_kind: Mapped[str] = mapped_column(String(8))
    actor: Mapped[str] = mapped_column(String(254, collation="C"))
    viewing_as: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    subject_kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(254, collation="C"))
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    ip_address: Mapped[str | None] = mapped_column(INET)

    __table_args__ = (
        Index("ix_audit_entry_at", "at"),
        Index("ix_audit_entry_actor", "actor", "entry_id"),
        Index("ix_audit_entry_action", "action", "entry_id"),
        Index("ix_audit_entry_subject", "subject", "entry_id"),
        Index("ix_audit_entry_customer_id", "customer_id", "entry_id"),
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """What an entry is about: `name` is what people know it by, such as a reference or an address."""

    kind: str
    name: str
    customer_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a table is watched: which attribute names its rows, and what is left out or hidden."""

    kind: str
    name: str
    left_out: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    def shown(self, values: Facts) -> dict[str, Any]:
        """What an entry may hold of these values."""
        return {
            name: HIDDEN if name in self.hidden and value is not None else value
            for name, value in values.items()
            if name not in self.left_out and name != "created_at"
        }


# By the table's name, so that this module needs none of the slices above it.
WATCHED: Final[Mapping[str, Watch]] = {
    "customer": Watch(kind="customer", name="reference"),
    "user_account": Watch(
        kind="user", name="email", left_out=("last_sign_in_at", "session_version"), hidden=("password_hash",)
    ),
    "membership": Watch(kind="membership", name="user_id"),
    "invitation": Watch(
        kind="invitation", name="email", left_out=("invitation_id",), hidden=("token_digest",)
    ),
    "authenticator": Watch(kind="authenticator", name="user_id", left_out=("last_step",), hidden=("secret",)),
    "api_key": Watch(kind="api_key", name="key_id", left_out=("last_used_at",), hidden=("secret_hash",)),
    "meter": Watch(kind="meter", name="code"),
    "meter_price": Watch(kind="price", name="price_id"),
    "plan": Watch(kind="plan", name="code"),
    "subscription": Watch(kind="subscription", name="subscription_id", left_out=("charged_through",)),
    "webhook_endpoint": Watch(
        kind="webhook_endpoint",
        name="endpoint_id",
        left_out=("failing_since",),
        hidden=("secret", "previous_secret"),
    ),
    "auto_top_up": Watch(
        kind="auto_top_up",
        name="customer_id",
        # What the engine notes for itself.
        left_out=("failures_in_row", "evaluate_at", "updated_at", "calendar_on"),
    ),
    "auto_pay": Watch(kind="auto_pay", name="customer_id", left_out=("changed_at",)),
    "alert_rule": Watch(kind="alert_rule", name="kind"),
    "billing_terms": Watch(kind="billing_terms", name="charge_type"),
    "dunning_pause": Watch(kind="dunning_pause", name="pause_id"),
    "adjustment": Watch(kind="adjustment", name="adjustment_id"),
    "billing_addressee": Watch(kind="addressee", name="email", left_out=("addressee_id",)),
    "closing_wish": Watch(kind="closing_wish", name="customer_id"),
    "sign_in_identity": Watch(kind="sign_in_identity", name="email", left_out=("last_used_at",)),
    "payment_method": Watch(
        kind="payment_method",
        name="payment_method_id",
        # What the bank's answers change.
        left_out=("mollie_mandate_id", "retries", "blocked_until", "last_failure_code", "looked_at"),
    ),
}


def note(action: str, subject: Subject, *, before: Facts | None = None, after: Facts | None = None) -> None:
    """Write an entry for an act, in the open transaction. Amounts are given in micros."""
    db.session.execute(
        insert(AuditEntry).values(_entry(action, subject, before, after)).execution_options(autoflush=False)
    )


def _entry(action: str, subject: Subject, before: Facts | None, after: Facts | None) -> dict[str, Any]:
    kind, actor = actor_now()
    return {
        "at": utc_now(),
        "actor_kind": kind,
        "actor": actor[:254],
        "viewing_as": g.get("viewing_as") if has_request_context() else None,
        "action": action[:64],
        "subject_kind": subject.kind,
        "subject": subject.name[:254],
        "customer_id": subject.customer_id,
        "before": _plain(before) if before else None,
        "after": _plain(after) if after else None,
        "ip_address": request.remote_addr if has_request_context() else None,
    }


def actor_now() -> tuple[str, str]:
    """Who is acting: (kind, name). A person by address, a program by its key, else the job or command."""
    if has_request_context():
        if g.get("api_key_id"):
            return "key", str(g.api_key_id)
        if current_user and current_user.is_authenticated:
            return "user", str(current_user.email)
        return "nobody", ""
    job = get_current_job()
    if job is not None:
        return "job", str(job.func_name)
    command = click.get_current_context(silent=True)
    if command is not None:
        return "command", f"{_system_user()}: {command.command_path}"
    return "command", _system_user()


def _system_user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return "?"


def _plain(facts: Facts) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in facts.items()}


def _plain_value(value: Any) -> Any:
    match value:
        case None | bool() | int():
            return value
        case Mapping():
            return _plain(value)
        case list() | tuple():
            return [_plain_value(one) for one in value]
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return f"{len(value)} bytes"
        case _:
            return str(value).replace("\x00", "")[:MOST_CHARACTERS]


@event.listens_for(Session, "before_flush")
def _see_changes(session: Session, _flush: object, _rows: object) -> None:
    """What is about to be changed or removed: only now does the database still know what was there."""
    session.info["audit_entries"] = [
        entry
        for verb, rows in (("changed", session.dirty), ("removed", session.deleted))
        for row in rows
        if (entry := _change(session, row, verb)) is not None
    ]


@event.listens_for(Session, "after_flush")
def _note_changes(session: Session, _flush: object) -> None:
    """Entries for what this flush did to watched tables, in one statement."""
    entries = session.info.pop("audit_entries", [])
    entries += [entry for row in session.new if (entry := _change(session, row, "created")) is not None]
    if entries:
        session.connection().execute(insert(AuditEntry), entries)


def _change(session: Session, row: Any, verb: str) -> dict[str, Any] | None:
    watch = WATCHED.get(getattr(row, "__tablename__", ""))
    if watch is None:
        return None
    names = [column.key for column in inspect(row).mapper.column_attrs]
    now = {name: inspect(row).dict[name] for name in names if name in inspect(row).dict}
    was = _stored(session, row) if verb != "created" else {}
    touched = {name for name in names if get_history(row, name).has_changes()}
    if verb == "removed":
        before, after = dict(was), dict[str, Any]()
    elif verb == "created":
        before, after = {}, {name: value for name, value in now.items() if value is not None}
    else:
        differing = [name for name in names if name in touched and was.get(name) != now.get(name)]
        before = {name: was.get(name) for name in differing}
        after = {name: now.get(name) for name in differing}
    before, after = watch.shown(before), watch.shown(after)
    if not before and not after:
        return None
    facts = was | now
    subject = Subject(watch.kind, str(facts.get(watch.name, "")), facts.get("customer_id"))
    return _entry(f"{watch.kind}.{verb}", subject, before, after)


def _stored(session: Session, row: Any) -> dict[str, Any]:
    """The row as the database has it, whatever this session has loaded of it or not."""
    mapper = inspect(row).mapper
    identity = inspect(row).identity or ()
    key = [column == value for column, value in zip(mapper.primary_key, identity, strict=True)]
    stored = session.connection().execute(select(*mapper.columns).where(*key)).mappings().one_or_none()
    return {mapper.get_property_by_column(c).key: stored[c] for c in mapper.columns} if stored else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which entries; what is empty leaves nothing out. `until` is the first moment after."""

    actor: str = ""
    subject: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    customer_id: int | None = None


def entries(filters: Filters, *, before_id: int | None = None, limit: int = 50) -> list[AuditEntry]:
    """The newest first. Actors and subjects are found by how they begin, actions by their whole name."""
    query = select(AuditEntry).order_by(AuditEntry.entry_id.desc()).limit(limit)
    if filters.actor:
        query = query.where(AuditEntry.actor.startswith(filters.actor, autoescape=True))
    if filters.subject:
        query = query.where(AuditEntry.subject.startswith(filters.subject, autoescape=True))
    if filters.action:
        query = query.where(AuditEntry.action == filters.action)
    if filters.since is not None:
        query = query.where(AuditEntry.at >= filters.since)
    if filters.until is not None:
        query = query.where(AuditEntry.at < filters.until)
    if filters.customer_id is not None:
        query = query.where(AuditEntry.customer_id == filters.customer_id)
    if before_id is not None:
        query = query.where(AuditEntry.entry_id < before_id)
    return list(db.session.scalars(query))

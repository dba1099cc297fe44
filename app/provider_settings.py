"""What the provider chose at the desk: it overrides the environment's settings, version by version.

A version is never changed; a new one is added. Each process looks for a newer one every few seconds, and a
request keeps what it began with. Issued documents carry their own copy of the seller, so nothing here
changes them. Only what differs from the environment is kept: all else follows it.
"""

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Final, cast

from flask import Flask, current_app, g, has_request_context
from flask_babel import lazy_gettext
from sqlalchemy import BigInteger, CheckConstraint, Integer, LargeBinary, String, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from app import audit
from app.audit import Subject
from app.clock import utc_now
from app.config import OVERLAY, Provider, Settings
from app.db import Model, UtcDateTime, after_commit, db
from app.errors import Conflict, NotFound
from app.png import checked_png

LOOK_SECONDS: Final = 2
STATE: Final = "provider_settings"
# Of the provider all may be chosen but who collects direct debits: that is agreed with the payment provider.
PROVIDER_NAMES: Final = frozenset(one.name for one in fields(Provider)) - {"creditor_name", "creditor_id"}
# Not the limit of adjustments: who could raise it would need no second person.
SETTING_NAMES: Final = frozenset(
    {
        "invoice_prefix", "credit_note_prefix",
        "payment_term_days", "issue_on", "small_due_micros", "low_balance_micros",
        "dunning_upcoming_days", "dunning_reminder_days", "dunning_second_reminder_days",
        "dunning_late_fee_days", "dunning_final_demand_days", "dunning_grace_days", "dunning_suspends",
        "late_fee_business", "late_fee_consumer", "ledger_accounts",
    }
)  # fmt: skip


class ProviderSettings(Model):
    """One version of what was chosen: names of settings with their values, amounts in micros."""

    __tablename__ = "provider_settings"

    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    chosen: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed_by_user_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[UtcDateTime]


class ProviderLogo(Model):
    """A logo by the digest of its bytes: older documents keep theirs."""

    __tablename__ = "provider_logo"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(16))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (CheckConstraint("media_type IN ('image/png')", name="media_type"),)


class SettingsMovedOn(Conflict):
    code = "settings_moved_on"
    title = lazy_gettext(
        "Somebody saved these settings in the meantime. Look at them and change yours again."
    )


@dataclass(slots=True)
class _State:
    """What this process knows: the newest version it has seen, and the settings it made of it."""

    looked_at: float = float("-inf")
    version: int = 0
    chosen: Mapping[str, Any] = field(default_factory=dict)
    base: Settings | None = None
    made: Settings | None = None


def init_app(app: Flask) -> None:
    app.extensions[STATE] = _State()
    app.extensions[OVERLAY] = chosen_over
    app.jinja_env.globals["logo_data"] = logo_data


def chosen_over(base: Settings) -> Settings:
    """The environment's settings with what was chosen over them."""
    if has_request_context():
        kept = cast("tuple[Settings, Settings] | None", g.get("settings"))
        if kept is None or kept[0] is not base:
            kept = g.settings = (base, _made(base))
        return kept[1]
    return _made(base)


def version() -> int:
    """The version this process knows; 0 before anything was chosen."""
    return _state().version


def _state() -> _State:
    return cast("_State", current_app.extensions[STATE])


def _made(base: Settings) -> Settings:
    state = _state()
    if time.monotonic() - state.looked_at >= LOOK_SECONDS:
        _look(state)
    if state.made is None or state.base is not base:
        state.base, state.made = base, applied(base, state.chosen)
    return state.made


def _look(state: _State) -> None:
    """Ask for a newer version, on a connection of its own: an open transaction shall not notice."""
    state.looked_at = time.monotonic()
    query = select(ProviderSettings.version, ProviderSettings.chosen)
    try:
        with db.engine.connect() as connection:
            row = connection.execute(query.order_by(ProviderSettings.version.desc()).limit(1)).one_or_none()
    except SQLAlchemyError:
        # Whoever needs the database will say so; what is known serves meanwhile.
        return
    if row is not None and row.version != state.version:
        state.version, state.chosen, state.made = row.version, row.chosen, None


def applied(base: Settings, chosen: Mapping[str, Any]) -> Settings:
    """Pure: these settings with the chosen ones over them; names of an older product are left aside."""
    provider = {name: value for name, value in chosen.items() if name in PROVIDER_NAMES}
    others = {name: value for name, value in chosen.items() if name in SETTING_NAMES}
    return replace(base, provider=replace(base.provider, **provider), **others)


def of_environment() -> Settings:
    """As the environment has them, whatever was chosen."""
    return cast("Settings", current_app.extensions["settings"])


def value_of(settings: Settings, name: str) -> Any:
    return getattr(settings.provider if name in PROVIDER_NAMES else settings, name)


def save(values: Mapping[str, Any], *, seen_version: int, by_user_id: int) -> int:
    """A new version; answers its number. Raises SettingsMovedOn when another was saved since `seen_version`.

    `values` are checked by the caller: `applied(of_environment(), values).problems()` is empty.
    """
    base = of_environment()
    query = select(ProviderSettings.version, ProviderSettings.chosen).order_by(
        ProviderSettings.version.desc()
    )
    newest = db.session.execute(query.limit(1)).one_or_none()
    before = dict(newest.chosen) if newest else {}
    if (newest.version if newest else 0) != seen_version:
        raise SettingsMovedOn
    chosen = {name: value for name, value in values.items() if value != value_of(base, name)}
    if chosen == before:
        return seen_version
    made = db.session.scalar(
        insert(ProviderSettings)
        .values(version=seen_version + 1, chosen=chosen, changed_by_user_id=by_user_id, created_at=utc_now())
        .on_conflict_do_nothing()
        .returning(ProviderSettings.version)
    )
    if made is None:
        raise SettingsMovedOn
    differing = [name for name in before | chosen if before.get(name) != chosen.get(name)]
    was, now = applied(base, before), applied(base, chosen)
    audit.note(
        "settings.changed",
        Subject("settings", str(made)),
        before={name: value_of(was, name) for name in differing},
        after={name: value_of(now, name) for name in differing},
    )
    after_commit(_look_again)
    return int(made)


def _look_again() -> None:
    _state().looked_at = float("-inf")
    g.pop("settings", None)


def keep_logo(content: bytes) -> str:
    """Store a PNG, stripped of all but its picture; answers its digest. Raises Invalid."""
    clean = checked_png(content)
    digest = hashlib.sha256(clean).hexdigest()
    db.session.execute(
        insert(ProviderLogo)
        .values(digest=digest, media_type="image/png", content=clean, created_at=utc_now())
        .on_conflict_do_nothing()
    )
    return digest


def logo(digest: str) -> bytes:
    """Raises NotFound."""
    content = db.session.scalar(select(ProviderLogo.content).where(ProviderLogo.digest == digest))
    if content is None:
        raise NotFound
    return content


def logo_data(digest: str) -> str:
    """The logo as an address that carries it, for what is printed where nothing can be fetched."""
    return _logo_data(current_app.name, digest) if digest else ""


@lru_cache(maxsize=8)
def _logo_data(_app: str, digest: str) -> str:
    return "data:image/png;base64," + base64.b64encode(logo(digest)).decode()

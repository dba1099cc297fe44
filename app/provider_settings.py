"""What the provider chose at the desk: it overrides the environment's settings, version by version.

A version is never changed; a new one is added. Each process looks for a newer one every few seconds, and a
request keeps what it began with. Issued documents carry their own copy of the seller, so nothing here
changes them.
"""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Integer, LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model, UtcDateTime


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

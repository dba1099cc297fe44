"""A close whose workers are killed at random moments ends as if nothing had happened: no gap, no double."""

import hashlib
import os
from pathlib import Path
from random import Random

import pytest

from app.config import Settings
from app.db import db
from app.embedded import BASE_ENV
from invoicing import closing, documents, reading
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, OCTOBER, Shop
from tests.killed_close import KilledClose, wrongly_mailed

CUSTOMERS = 30
# Seconds within which each kill comes, from the first thing that the workers do: the first two fall into the
# close itself, the others into printing and mailing.
PAUSES = [0.05, 0.2, 0.7, 1.0, 1.5]


def test_a_close_killed_five_times_issues_each_document_once_and_mails_it_once(
    shop: Shop, settings: Settings, smtp: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "CHUNK_SIZE", 3)
    for number in range(CUSTOMERS):
        shop.customer(f"c{number}", locale="nl" if number % 2 else "en")
        if number % 3:
            shop.top_up(f"c{number}", 60)
        shop.use_42_40(f"c{number}")
    shop.clock.travel_to(AFTER_OCTOBER)
    seed = int.from_bytes(os.urandom(4))
    moments = Random(seed)  # noqa: S311 -- no secret
    killed = KilledClose(settings, _environment(settings), tmp_path / "workers.log", moments)
    *after_kills, end = killed.run(OCTOBER, PAUSES)
    for seen in after_kills:
        assert seen.changed_in(end) == [], f"what was issued before a kill has changed; seed {seed}"
    assert sorted(end.invoices) == [f"F2026-{number:06d}" for number in range(1, CUSTOMERS + 1)]
    assert sorted(row[0] for row in end.invoices.values()) == sorted(shop.customers.values())
    assert {(row[1], row[2]) for row in end.invoices.values()} == {(4240, 0), (4240, 4240)}
    for name in end.invoices:
        document = documents.find(reading.find(name))
        assert document.sha256 == hashlib.sha256(document.content).hexdigest()
    db.session.rollback()
    assert len(end.files) == 2 * CUSTOMERS
    assert len(end.mails) == CUSTOMERS
    addresses = [f"c{number}@example.nl" for number in range(CUSTOMERS)]
    assert wrongly_mailed(smtp.messages, addresses) == [], f"seed {seed}"
    assert {message["To"] for message in smtp.messages} <= set(addresses)


def _environment(settings: Settings) -> dict[str, str]:
    return BASE_ENV | {
        "SECRET_KEY": settings.secret_key,
        "DATABASE_URL": settings.database_url,
        "OWNER_DATABASE_URL": settings.owner_database_url,
        "REDIS_URL": settings.redis_url,
        "PUBLIC_URL": settings.public_url,
        "MOLLIE_API_KEY": settings.mollie_api_key,
        "SMTP_HOST": settings.smtp_host,
        "SMTP_PORT": str(settings.smtp_port),
        "TEGOED_HOME": str(settings.home),
        "LOG_FORMAT": "text",
    }

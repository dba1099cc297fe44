"""Month partitions: made ahead by the owner, and what came before one is moved into it."""

from datetime import date
from typing import Any

import psycopg
from flask import Flask

from app.config import Settings
from app.ledger.debits import array_of
from metering.jobs import create_partitions
from metering.partitions import ensure_partitions, months_around
from tests.metering.conftest import Provider


def where_events_are(settings: Settings) -> list[str]:
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute("SELECT tableoid::regclass::text FROM usage_event ORDER BY 1").fetchall()
    return [row[0] for row in rows]


def test_six_months_around_today_have_a_partition() -> None:
    months = months_around(date(2026, 12, 31))
    assert (months[0], months[-1], len(months)) == (date(2026, 10, 1), date(2027, 3, 1), 6)


def test_events_of_a_month_without_a_partition_are_taken_and_move_when_it_is_made(
    app: Flask, provider: Provider, settings: Settings, clock: Any
) -> None:
    with psycopg.connect(settings.owner_database_url) as connection:
        kept = connection.execute("SELECT to_regclass('usage_event_2031_05')").fetchone()
    assert kept == (None,)
    clock.travel_to(clock.now().replace(year=2031, month=5, day=10))
    event = provider.event(10)
    provider.send(event)
    assert where_events_are(settings) == ["usage_event_rest"]
    create_partitions()
    assert where_events_are(settings) == ["usage_event_2031_05"]
    assert provider.send(event)["duplicates"] == 1
    assert provider.void(event).status_code == 200
    with psycopg.connect(settings.owner_database_url) as connection:
        assert ensure_partitions(connection, date(2031, 5, 10)) == []


def test_an_array_literal_is_read_back_as_it_was(app: Flask, settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            "SELECT %s::date[]", (array_of([date(2026, 1, 2), date(2026, 3, 4)]),)
        ).fetchone()
    assert row == ([date(2026, 1, 2), date(2026, 3, 4)],)

"""Metering's jobs: rolling usage up for reading back, and making month partitions ahead."""

from datetime import timedelta

import psycopg

from app.clock import utc_now
from app.config import settings
from app.db import in_unit_of_work
from metering import usage
from metering.partitions import ensure_partitions

ROLL_UP_EVERY = timedelta(minutes=1)
CREATE_PARTITIONS_EVERY = timedelta(hours=6)


def roll_up() -> None:
    """Bring the usage that pages and the API read up to date."""
    in_unit_of_work(usage.roll_up)


def create_partitions() -> None:
    """Make the partitions of the coming months, as the owner of the tables."""
    with psycopg.connect(settings().owner_database_url) as connection:
        ensure_partitions(connection, utc_now().date())

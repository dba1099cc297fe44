"""Metering's jobs: rolling usage up for reading back, levels over time, month partitions made ahead."""

import time
from typing import Final

import psycopg
from psycopg.errors import LockNotAvailable

from app.clock import utc_now
from app.config import settings
from app.db import in_unit_of_work
from metering import accrual, usage
from metering.partitions import ensure_partitions

ATTEMPTS: Final = 5
PAUSE_SECONDS: Final = 3.0


def roll_up() -> None:
    """Bring the usage that pages and the API read up to date."""
    in_unit_of_work(usage.roll_up)


def accrue_levels() -> None:
    """Charge the levels that customers hold up to now."""
    accrual.accrue_all(utc_now())


def create_partitions() -> None:
    """Make the partitions of the coming months, as the owner of the tables."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with psycopg.connect(settings().owner_database_url) as connection:
                ensure_partitions(connection, utc_now().date())
        except LockNotAvailable:
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return

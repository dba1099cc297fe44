"""Moments as people say them, in both languages."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from app.i18n import in_locale, moment, stamp
from tests.fixtures.product import Clock

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "locale", "named", "stamped"),
    [
        (datetime(2026, 11, 22, 8, 41, tzinfo=UTC), "nl", "vandaag 09.41", "vandaag 09.41"),
        (datetime(2026, 11, 20, 23, 5, tzinfo=UTC), "nl", "gisteren 00.05", "gisteren 00.05"),
        (datetime(2026, 11, 1, 5, 2, tzinfo=UTC), "nl", "1 november", "1\u00a0nov 06.02"),
        (datetime(2026, 11, 1, 5, 2, tzinfo=UTC), "en", "1 November", "1\u00a0Nov 06:02"),
        (datetime(2025, 7, 1, 5, 2, tzinfo=UTC), "nl", "1 juli 2025", "1\u00a0jul\u00a02025 07.02"),
    ],
)
def test_a_moment_is_said_as_a_day_and_a_stamp_with_its_time(
    app: Flask, clock: Clock, at: datetime, locale: str, named: str, stamped: str
) -> None:
    clock.freeze(NOW)
    with in_locale(locale):
        assert moment(at) == named
        assert stamp(at) == stamped

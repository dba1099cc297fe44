"""Moments and amounts as people write them, in both languages."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from babel.numbers import format_currency
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.i18n import in_locale, moment, stamp, unit_price, used_money
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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amount=st.decimals(-(10**12), 10**12, places=12), locale=st.sampled_from(["nl", "en"]))
def test_an_amount_is_written_as_babel_would(app: Flask, amount: Decimal, locale: str) -> None:
    full = {"nl": "nl_NL", "en": "en_GB"}[locale]

    assert unit_price(amount, locale) == format_currency(
        amount, "EUR", locale=full, decimal_quantization=False
    )


@pytest.mark.parametrize(
    ("micros", "written"),
    [(0, "€0.00"), (1, "< €0.01"), (4_999, "< €0.01"), (5_000, "€0.01"), (-1, "€0.00"), (10**9, "€1,000.00")],
)
def test_what_is_used_is_never_nothing(app: Flask, micros: int, written: str) -> None:
    assert used_money(micros, "en") == written

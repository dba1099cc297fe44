"""Settings: a wrong or missing value names itself, and the rest of the tree never reads the environment."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from app.config import Settings, SettingsError

GOOD = {
    "SECRET_KEY": "x" * 32,
    "DATABASE_URL": "postgresql://tegoed@127.0.0.1/tegoed",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "MOLLIE_API_KEY": "test_dHar4XY7LxsDOtmnkVtjNVWXLSlXsM",
}


def test_amounts_and_durations_are_read_in_the_units_people_write() -> None:
    settings = Settings.from_env(GOOD | {"TOP_UP_MINIMUM": "12.50", "EVENT_MAX_AGE_DAYS": "40"})
    assert settings.top_up_minimum_micros == 12_500_000
    assert settings.event_max_age_days == 40
    assert settings.owner_database_url == GOOD["DATABASE_URL"]


def test_a_fee_is_an_amount_a_percentage_or_both() -> None:
    fees = Settings.from_env(GOOD | {"FEE_PAYPAL": "0.35+3.4%", "FEE_CREDITCARD": "1.8%"}).fees
    assert (fees["paypal"].fixed, fees["paypal"].percentage) == (Decimal("0.35"), Decimal("3.4"))
    assert (fees["creditcard"].fixed, fees["creditcard"].percentage) == (Decimal(0), Decimal("1.8"))
    assert "ideal" not in fees


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_value_names_itself(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: is missing"):
        Settings.from_env({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "mysql://x/y"),
        ("REDIS_URL", "http://x"),
        ("MOLLIE_API_KEY", "sk_live_x"),
        ("MOLLIE_API_URL", "api.mollie.com"),
        ("PUBLIC_URL", "localhost"),
        ("TIMEZONE", "Europe/Rotterdam"),
        ("DEFAULT_LOCALE", "de"),
        ("CURRENCY", "USD"),
        ("EVENT_MAX_AGE_DAYS", "many"),
        ("EVENT_MAX_AGE_DAYS", "0"),
        ("SMTP_PORT", "٢٥"),
        ("SMTP_STARTTLS", "maybe"),
        ("TOP_UP_MINIMUM", "ten"),
        ("TOP_UP_MINIMUM", "500"),
        ("LOG_FORMAT", "xml"),
        ("FEE_PAYPAL", "a lot"),
        ("FEE_PAYPAL", "0.35+"),
        ("FEE_CREDITCARD", "-1"),
    ],
)
def test_a_wrong_value_names_itself(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: "):
        Settings.from_env(GOOD | {name: value})


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    shown = repr(Settings.from_env(GOOD | {"SMTP_PASSWORD": "hunter2"}))
    assert not any(secret in shown for secret in ("hunter2", GOOD["MOLLIE_API_KEY"], GOOD["SECRET_KEY"]))


def test_no_other_module_reads_the_environment() -> None:
    root = Path(__file__).parents[2]
    sources = [p for name in ("app", "metering", "topups", "invoicing") for p in (root / name).rglob("*.py")]
    readers = {
        str(path.relative_to(root))
        for path in sources
        if re.search(r"\bos\.environ\b|\bgetenv\(", path.read_text())
    }
    # The supervisor starts processes and hands its own environment on to them.
    supervisor = {reader for reader in readers if reader.startswith(("app/run/", "app/supervisor"))}
    assert readers - supervisor == {"app/config.py"}

"""Settings: read once from the environment, checked, frozen. No other module reads the environment.

A missing or wrong value stops the start and names itself and what it should be.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import current_app


class SettingsError(ValueError):
    """One or more settings are missing or wrong; the message names each."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Who runs this Tegoed: printed on invoices, mails and pages. Environment: PROVIDER_<NAME>."""

    name: str = "Tegoed"
    legal_name: str = "Tegoed B.V."
    address_line1: str = "Keizersgracht 1"
    postal_code: str = "1015 CC"
    city: str = "Amsterdam"
    country: str = "NL"
    vat_number: str = "NL000000000B00"
    kvk_number: str = "00000000"
    iban: str = "NL00BANK0000000000"
    bic: str = "BANKNL2A"
    support_email: str = "support@tegoed.example"
    support_phone: str = "020 000 0000"
    support_hours_nl: str = "elke dag van 8 tot 20 uur"
    support_hours_en: str = "every day from 8 am to 8 pm"
    creditor_name: str = "Stichting Mollie Payments"
    creditor_id: str = "NL08ZZZ502057730000"
    brand_colour: str = "#0b6b53"
    # The digest of a picture that was uploaded at the desk.
    logo: str = ""


@dataclass(frozen=True, kw_only=True)
class MethodFee:
    """What paying by a method costs, before VAT: a fixed part, and per cent of the amount."""

    fixed: Decimal
    percentage: Decimal


ISSUE_ON = ("period_close", "payment")
OVERLAY = "settings_overlay"
FEE_METHODS = ("ideal", "creditcard", "bancontact", "paypal", "banktransfer", "directdebit")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that can be set. Amounts are micros of the currency, durations carry their unit."""

    secret_key: str = field(repr=False)
    database_url: str = field(repr=False)
    owner_database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    mollie_api_key: str = field(repr=False)
    # Older ones, apart by spaces: they still open what they sealed and know who is signed in.
    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    public_url: str = "http://127.0.0.1:8000"
    mollie_api_url: str = "https://api.mollie.com"
    mollie_webhook_url: str = ""  # where Mollie reaches us; empty: public_url
    vies_url: str = ""  # of VIES's REST interface; empty: VAT numbers are not checked there
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    smtp_username: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_starttls: bool = False
    mail_from: str = "facturen@tegoed.example"
    home: Path = Path("var")
    demo: bool = False
    log_level: str = "INFO"
    log_format: str = "json"

    provider: Provider = Provider()
    fees: Mapping[str, MethodFee] = field(default_factory=dict)
    currency: str = "EUR"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Amsterdam"))
    default_locale: str = "nl"

    # Single sign-on, where a client id is set.
    oidc_microsoft_client_id: str = ""
    oidc_microsoft_client_secret: str = field(default="", repr=False)
    oidc_microsoft_tenant: str = "organizations"
    oidc_google_client_id: str = ""
    oidc_google_client_secret: str = field(default="", repr=False)
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_issuer: str = ""
    oidc_name: str = "OpenID Connect"
    trusted_proxies: int = 0  # how many proxies of ours stand before us and name the visitor's address

    event_max_age_days: int = 35
    event_max_ahead_seconds: int = 300
    group_commit_queue: int = 2_000
    webhook_log_days: int = 90
    close_delay_hours: int = 2
    payment_term_days: int = 14
    small_due_micros: int = 1_000_000
    # What the numbers of documents begin with; each has a series per year.
    invoice_prefix: str = "F"
    credit_note_prefix: str = "C"
    # When what is due is invoiced: at the close, or when it is paid, after a payment request.
    issue_on: str = "period_close"
    # Documents of subscriptions go out so many days before the days they are for.
    subscription_lead_days: int = 14
    # Due on the first of those days; else by the customer's payment term.
    subscription_due_at_start: bool = True

    # Dunning: days before and after the due date; the grace runs from the final demand.
    dunning_upcoming_days: int = 3
    dunning_reminder_days: int = 7
    dunning_second_reminder_days: int = 21
    dunning_late_fee_days: int = 35
    dunning_final_demand_days: int = 42
    dunning_grace_days: int = 7
    dunning_suspends: bool = True
    # What the terms ask of who pays late: nothing, wik (the Dutch legal scale), an amount or a percentage.
    late_fee_business: str = ""
    late_fee_consumer: str = ""
    # Ledger codes of the bookkeeping package, one per line: side,code or side,code,name.
    ledger_accounts: str = ""

    top_up_minimum_micros: int = 10_000_000
    top_up_maximum_micros: int = 250_000_000
    top_up_default_micros: int = 25_000_000
    auto_monthly_maximum_default_micros: int = 250_000_000
    auto_hourly_limit: int = 1
    auto_daily_limit: int = 3
    low_balance_micros: int = 5_000_000
    # What one person of the staff may add to or take off a balance; above it a second one approves.
    adjustment_limit_micros: int = 100_000_000
    database_pool_size: int = 20

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Settings named as their fields in capitals; amounts in currency units (TOP_UP_MINIMUM=10)."""
        problems: list[str] = []
        values: dict[str, Any] = {}
        for setting in fields(cls):
            if setting.name == "provider":
                values["provider"] = _provider(environ)
                continue
            if setting.name == "fees":
                values["fees"] = _fees(environ, problems)
                continue
            name = _variable(setting.name)
            text = environ.get(name)
            if text is None or (text == "" and setting.name != "mollie_webhook_url"):
                continue
            try:
                parse = _micros if setting.name.endswith("_micros") else _PARSERS.get(setting.type, str)
                values[setting.name] = parse(text)
            except ValueError as error:
                problems.append(f"{name}: {error}")
        if "owner_database_url" not in values and "database_url" in values:
            values["owner_database_url"] = values["database_url"]
        missing = [n for n in _REQUIRED if n not in values and f"{n.upper()}:" not in " ".join(problems)]
        problems.extend(f"{name.upper()}: is missing ({_REQUIRED[name]})" for name in missing)
        if not problems:
            settings = cls(**values)
            problems = settings.problems()
            if not problems:
                return settings
        raise SettingsError("Settings are not right:\n  " + "\n  ".join(problems))

    def problems(self) -> list[str]:
        """What is wrong with the values, in words that name the variable."""
        rules: list[tuple[bool, str]] = [
            (len(self.secret_key) >= 32, "SECRET_KEY: must be at least 32 characters"),
            (
                all(len(key) >= 32 for key in self.secret_key_fallbacks),
                "SECRET_KEY_FALLBACKS: each must be at least 32 characters",
            ),
            (self.database_url.startswith("postgresql"), "DATABASE_URL: must be a postgresql:// URL"),
            (self.redis_url.startswith(_REDIS_SCHEMES), "REDIS_URL: must be a redis:// or unix:// URL"),
            (
                self.mollie_api_key.startswith(("test_", "live_")),
                "MOLLIE_API_KEY: must begin with test_ or live_",
            ),
            (_is_http(self.mollie_api_url), "MOLLIE_API_URL: must be an http(s) URL"),
            (_is_http(self.public_url), "PUBLIC_URL: must be an http(s) URL"),
            (not self.vies_url or _is_http(self.vies_url), "VIES_URL: must be an http(s) URL"),
            (self.default_locale in ("nl", "en"), "DEFAULT_LOCALE: must be nl or en"),
            (self.issue_on in ISSUE_ON, f"ISSUE_ON: must be {' or '.join(ISSUE_ON)}"),
            (is_series(self.invoice_prefix), f"INVOICE_PREFIX: {SERIES_RULE}"),
            (is_series(self.credit_note_prefix), f"CREDIT_NOTE_PREFIX: {SERIES_RULE}"),
            (
                self.invoice_prefix != self.credit_note_prefix,
                "CREDIT_NOTE_PREFIX: must differ from INVOICE_PREFIX",
            ),
            (self.currency == "EUR", "CURRENCY: only EUR is supported"),
            (0 <= self.subscription_lead_days <= 60, "SUBSCRIPTION_LEAD_DAYS: must be 0 to 60"),
            (0 < self.event_max_age_days <= 400, "EVENT_MAX_AGE_DAYS: must be 1 to 400"),
            (
                0 < self.top_up_minimum_micros <= self.top_up_maximum_micros,
                "TOP_UP_MINIMUM: must be above 0 and at most TOP_UP_MAXIMUM",
            ),
            (self.oidc_issuer == "" or _is_http(self.oidc_issuer), "OIDC_ISSUER: must be an http(s) URL"),
            (0 <= self.trusted_proxies <= 5, "TRUSTED_PROXIES: must be 0 to 5"),
            (self.log_format in ("json", "text"), "LOG_FORMAT: must be json or text"),
            (
                0
                < self.dunning_reminder_days
                < self.dunning_second_reminder_days
                < self.dunning_late_fee_days
                < self.dunning_final_demand_days,
                "DUNNING_…_DAYS: reminder, second reminder, late fee and final demand come after each other",
            ),
            (
                self.dunning_upcoming_days >= 0 and self.dunning_grace_days > 0,
                "DUNNING_GRACE_DAYS: must be above 0, DUNNING_UPCOMING_DAYS not below",
            ),
            (_is_late_fee(self.late_fee_business), f"LATE_FEE_BUSINESS: {_LATE_FEE_RULE}"),
            (_is_late_fee(self.late_fee_consumer), f"LATE_FEE_CONSUMER: {_LATE_FEE_RULE}"),
        ]
        return [text for right, text in rules if not right]

    @property
    def webhook_base_url(self) -> str:
        return (self.mollie_webhook_url or self.public_url).rstrip("/")


_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
_REQUIRED = {
    "secret_key": "at least 32 random characters",
    "database_url": "postgresql://user:password@host/database",
    "redis_url": "redis://host:6379/0",
    "mollie_api_key": "test_… or live_… from Mollie's dashboard",
}


def page_url(path: str) -> str:
    """The full address of a page of ours, for mails."""
    return settings().public_url.rstrip("/") + path


def settings() -> Settings:
    """The running application's settings: the environment's, with what was chosen at the desk over them."""
    environment = cast("Settings", current_app.extensions["settings"])
    overlay: Callable[[Settings], Settings] | None = current_app.extensions.get(OVERLAY)
    return environment if overlay is None else overlay(environment)


def _variable(name: str) -> str:
    if name == "home":
        return "TEGOED_HOME"
    if name == "demo":
        return "TEGOED_DEMO"
    return name.removesuffix("_micros").upper()


def _provider(environ: Mapping[str, str]) -> Provider:
    given = {f.name: environ.get(f"PROVIDER_{f.name.upper()}") for f in fields(Provider)}
    return Provider(**{name: value for name, value in given.items() if value})


def _fees(environ: Mapping[str, str], problems: list[str]) -> dict[str, MethodFee]:
    """FEE_<METHOD> by method; a method without one is free."""
    fees = {}
    for method in FEE_METHODS:
        name = f"FEE_{method.upper()}"
        if not environ.get(name):
            continue
        try:
            fees[method] = _fee(environ[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return fees


def _fee(text: str) -> MethodFee:
    parts = re.fullmatch(
        r"(?P<fixed>\d{1,4}(?:\.\d{1,4})?)?\+?(?:(?P<rate>\d{1,2}(?:\.\d{1,4})?)%)?", text, re.ASCII
    )
    if parts is None or text.startswith("+") or text.endswith("+"):
        raise ValueError("must be an amount, a percentage or both, such as 0.35+3.4%")
    return MethodFee(fixed=Decimal(parts["fixed"] or 0), percentage=Decimal(parts["rate"] or 0))


SERIES_RULE = "must be 1 to 4 capitals that do not begin with B or T, and not O or RF"


def is_series(prefix: str) -> bool:
    """Whether documents may be numbered so: B, T, O and RF begin other names that a payment may bear."""
    return bool(re.fullmatch(r"(?![BT]|O$|RF$)[A-Z]{1,4}", prefix, re.ASCII))


_LATE_FEE_RULE = "must be wik, an amount such as 15 or a percentage such as 10%"


def _is_late_fee(text: str) -> bool:
    return bool(re.fullmatch(r"(wik|\d{1,5}(\.\d{1,2})?|(\d{1,2}(\.\d{1,2})?|100)%)?", text, re.ASCII))


def _is_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _whole(text: str) -> int:
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise ValueError("must be a whole number")
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be 1 or 0")


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be a time zone such as Europe/Amsterdam") from error


def _micros(text: str) -> int:
    try:
        micros = Decimal(text) * 1_000_000
        if micros == micros.to_integral_value():
            return int(micros)
    except InvalidOperation:
        pass
    raise ValueError("must be an amount such as 10 or 12.50")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PARSERS: dict[Any, Callable[[str], Any]] = {
    int: _whole,
    bool: _boolean,
    ZoneInfo: _zone,
    Path: Path,
    tuple[str, ...]: _words,
}

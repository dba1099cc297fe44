"""Language and formats: which locale a reader has, and money, numbers and dates as that reader writes them.

Rounding is always half up before Babel sees an amount: Babel itself would round half even.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from flask import Flask, has_request_context, request, session
from flask_babel import Babel, force_locale, get_locale, gettext
from flask_login import current_user

from app.clock import utc_now
from app.config import Settings, settings
from app.money import MICROS_PER_CENT, decimal_of_micros, round_half_up

Language = Literal["nl", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("nl", "en")
_FORMATS: Final = {"nl": "nl_NL", "en": "en_GB"}
_COUNTRIES: Final = frozenset(
    code for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha() and code < "XA"
)
CATALOGUES: Final = Path(__file__).resolve().parent.parent / "locales"


def init_app(app: Flask, configured: Settings) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(CATALOGUES)
    app.config["BABEL_DEFAULT_LOCALE"] = configured.default_locale
    Babel(app, locale_selector=choose_locale, timezone_selector=lambda: str(configured.timezone))
    filters = (
        money,
        signed_money,
        used_money,
        unit_price,
        number,
        day,
        short_day,
        long_day,
        moment,
        stamp,
        country_name,
    )
    for function in filters:
        app.add_template_filter(function)
        app.add_template_global(function)
    app.add_template_global(current_locale)


def choose_locale() -> str:
    """The signed-in user's language, else the one picked in this session, else the browser's wish."""
    if not has_request_context():
        return settings().default_locale
    if request.path.startswith("/v1/"):
        # Programs get one stable language unless they ask for another.
        return request.accept_languages.best_match(LANGUAGES, "en") if request.accept_languages else "en"
    if current_user and current_user.is_authenticated:
        return cast("str", current_user.locale)
    picked = session.get("locale")
    if picked in LANGUAGES:
        return cast("str", picked)
    return request.accept_languages.best_match(LANGUAGES, settings().default_locale)


def current_locale() -> Language:
    locale = get_locale()
    return "en" if locale is not None and locale.language == "en" else "nl"


@contextmanager
def in_locale(language: str) -> Iterator[None]:
    """Texts and formats inside the block are in `language`, whoever is asking."""
    with force_locale(language):
        yield


def _formats(locale: str | None) -> str:
    return _FORMATS[locale or current_locale()]


def money(micros: int, locale: str | None = None) -> str:
    """Micros as the reader writes euros: "€ 1.234,50" (no-break space) or "€1,234.50"."""
    rounded = round_half_up(decimal_of_micros(micros), 2)
    return _euro(rounded, locale)


def signed_money(micros: int, locale: str | None = None) -> str:
    """With its sign in front, a real minus: "+ € 25,00", "− € 4,12"; zero has none."""
    text = money(abs(micros), locale)
    if text == money(0, locale):
        return text
    return f"{'+' if micros > 0 else '−'}\u00a0{text}"


def unit_price(amount: Decimal, locale: str | None = None) -> str:
    """A price in currency units with all its places (up to 12), at least two: "€ 0,001"."""
    exact = amount.normalize()
    if -cast("int", exact.as_tuple().exponent) <= 2:
        exact = round_half_up(amount, 2)
    return _euro(exact, locale)


def used_money(micros: int, locale: str | None = None) -> str:
    """As `money`, for what was used: what is less than half a cent is not nothing, "< € 0,01"."""
    return (
        f"< {money(MICROS_PER_CENT, locale)}" if 0 < micros < MICROS_PER_CENT // 2 else money(micros, locale)
    )


def _euro(amount: Decimal, locale: str | None) -> str:
    sample = _BELOW_ZERO if amount < 0 else _SAMPLE
    shape = _shape(settings().currency, _formats(locale), sample)
    return shape.before + f"{abs(amount):,f}".translate(shape.marks) + shape.after


_SAMPLE: Final = Decimal("1234567.89")
_BELOW_ZERO: Final = -_SAMPLE


class _Shape(NamedTuple):
    """How amounts are written: around the digits, and the marks between them."""

    before: str
    marks: dict[int, str]
    after: str


@cache
def _shape(currency: str, locale: str, sample: Decimal) -> _Shape:
    """Babel's way, taken from one amount: it takes its time for each, and a page has hundreds."""
    text = format_currency(sample, currency, locale=locale)
    before, rest = text.split("1", 1)
    last = rest.index("89") + 2
    return _Shape(before, {ord(","): rest[0], ord("."): rest[last - 3]}, rest[last:])


def number(value: Decimal | int, locale: str | None = None) -> str:
    """A quantity with the reader's separators, all its places."""
    return format_decimal(value, locale=_formats(locale), decimal_quantization=False)


def _local(value: date | datetime) -> date | datetime:
    return value.astimezone(settings().timezone) if isinstance(value, datetime) else value


def local_date(value: date | datetime) -> date:
    """The calendar day in the provider's zone."""
    local = _local(value)
    return local.date() if isinstance(local, datetime) else local


def _skeleton(value: date | datetime, pattern: str, locale: str | None) -> str:
    return _written(local_date(value), pattern, _formats(locale))


@lru_cache(maxsize=4096)
def _written(day: date, pattern: str, locale: str) -> str:
    return format_date(day, pattern, locale=locale)


def day(value: date | datetime, locale: str | None = None) -> str:
    """A day and month: "18 november", "18 November"."""
    return _skeleton(value, "d MMMM", locale)


def short_day(value: date | datetime, locale: str | None = None) -> str:
    """A short day: "18 nov", for charts and narrow places."""
    return _skeleton(value, "d MMM", locale).replace(".", "")


def long_day(value: date | datetime, locale: str | None = None) -> str:
    """A day with its year: "18 november 2026"."""
    return _skeleton(value, "d MMMM y", locale)


def moment(value: datetime, locale: str | None = None) -> str:
    """When it was: "vandaag 09.41", "gisteren 14.02", else the day, with its year when that is another."""
    recent = _recent(value, locale)
    if recent is not None:
        return recent
    this_year = local_date(value).year == local_date(utc_now()).year
    return day(value, locale) if this_year else long_day(value, locale)


def stamp(value: datetime, locale: str | None = None) -> str:
    """As `moment`, with the time also of older days: "1 nov 06.02", with its year when that is another."""
    recent = _recent(value, locale)
    if recent is not None:
        return recent
    this_year = local_date(value).year == local_date(utc_now()).year
    pattern = "d MMM" if this_year else "d MMM y"
    when = _skeleton(value, pattern, locale).replace(".", "").replace(" ", "\u00a0")
    return f"{when} {_time(value, locale)}"


def _recent(value: datetime, locale: str | None) -> str | None:
    """Today and yesterday have names of their own."""
    back = local_date(utc_now()) - local_date(value)
    if back == timedelta(0):
        return str(gettext("today %(time)s", time=_time(value, locale)))
    if back == timedelta(days=1):
        return str(gettext("yesterday %(time)s", time=_time(value, locale)))
    return None


def _time(value: datetime, locale: str | None) -> str:
    pattern = "HH.mm" if _formats(locale) == "nl_NL" else "HH:mm"
    return format_datetime(_local(value), pattern, tzinfo=settings().timezone, locale=_formats(locale))


def country_name(code: str, locale: str | None = None) -> str:
    return cast("str", Locale.parse(_formats(locale)).territories.get(code, code))


def is_country(code: str) -> bool:
    return code in _COUNTRIES


def countries() -> list[tuple[str, str]]:
    """Every country with its name, by the reader's alphabet."""
    names = [(code, country_name(code)) for code in _COUNTRIES]
    return sorted(names, key=lambda pair: pair[1].replace("Å", "A").replace("É", "E").replace("Ö", "O"))


def translations_of(names: dict[str, Any], locale: str | None = None) -> str:
    """The text for the reader out of {"en": …, "nl": …}."""
    language = locale or current_locale()
    return str(names.get(language) or names.get("en") or next(iter(names.values()), ""))

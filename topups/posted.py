"""What programs post about payments: members of a JSON body, read or refused by name."""

import ipaddress
from typing import Any, Final
from urllib.parse import urlsplit

from flask import g
from flask_babel import lazy_gettext

from app.customers.models import Customer
from app.errors import Invalid
from app.i18n import LANGUAGES
from topups.consents import GivenBy

MAX_ADDRESS: Final = 45


def boolean(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Invalid(lazy_gettext("Give true or false."), field=name)
    return value


def text(body: dict[str, Any], name: str, most: int = 64) -> str | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, str) or not 1 <= len(value) <= most):
        raise Invalid(lazy_gettext("Give a text of 1 to %(most)s characters.", most=most), field=name)
    return value


def ids(body: dict[str, Any], name: str) -> list[str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid(lazy_gettext("Give a list of ids."), field=name)
    return value


def url(body: dict[str, Any]) -> str | None:
    url = text(body, "redirect_url", 2000)
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise Invalid(lazy_gettext("Give a full http or https address."), field="redirect_url")
    return url


def consent(body: dict[str, Any]) -> dict[str, Any]:
    """What the provider's program says about the consent it took; nothing need be said."""
    given = body.get("consent") or {}
    if not isinstance(given, dict):
        raise Invalid(lazy_gettext("Give an object, or null."), field="consent")
    return given


def consent_locale(consent: dict[str, Any], customer: Customer) -> str:
    """The language it was given in: the customer's, unless the program says another of ours."""
    locale = consent.get("locale")
    return locale if isinstance(locale, str) and locale in LANGUAGES else customer.locale


def vouched(consent: dict[str, Any]) -> GivenBy:
    """The program vouches, by its key; an address it names is kept, what else it says is its own affair."""
    ip = consent.get("ip")
    return GivenBy(ip_address=ip if _is_address(ip) else None, user_id=None, api_key_id=str(g.api_key_id))


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_ADDRESS:
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True

"""Where webhooks may go: public addresses over https; in the demo also this machine itself.

A name is resolved for each request and the connection goes to the very address that was judged, so that a
name cannot point inward after it was checked.
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from flask_babel import lazy_gettext

from app.config import settings
from app.errors import Invalid

MAX_URL: Final = 2000
# Addresses that carry an IPv4 address inside: what they lead to cannot be judged here.
_TRANSLATED: Final = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/32", "2002::/16", "2001::/32"))
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class InvalidUrl(Invalid):
    code = "invalid_url"
    title = lazy_gettext("Webhooks go to an https address that can be reached from the internet.")


class TargetRefusedError(Exception):
    """The name leads nowhere, or to an address that webhooks must not reach."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address: connect to `address`, speak to `host`."""

    https: bool
    host: str
    port: int
    path: str
    address: str


def check_url(url: object) -> str:
    """A URL that an endpoint may have. Names are resolved when something is sent. Raises InvalidUrl."""
    if not isinstance(url, str) or len(url) > MAX_URL or not url.isascii() or not url.isprintable():
        raise InvalidUrl(field="url")
    try:
        parts = urlsplit(url)
        is_local = _is_local(parts.hostname or "")
        known = parts.port != 0
    except ValueError as error:
        raise InvalidUrl(field="url") from error
    if not known or not parts.hostname or "@" in parts.netloc or parts.fragment or " " in url:
        raise InvalidUrl(field="url")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local and settings().demo):
        raise InvalidUrl(field="url")
    try:
        literal = ipaddress.ip_address(parts.hostname)
    except ValueError:
        if is_local and not settings().demo:
            raise InvalidUrl(field="url") from None
    else:
        if not _may_be_reached(literal):
            raise InvalidUrl(field="url")
    return url


def target_of(url: str) -> Target:
    """Where a request to this URL goes now. Raises TargetRefusedError."""
    parts: SplitResult = urlsplit(url)
    host = parts.hostname or ""
    https = parts.scheme == "https"
    port = parts.port or (443 if https else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetRefusedError(f"{host} has no address") from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    if not addresses or not all(_may_be_reached(ipaddress.ip_address(a)) for a in addresses):
        raise TargetRefusedError(f"{host} is not a public address")
    if not https and not all(ipaddress.ip_address(a).is_loopback for a in addresses):
        raise TargetRefusedError(f"{host} is not reached over https")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(https, host, port, path, addresses[0])


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _may_be_reached(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _may_be_reached(address.ipv4_mapped)
        if address.scope_id is not None or any(address in network for network in _TRANSLATED):
            return False
    if address.is_loopback:
        return settings().demo
    return address.is_global and not address.is_multicast

"""HTTP as a provider's own program would speak it: JSON in, JSON out, a connection per call."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT_SECONDS: Final = 60


class Refused(RuntimeError):
    """An answer of 400 or above."""

    def __init__(self, call: str, status: int, body: str) -> None:
        super().__init__(f"{call}: {status} {body[:500]}")
        self.status = status


@dataclass(frozen=True)
class Client:
    """One service at a base URL. Raises Refused, and OSError or HTTPException when it cannot be reached."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        return self._call("GET", path, None, {})

    def post(
        self, path: str, body: Any, *, key: str | None = None, content_type: str = "application/json"
    ) -> Any:
        """`key` is the Idempotency-Key: the same key never acts twice."""
        headers = {"Content-Type": content_type} | ({"Idempotency-Key": key} if key else {})
        return self._call("POST", path, body, headers)

    def put(self, path: str, body: Any) -> Any:
        return self._call("PUT", path, body, {"Content-Type": "application/json"})

    def _call(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, parts.path.rstrip("/") + path, content, {**self.headers, **headers})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(f"{method} {path}", answer.status, text)
        return json.loads(text, parse_float=Decimal) if text else None


def api_client(url: str, api_key: str) -> Client:
    """Tegoed's own API."""
    return Client(url, {"Authorization": f"Bearer {api_key}"})

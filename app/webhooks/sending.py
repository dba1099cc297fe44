"""One signed request to an endpoint, as Standard Webhooks prescribes. No transaction is open meanwhile.

Redirects are not followed: an endpoint says by its status what became of the message, nothing else.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

from app.webhooks.targets import Target, TargetRefusedError, target_of

OPERATION_SECONDS: Final = 10.0
TOTAL_SECONDS: Final = 20.0
ANSWER_BYTES: Final = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: a status and the answer's first bytes, or the error that came instead."""

    status_code: int | None
    latency_ms: int
    answer: str
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


def send(url: str, *, message_id: str, body: str, secrets: Sequence[str], at: datetime) -> Outcome:
    """Post a message, signed with each of these secrets. Never raises for what the other side does."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Tegoed-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets),
    }
    started = time.monotonic()
    try:
        status, answer = _post(target_of(url), body.encode(), headers)
    except TargetRefusedError as error:
        return Outcome(None, _since(started), "", str(error)[:300])
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(None, _since(started), "", f"{type(error).__name__}: {error}"[:300])
    return Outcome(status, _since(started), answer)


def _post(target: Target, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    connection = _Pinned(target)
    # A receiver that answers a byte at a time would otherwise keep a worker for hours.
    end = threading.Timer(TOTAL_SECONDS, connection.hang_up)
    end.daemon = True
    end.start()
    try:
        connection.request("POST", target.path, body, headers)
        response = connection.getresponse()
        answer = response.read(ANSWER_BYTES)
    finally:
        end.cancel()
        connection.close()
    # NUL is text to the other side, but not to the database.
    return response.status, answer.decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was judged, which proves itself by the name that was asked for."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=OPERATION_SECONDS)
        self.default_port = 443 if target.https else 80
        self._target = target

    def connect(self) -> None:
        plain = socket.create_connection((self._target.address, self._target.port), OPERATION_SECONDS)
        self.sock = plain
        if self._target.https:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self._target.host)

    def hang_up(self) -> None:
        """End a request that takes too long, from another thread."""
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)

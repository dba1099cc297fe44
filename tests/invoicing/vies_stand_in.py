"""A small VIES on loopback, for tests: it answers as the Commission's REST service does, faults included."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Vies:
    """What it knows, which faults it answers with first, and what it was asked."""

    url: str = ""
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, question: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        self.asked.append(question)
        if self.faults:
            fault = self.faults.pop(0)
            if fault == "HTML":
                return 502, None
            return 200, {"actionSucceed": False, "errorWrappers": [{"error": fault}]}
        number = f"{question['countryCode']}{question['vatNumber']}"
        facts = self.known.get(number)
        return 200, {
            "countryCode": question["countryCode"],
            "vatNumber": question["vatNumber"],
            "requestDate": "2026-11-01T05:00:00.000Z",
            "valid": facts is not None,
            "requestIdentifier": "WAPIAAAAY" if "requesterNumber" in question else "",
            "name": (facts or {}).get("name", "---"),
            "address": (facts or {}).get("address", "---"),
            "traderNameMatch": "NOT_PROCESSED",
        }


@contextmanager
def serving() -> Iterator[Vies]:
    vies = Vies()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/rest-api/check-vat-number"
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answered = vies.answer(question)
            body = b"<html>Bad gateway</html>" if answered is None else json.dumps(answered).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the server's name
            """Tests stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    vies.url = f"http://127.0.0.1:{server.server_address[1]}/rest-api"
    yield vies
    server.shutdown()
    thread.join()
    server.server_close()

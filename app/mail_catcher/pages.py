"""The caught mails over HTTP, on loopback: a page for people, JSON for programs.

A mail's HTML is shown in a frame that may run nothing and load nothing from elsewhere.
"""

import gettext
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader

from app.mail_catcher.store import Mail, Part, Store

HERE: Final = Path(__file__).resolve().parent
CATALOGUES: Final = HERE.parents[1] / "locales"
ZONE: Final = ZoneInfo("Europe/Amsterdam")
LANGUAGES: Final = {"nl": "nl_NL", "en": "en_GB"}
PAGE_POLICY: Final = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'"
# The mail's own styles and embedded pictures; its links open in a new tab.
FRAME_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    content: bytes
    content_type: str
    policy: str = PAGE_POLICY
    download_as: str = ""
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True)
class Asked:
    """A request, taken apart."""

    query: dict[str, list[str]]
    language: str

    def one(self, name: str) -> str:
        return self.query.get(name, [""])[0]


Numbers = tuple[int, ...]  # those in the path
Show = Callable[[Store, Asked, Numbers], Answer | None]


def list_page(store: Store, asked: Asked, _numbers: Numbers) -> Answer | None:
    return _page("list.html", asked, mails=store.mails(asked.one("to")))


def list_json(store: Store, asked: Asked, _numbers: Numbers) -> Answer | None:
    return _json([mail.summary() for mail in store.mails(asked.one("to"))])


def mail_page(store: Store, asked: Asked, numbers: Numbers) -> Answer | None:
    mail = store.get(numbers[0])
    return _page("mail.html", asked, mail=mail) if mail is not None else None


def mail_json(store: Store, _asked: Asked, numbers: Numbers) -> Answer | None:
    mail = store.get(numbers[0])
    return _json(mail.summary()) if mail is not None else None


def mail_html(store: Store, _asked: Asked, numbers: Numbers) -> Answer | None:
    mail = store.get(numbers[0])
    if mail is None or not mail.html:
        return None
    # The first <base> of a document counts: every link opens outside the frame.
    return Answer(('<base target="_blank">' + mail.html).encode(), HTML, FRAME_POLICY)


def mail_source(store: Store, _asked: Asked, numbers: Numbers) -> Answer | None:
    mail = store.get(numbers[0])
    return Answer(mail.message.as_bytes(), "text/plain; charset=utf-8") if mail is not None else None


def mail_part(store: Store, _asked: Asked, numbers: Numbers) -> Answer | None:
    mail = store.get(numbers[0])
    part = _part(mail, numbers[1]) if mail is not None else None
    if part is None:
        return None
    # A picture may be shown in place; whatever else a sender calls it, it is only ever downloaded.
    download_as = (
        "" if part.content_id and part.content_type.startswith("image/") else part.filename or "part"
    )
    return Answer(part.content, part.content_type, FRAME_POLICY, download_as)


def style(_store: Store, _asked: Asked, _numbers: Numbers) -> Answer | None:
    return Answer((HERE / "templates" / "mails.css").read_bytes(), "text/css")


ROUTES: Final[tuple[tuple[str, Show], ...]] = (
    (r"/", list_page),
    (r"/messages\.json", list_json),
    (r"/mails/(\d+)", mail_page),
    (r"/mails/(\d+)\.json", mail_json),
    (r"/mails/(\d+)/html", mail_html),
    (r"/mails/(\d+)\.eml", mail_source),
    (r"/mails/(\d+)/parts/(\d+)", mail_part),
    (r"/mails\.css", style),
)


class Handler(BaseHTTPRequestHandler):
    """Finds the route and writes the answer; only GET."""

    server_version = "Tegoed"
    sys_version = ""

    def __init__(self, store: Store, *arguments: object) -> None:
        self.store = store
        super().__init__(*arguments)  # type: ignore[arg-type] # the server passes request, address and itself

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        asked = Asked(query, self._language(query.get("lang", [""])[0]))
        answer: Answer | None = None
        for pattern, show in ROUTES:
            if match := re.fullmatch(pattern, address.path):
                answer = show(self.store, asked, tuple(map(int, match.groups())))
        self._write(answer or _missing(asked))

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads who looked at a demonstration's mail."""

    def _language(self, picked: str) -> str:
        if picked in LANGUAGES:
            return picked
        wished = re.findall(r"\b(nl|en)\b", self.headers.get("Accept-Language", "").lower())
        return wished[0] if wished else "nl"

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.content)))
        self.send_header("Content-Security-Policy", answer.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        if answer.download_as:
            name = quote(answer.download_as)
            self.send_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
        self.end_headers()
        self.wfile.write(answer.content)


def server(store: Store, port: int) -> ThreadingHTTPServer:
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, store))


def _page(template: str, asked: Asked, **context: object) -> Answer:
    environment = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)
    catalogue = gettext.translation("messages", CATALOGUES, [asked.language], fallback=True)
    environment.globals["_"] = catalogue.gettext

    def moment(at: datetime) -> str:
        return format_datetime(at.astimezone(ZONE), "d MMMM HH:mm", locale=LANGUAGES[asked.language])

    page = environment.get_template(template)
    return Answer(page.render(language=asked.language, moment=moment, **context).encode(), HTML)


def _json(content: object) -> Answer:
    return Answer(json.dumps(content, ensure_ascii=False).encode(), "application/json")


def _part(mail: Mail, number: int) -> Part | None:
    return next((part for part in mail.parts if part.number == number), None)


def _missing(asked: Asked) -> Answer:
    return Answer(_page("missing.html", asked).content, HTML, status=HTTPStatus.NOT_FOUND)

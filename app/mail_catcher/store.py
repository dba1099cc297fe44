"""The mails that were caught: kept as files, numbered as they came, read back as parts."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as email_policy
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

KEPT: Final = 500


@dataclass(frozen=True)
class Part:
    """An attachment or embedded picture of a mail."""

    number: int
    filename: str
    content_type: str
    content_id: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """A mail as it was received."""

    number: int
    received_at: datetime
    message: EmailMessage

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        """The HTML part, embedded pictures pointing here."""
        html = self._body("html")
        for part in self.parts:
            if part.content_id:
                html = html.replace(f"cid:{part.content_id}", f"/mails/{self.number}/parts/{part.number}")
        return html

    @property
    def parts(self) -> list[Part]:
        return list(self._parts())

    @property
    def attachments(self) -> list[Part]:
        return [part for part in self.parts if part.filename]

    def summary(self) -> dict[str, Any]:
        """The mail as JSON."""
        return {
            "id": self.number,
            "received_at": self.received_at.isoformat(),
            "from": str(self.message["from"] or ""),
            "to": str(self.message["to"] or ""),
            "subject": str(self.message["subject"] or ""),
            "language": str(self.message["content-language"] or ""),
            "text": self.text,
            "html": self.html,
            "attachments": [
                {
                    "filename": part.filename,
                    "content_type": part.content_type,
                    "size": len(part.content),
                    "url": f"/mails/{self.number}/parts/{part.number}",
                }
                for part in self.attachments
            ],
        }

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part is not None else ""

    def _parts(self) -> Iterator[Part]:
        for number, part in enumerate(self.message.walk()):
            name, content_id = part.get_filename() or "", str(part["content-id"] or "").strip("<> ")
            content = part.get_payload(decode=True)
            if isinstance(content, bytes) and (name or content_id):
                yield Part(number, name, part.get_content_type(), content_id, content)


@dataclass
class Store:
    """The mails of one directory, one file each; old ones make room."""

    directory: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, content: bytes) -> int:
        """Keep a mail; answers its number."""
        with self.lock:
            numbers = self.numbers()
            number = max(numbers, default=0) + 1
            partial_file = self.directory / "incoming"
            partial_file.write_bytes(content)
            partial_file.rename(self._path(number))
            for old in numbers[KEPT - 1 :]:
                self._path(old).unlink(missing_ok=True)
        return number

    def numbers(self) -> list[int]:
        """Newest first."""
        return sorted((int(path.stem) for path in self.directory.glob("*.eml")), reverse=True)

    def get(self, number: int) -> Mail | None:
        path = self._path(number)
        try:
            received_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return Mail(number, received_at, message_from_bytes(path.read_bytes(), policy=email_policy))
        except FileNotFoundError:
            return None

    def mails(self, recipient: str = "") -> list[Mail]:
        """Newest first; only those to `recipient` when given."""
        found = [mail for number in self.numbers() if (mail := self.get(number)) is not None]
        return [mail for mail in found if recipient.lower() in str(mail.message["to"] or "").lower()]

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:06}.eml"


@dataclass(frozen=True)
class Receiver:
    """aiosmtpd's handler: whatever comes is kept."""

    store: Store

    async def handle_DATA(  # noqa: N802 -- aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        self.store.add(content.encode() if isinstance(content, str) else content or b"")
        return "250 OK"

"""Attachments of one-off charges: what was sent along, checked by its first bytes, kept with its hash."""

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final

from flask import Response
from flask_babel import lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.clock import utc_now
from app.db import db
from app.errors import Invalid, NotFound, TooLarge, UnsupportedMediaType
from invoicing.charge_models import Charge, ChargeAttachment

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_NAME: Final = 120
# By what a file begins with, whatever its sender says it is: nothing here can run in a browser.
SIGNATURES: Final = {
    b"%PDF-": ("application/pdf", ".pdf"),
    b"\x89PNG\r\n\x1a\n": ("image/png", ".png"),
    b"\xff\xd8\xff": ("image/jpeg", ".jpg"),
}


class AttachmentDamaged(RuntimeError):
    """Stored bytes that are not those that were stored."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent, checked."""

    filename: str
    content_type: str
    content: bytes


def checked(filename: str, content: bytes) -> Upload:
    """A file that may be kept. Raises TooLarge, UnsupportedMediaType, Invalid."""
    if len(content) > MAX_BYTES:
        raise TooLarge(
            lazy_gettext("An attachment has at most %(most)s MB.", most=MAX_BYTES // 1024 // 1024),
            field="attachment",
        )
    found = [kind for signature, kind in SIGNATURES.items() if content.startswith(signature)]
    if not found:
        raise UnsupportedMediaType(
            lazy_gettext("An attachment is a PDF, a PNG or a JPEG."), field="attachment"
        )
    content_type, extension = found[0]
    stem = PurePosixPath(filename.replace("\\", "/")).name.rsplit(".", 1)[0].strip()
    if not stem or not stem.isprintable() or '"' in stem:
        raise Invalid(lazy_gettext("Give the attachment a usual file name."), field="attachment")
    return Upload(stem[: MAX_NAME - len(extension)] + extension, content_type, content)


def read(filename: str | None, stream: IO[bytes]) -> Upload:
    """A file as a form sends it; no more of it is read than an attachment may have. Raises as `checked`."""
    return checked(filename or "", stream.read(MAX_BYTES + 1))


def keep(charge: Charge, upload: Upload) -> None:
    db.session.add(
        ChargeAttachment(
            customer_id=charge.customer_id,
            charge_id=charge.charge_id,
            filename=upload.filename,
            content_type=upload.content_type,
            content=upload.content,
            sha256=hashlib.sha256(upload.content).hexdigest(),
            created_at=utc_now(),
        )
    )
    db.session.flush()


def find(customer_id: int, charge_id: str) -> ChargeAttachment:
    """With its bytes, checked against their hash. Raises NotFound, AttachmentDamaged."""
    found = db.session.get(
        ChargeAttachment, (customer_id, charge_id), options=[undefer(ChargeAttachment.content)]
    )
    if found is None:
        raise NotFound
    if hashlib.sha256(found.content).hexdigest() != found.sha256:
        raise AttachmentDamaged(charge_id)
    return found


def names_of(customer_id: int, charge_ids: list[str]) -> dict[str, str]:
    """File names by charge, of those that have an attachment."""
    if not charge_ids:
        return {}
    rows = db.session.execute(
        select(ChargeAttachment.charge_id, ChargeAttachment.filename).where(
            ChargeAttachment.customer_id == customer_id, ChargeAttachment.charge_id.in_(charge_ids)
        )
    )
    return {row.charge_id: row.filename for row in rows}


def answer(customer_id: int, charge_id: str) -> Response:
    """The file to be saved, never to be shown within our own pages. Raises NotFound."""
    found = find(customer_id, charge_id)
    response = Response(found.content, mimetype=found.content_type)
    response.headers.set("Content-Disposition", "attachment", filename=found.filename)
    return response

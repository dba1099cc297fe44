"""PNG pictures that strangers upload: taken apart, checked, and put together from what makes the picture.

What must stay true: what comes out is a PNG and nothing else besides. Texts, profiles, animations and what
was hidden behind the picture are gone.
"""

import struct
import zlib
from typing import Final

from flask_babel import lazy_gettext

from app.errors import Invalid

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MAX_BYTES: Final = 200_000
MAX_PIXELS: Final = 2_000
KEPT: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"pHYs", b"IDAT", b"IEND"})


class NotAPicture(Invalid):
    code = "not_a_picture"
    title = lazy_gettext("This is not a PNG that can be read.")


class PictureTooLarge(Invalid):
    code = "picture_too_large"
    title = lazy_gettext("Use a PNG of at most 200 kB and 2000 pixels a side.")


def checked_png(content: bytes) -> bytes:
    """The same picture with nothing else in it. Raises NotAPicture, PictureTooLarge."""
    if len(content) > MAX_BYTES:
        raise PictureTooLarge
    if not content.startswith(SIGNATURE):
        raise NotAPicture
    chunks = _chunks(content)
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or b"IDAT" not in kinds or len(chunks[0][1]) != 13:
        raise NotAPicture
    width, height = struct.unpack(">II", chunks[0][1][:8])
    if not 0 < width <= MAX_PIXELS or not 0 < height <= MAX_PIXELS:
        raise PictureTooLarge
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks if kind in KEPT)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks up to the picture's end; what follows is none of it."""
    found, place = [], len(SIGNATURE)
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        checksum = content[place + 8 + length : place + 12 + length]
        if len(data) != length or checksum != struct.pack(">I", zlib.crc32(kind + data)):
            raise NotAPicture
        found.append((kind, data))
        if kind == b"IEND":
            break
        place += 12 + length
    return found


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

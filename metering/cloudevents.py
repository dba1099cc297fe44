"""CloudEvents 1.0: reading one or many, and refusing each event that cannot be recorded.

Pure but for the moment it is given. What could abort a transaction is refused here, before an event
joins others: lengths, NUL, times outside the window, data that is too large. A body that is no JSON at
all is refused whole; one bad event in a batch never refuses the good ones.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from metering.levels import ACCRUAL_SOURCE
from metering.verdicts import Verdict

MAX_EVENTS: Final = 10_000
MAX_SOURCE: Final = 256
MAX_ID: Final = 128
MAX_TYPE: Final = 128
MAX_DATA_BYTES: Final = 16 * 1024


class BodyInvalid(ValueError):
    """The body is not JSON in UTF-8, or not of the shape that its content type promises."""


class TooManyEvents(ValueError):
    """A batch holds more than `MAX_EVENTS`."""


class UsageEvent(msgspec.Struct, gc=False):
    """An event that may be recorded. `digest` covers type, time and data; `data_json` is canonical."""

    index: int
    reference: str
    source: str
    event_id: str
    type: str
    time: datetime
    data: dict[str, Any]
    data_json: str
    digest: bytes
    customer_id: int = 0


class Refusal(msgspec.Struct, gc=False):
    """An event that is not recorded, and why."""

    index: int
    event_id: str | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Window:
    """The moments that an event's time may have."""

    earliest: datetime
    latest: datetime

    @classmethod
    def around(cls, now: datetime, max_age_days: int, max_ahead_seconds: int) -> "Window":
        """Give the window at `now`."""
        return cls(now - timedelta(days=max_age_days), now + timedelta(seconds=max_ahead_seconds))


@dataclass(slots=True)
class ReadEvents:
    """The events of one request: those that may be recorded, and those that are refused already."""

    count: int
    events: list[UsageEvent]
    refusals: list[Refusal]


class _Envelope(msgspec.Struct, gc=False):
    """The attributes of a CloudEvent; others are extensions, which nothing here looks at."""

    specversion: str = "1.0"
    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    time: datetime | None = None
    data: Any = None
    data_base64: str | None = None


class _Id(msgspec.Struct):
    id: Any = None


_one = msgspec.json.Decoder(_Envelope, float_hook=Decimal)
_many = msgspec.json.Decoder(list[_Envelope], float_hook=Decimal)
_raw_many = msgspec.json.Decoder(list[msgspec.Raw])
_data = msgspec.json.Decoder(float_hook=Decimal)
_id = msgspec.json.Decoder(_Id)
_canonical = msgspec.json.Encoder(order="sorted", decimal_format="number")
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def read_one(body: bytes, window: Window) -> ReadEvents:
    """Read one event from its JSON object. Raises BodyInvalid."""
    _check_utf8(body)
    if not body.lstrip().startswith(b"{"):
        _decode(msgspec.json.Decoder(msgspec.Raw), body)
        raise BodyInvalid("Expected an object")
    return _read([_envelope(body)], window)


def read_many(body: bytes, window: Window) -> ReadEvents:
    """Read a batch from its JSON array. Raises BodyInvalid, TooManyEvents."""
    _check_utf8(body)
    envelopes: Iterable[_Envelope | Refusal]
    try:
        envelopes = _many.decode(body)
    except _NOT_JSON:
        raws = _decode(_raw_many, body)
        if len(raws) > MAX_EVENTS:
            raise TooManyEvents from None
        envelopes = [_envelope(bytes(raw)) for raw in raws]
    return _read(envelopes, window)


def read_binary(headers: Mapping[str, str], body: bytes, window: Window) -> ReadEvents:
    """Read one event in HTTP's binary mode: attributes in `ce-…` headers, the body is the data."""
    _check_utf8(body)
    attributes: dict[str, Any] = {
        name: unquote(headers[f"ce-{name}"])
        for name in ("specversion", "id", "source", "type", "subject", "time")
        if f"ce-{name}" in headers
    }
    if body:
        attributes["data"] = _decode(_data, body)
    try:
        envelope: _Envelope | Refusal = msgspec.convert(attributes, _Envelope)
    except msgspec.ValidationError as error:
        envelope = Refusal(0, attributes.get("id"), _malformed(error))
    return _read([envelope], window)


def decode_data(text: str) -> dict[str, Any]:
    """The data of a recorded event, with exact numbers; empty when it is no object."""
    data = _data.decode(text)
    return data if isinstance(data, dict) else {}


def _check_utf8(body: bytes) -> None:
    """Refuse other encodings, also in parts that the decoder would skip."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BodyInvalid(str(error)) from error


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except _NOT_JSON as error:
        raise BodyInvalid(str(error)) from error


def _envelope(body: bytes) -> _Envelope | Refusal:
    """Read one event; a refusal when it is JSON but no CloudEvent. Raises BodyInvalid otherwise."""
    try:
        return _one.decode(body)
    except msgspec.ValidationError as error:
        found = _decode(_id, body) if body.lstrip().startswith(b"{") else _Id()
        return Refusal(0, found.id if isinstance(found.id, str) else None, _malformed(error))
    except _NOT_JSON as error:
        raise BodyInvalid(str(error)) from error


def _malformed(error: msgspec.ValidationError) -> Verdict:
    return Verdict.INVALID_TIME if str(error).endswith("$.time`") else Verdict.INVALID_EVENT


def _read(envelopes: Iterable[_Envelope | Refusal], window: Window) -> ReadEvents:
    read = ReadEvents(0, [], [])
    for index, envelope in enumerate(envelopes):
        if index == MAX_EVENTS:
            raise TooManyEvents
        read.count += 1
        if isinstance(envelope, Refusal):
            envelope.index = index
            read.refusals.append(envelope)
            continue
        checked = _check(index, envelope, window)
        if isinstance(checked, Verdict):
            read.refusals.append(Refusal(index, envelope.id, checked))
        else:
            read.events.append(checked)
    return read


def _check(index: int, envelope: _Envelope, window: Window) -> UsageEvent | Verdict:
    event_id, source, kind, subject = envelope.id, envelope.source, envelope.type, envelope.subject
    time = envelope.time
    if envelope.data_base64 is not None and not _unpack(envelope, envelope.data_base64):
        return Verdict.INVALID_EVENT
    if not event_id or not source or not kind or not subject or time is None:
        return _missing(envelope)
    data_json = _canonical.encode(envelope.data)
    problem = _wrong_time(time, window) or _wrong_content(envelope, source, event_id, kind, data_json)
    if problem is not None:
        return problem
    time = time.astimezone(UTC)
    identity = b"%b\0%b\0%b" % (kind.encode(), time.isoformat().encode(), data_json)
    return UsageEvent(
        index,
        subject,
        source,
        event_id,
        kind,
        time,
        envelope.data if isinstance(envelope.data, dict) else {},
        data_json.decode(),
        hashlib.blake2b(identity, digest_size=16).digest(),
    )


def _unpack(envelope: _Envelope, packed: str) -> bool:
    """Make JSON that came as `data_base64` the event's data; whether that was possible."""
    if envelope.data is not None:
        return False  # CloudEvents allows one of the two
    try:
        body = base64.b64decode(packed, validate=True)
        body.decode()
        envelope.data = _data.decode(body)
    except (binascii.Error, *_NOT_JSON):
        return False
    return True


def _wrong_time(time: datetime, window: Window) -> Verdict | None:
    if time.tzinfo is None:
        return Verdict.INVALID_TIME
    if time > window.latest:
        return Verdict.TIME_AHEAD
    return Verdict.TIME_TOO_OLD if time < window.earliest else None


def _wrong_content(
    envelope: _Envelope, source: str, event_id: str, kind: str, data_json: bytes
) -> Verdict | None:
    if not envelope.specversion.startswith("1."):
        return Verdict.INVALID_SPECVERSION
    if source == ACCRUAL_SOURCE:
        return Verdict.RESERVED_SOURCE
    named = ((source, MAX_SOURCE), (event_id, MAX_ID), (kind, MAX_TYPE))
    if any(len(name) > most or "\0" in name for name, most in named):
        return Verdict.TOO_LONG
    if b"\\u0000" in data_json.replace(b"\\\\", b""):
        return Verdict.INVALID_EVENT  # PostgreSQL cannot read a NUL inside of JSON
    return Verdict.DATA_TOO_LARGE if len(data_json) > MAX_DATA_BYTES else None


def _missing(envelope: _Envelope) -> Verdict:
    if not envelope.id:
        return Verdict.MISSING_ID
    if not envelope.source:
        return Verdict.MISSING_SOURCE
    if not envelope.type:
        return Verdict.MISSING_TYPE
    return Verdict.MISSING_TIME if envelope.subject else Verdict.MISSING_SUBJECT

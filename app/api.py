"""What every `/v1` route shares: reading JSON exactly, paging, and `Idempotency-Key` on every POST.

JSON numbers become Decimal, never float. An idempotent POST answers the same key and body with the same
answer for 24 hours, and refuses another body under the same key.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import wraps
from typing import Any, Final, ParamSpec

import msgspec
from flask import Response, g, json, make_response, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from sqlalchemy import Integer, LargeBinary, PrimaryKeyConstraint, String, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.exceptions import RequestEntityTooLarge

from app.clock import utc_now
from app.db import Model, UtcDateTime, db, in_unit_of_work
from app.errors import AppError, Conflict, Invalid, TooLarge, UnsupportedMediaType
from app.reference.statements import IDEMPOTENCY_KEY

P = ParamSpec("P")

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
KEY_LIFE: Final = timedelta(hours=24)
ABANDONED_AFTER: Final = timedelta(seconds=60)
_exact_decoder = msgspec.json.Decoder(float_hook=Decimal)


class IdempotencyRecord(Model):
    """A POST that was or is being answered; the answer is kept for a day."""

    __tablename__ = "idempotency_key"

    api_key_id: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(255))
    request_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int | None] = mapped_column(Integer)
    content_type: Mapped[str | None] = mapped_column(String(64))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (PrimaryKeyConstraint("api_key_id", "key"),)


class InvalidJson(AppError):
    status, code = 400, "invalid_json"
    title = lazy_gettext("The body is not valid JSON in UTF-8.")


class IdempotencyKeyMissing(AppError):
    status, code = 400, "idempotency_key_required"
    title = lazy_gettext("Send an Idempotency-Key header: money moves here.")


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"
    title = lazy_gettext("This Idempotency-Key was used with another request.")


class RequestInProgress(Conflict):
    code = "request_in_progress"
    title = lazy_gettext("A request with this Idempotency-Key is being handled. Try again in a moment.")


def read_body(limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body, refused before it is read when it is too large."""
    request.max_content_length = limit_bytes
    try:
        return request.get_data(cache=True)
    except RequestEntityTooLarge as error:
        raise TooLarge(
            lazy_gettext("Send at most %(most)s MB at once.", most=limit_bytes // 1024 // 1024)
        ) from error


def read_json() -> Any:
    """The JSON body with numbers as int or Decimal. Raises UnsupportedMediaType, InvalidJson, TooLarge."""
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaType(lazy_gettext("Send JSON, with Content-Type: application/json."))
    return decode_json(read_body())


def decode_json(body: bytes) -> Any:
    """JSON with exact numbers. Raises InvalidJson saying where it breaks."""
    try:
        return _exact_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJson(str(error)) from error


def read_object(*allowed: str) -> dict[str, Any]:
    """A JSON object that has no member besides `allowed`; where none is, no body will do as well."""
    if not allowed and not read_body():
        return {}
    body = read_json()
    if not isinstance(body, dict):
        raise Invalid(lazy_gettext("Send a JSON object."), field="")
    unknown = sorted(set(body) - set(allowed))
    if unknown:
        raise Invalid(lazy_gettext("This field is not known here."), field=unknown[0])
    return body


def page_size(default: int = 50, most: int = 200) -> int:
    """The `limit` of a list request."""
    text = request.args.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Invalid(lazy_gettext("limit must be 1 to %(most)s.", most=most), field="limit")
    return int(text)


def cursor() -> int | None:
    """The whole number a list goes on from, as `next_cursor` gave it."""
    text = request.args.get("cursor")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(lazy_gettext("This cursor is not one of ours."), field="cursor")
    return int(text)


def listed(data: list[Any], next_cursor: str | int | None) -> dict[str, Any]:
    return {"data": data, "next_cursor": None if next_cursor is None else str(next_cursor)}


def idempotent(
    *, required: bool
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """For POST routes behind `require_api_key`. `g.idempotency_key` is the key, unique to this caller.

    What the route writes must carry that key too: a process may die after its commit and before the
    answer is kept, and the repeated request is then handled again.
    """

    def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def handled(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            given = request.headers.get("Idempotency-Key")
            g.idempotency_key = f"{g.api_key_id}:{given}" if given else None
            if given is None:
                if required:
                    raise IdempotencyKeyMissing
                return view(*args, **kwargs)
            if not 1 <= len(given) <= 255 or not given.isprintable():
                raise Invalid(
                    lazy_gettext("An Idempotency-Key has 1 to 255 characters."), field="Idempotency-Key"
                )
            kept = in_unit_of_work(_begin, g.api_key_id, given, _request_digest())
            if kept is not None:
                return kept
            try:
                response = make_response(view(*args, **kwargs))
            except AppError as error:
                if error.status >= 500:
                    in_unit_of_work(_forget, g.api_key_id, given)
                    raise
                response = Response(
                    json.dumps(error.problem()), error.status, mimetype="application/problem+json"
                )
            except BaseException:
                in_unit_of_work(_forget, g.api_key_id, given)
                raise
            in_unit_of_work(_keep, g.api_key_id, given, response)
            return response

        vars(handled)[IDEMPOTENCY_KEY] = required
        return handled

    return decorate


def forget_old_keys() -> None:
    """Job: drop answers older than a day."""

    def drop() -> None:
        db.session.execute(
            delete(IdempotencyRecord).where(IdempotencyRecord.created_at < utc_now() - KEY_LIFE)
        )

    in_unit_of_work(drop)


def _request_digest() -> bytes:
    body = read_body()
    return hashlib.sha256(b"\n".join([request.method.encode(), request.path.encode(), body])).digest()


def _begin(api_key_id: str, key: str, digest: bytes) -> Response | None:
    """Claim the key; the kept answer when there is one."""
    now = utc_now()
    record = IdempotencyRecord
    claimed = db.session.scalar(
        insert(record)
        .values(api_key_id=api_key_id, key=key, request_digest=digest, created_at=now)
        .on_conflict_do_nothing()
        .returning(record.key)
    )
    if claimed is not None:
        return None
    found = db.session.get_one(record, (api_key_id, key), with_for_update=True)
    if found.created_at < now - KEY_LIFE:
        found.request_digest, found.created_at = digest, now
        found.status = found.body = None
        return None
    if found.request_digest != digest:
        raise IdempotencyKeyReused
    if found.status is None or found.body is None:
        if found.created_at > now - ABANDONED_AFTER:
            raise RequestInProgress
        found.created_at = now
        return None
    answer = Response(found.body, found.status, mimetype=found.content_type)
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _keep(api_key_id: str, key: str, response: Response) -> None:
    found = db.session.get_one(IdempotencyRecord, (api_key_id, key))
    found.status, found.body = response.status_code, response.get_data()
    found.content_type = response.mimetype


def _forget(api_key_id: str, key: str) -> None:
    db.session.execute(
        delete(IdempotencyRecord).where(
            IdempotencyRecord.api_key_id == api_key_id, IdempotencyRecord.key == key
        )
    )

"""Typed errors: each knows its HTTP status, a stable code, a title in the reader's language and a detail.

The API answers them as `application/problem+json` (RFC 9457), pages as a page. A 500 is always a bug.
"""

from typing import Any, ClassVar, TypeAlias

from flask import Flask, Response, g, json, render_template, request
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

Text: TypeAlias = str | LazyString


class AppError(Exception):
    """Base of all errors that a caller can mend or must know of."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[Text] = lazy_gettext("This request cannot be handled.")

    def __init__(self, detail: Text | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.code}: {self.detail or self.title}"

    def headers(self) -> dict[str, str]:
        return {}

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 members, translated."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": str(self.title),
            "status": self.status,
            "code": self.code,
            "detail": str(self.detail or self.title),
        }
        body.update({key: str(v) if isinstance(v, LazyString) else v for key, v in self.extra.items()})
        return body


class Invalid(AppError):
    """Malformed input; `field` names the member that is wrong."""

    status, code = 422, "invalid_request"
    title = lazy_gettext("This input is not valid.")


class Unauthorized(AppError):
    status, code = 401, "unauthorized"
    title = lazy_gettext("Sign in, or send a valid API key.")

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="Tegoed"'}


class PaymentRequired(AppError):
    status, code = 402, "payment_required"
    title = lazy_gettext("The balance is too low for this.")


class Forbidden(AppError):
    status, code = 403, "forbidden"
    title = lazy_gettext("You are not allowed to do this.")


class NotFound(AppError):
    status, code = 404, "not_found"
    title = lazy_gettext("This does not exist, or is not yours to see.")


class Conflict(AppError):
    status, code = 409, "conflict"
    title = lazy_gettext("This does not fit the current state.")


class TooLarge(AppError):
    status, code = 413, "too_large"
    title = lazy_gettext("This request is too large.")


class UnsupportedMediaType(AppError):
    status, code = 415, "unsupported_media_type"
    title = lazy_gettext("This content type is not understood here.")


class TooManyRequests(AppError):
    status, code = 429, "too_many_requests"
    title = lazy_gettext("Too many requests. Try again in a moment.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.extra.get("retry_after_seconds", 60))}


class Unavailable(AppError):
    status, code = 503, "unavailable"
    title = lazy_gettext("The service is busy. Try again in a moment.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.extra.get("retry_after_seconds", 1))}


_FROM_HTTP: dict[int, type[AppError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedMediaType,
    429: TooManyRequests,
    503: Unavailable,
}


def wants_json() -> bool:
    return request.path.startswith("/v1/") or request.path in ("/healthz", "/readyz")


def answer(error: AppError) -> Response:
    """The error as problem+json for programs, as a page for people."""
    if wants_json():
        body = error.problem() | {"instance": request.path, "request_id": g.get("request_id")}
        response = Response(json.dumps(body), error.status, mimetype="application/problem+json")
    else:
        page = render_template("error.html", error=error, title=error.title, detail=error.detail)
        response = Response(page, error.status, mimetype="text/html")
    response.headers.extend(error.headers())
    return response


class OtherHttpError(AppError):
    """Any other HTTP error that the framework raises, with its own name."""

    title = lazy_gettext("This request cannot be handled.")

    def __init__(self, error: HTTPException) -> None:
        super().__init__(error.description if wants_json() else None)
        self.status = error.code or 500  # type: ignore[misc]  # one class for all of Werkzeug's codes
        self.code = error.name.lower().replace(" ", "_")  # type: ignore[misc]  # likewise


def _from_http(error: HTTPException) -> BaseResponse:
    if (error.code or 500) < 400:
        return error.get_response()
    kind = _FROM_HTTP.get(error.code or 500)
    response = answer(kind() if kind else OtherHttpError(error))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers.setdefault(name, value)
    return response


class InternalError(AppError):
    status, code = 500, "internal_error"
    title = lazy_gettext("Something went wrong on our side.")


def refuse_nul() -> None:
    """The database holds no NUL, so nothing is named by one: an address with it leads nowhere."""
    if "\x00" in request.path:
        raise NotFound
    if b"%00" in request.query_string:
        for name, values in request.args.lists():
            if "\x00" in name or any("\x00" in value for value in values):
                raise Invalid(field=name)


def init_app(app: Flask) -> None:
    app.before_request(refuse_nul)
    app.register_error_handler(AppError, answer)
    app.register_error_handler(HTTPException, _from_http)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        app.logger.error("unexpected error", exc_info=error)
        if app.testing or app.config.get("PROPAGATE_EXCEPTIONS"):
            raise error
        return answer(InternalError(gettext("We have been told. Please try again later.")))

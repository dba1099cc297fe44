"""Security headers of every answer, and how long it may be kept.

Nothing inline, nothing from elsewhere: scripts, styles, pictures and fonts come from us. Forms of a signed-in
person may lead to a checkout at the payment provider or a bank, and browsers apply `form-action` to those
redirects too; before the sign-in, forms stay here, but for the public page on which one pays.
"""

from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, request, session

from app.config import Settings, settings

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "
)
YEAR_SECONDS: Final = 365 * 24 * 3600


def init_app(app: Flask) -> None:
    chosen: Settings = app.extensions["settings"]
    secure = chosen.public_url.startswith("https://")
    app.config.update(
        SESSION_COOKIE_NAME="tegoed",
        SESSION_COOKIE_SECURE=secure,
    )
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    headers = response.headers
    if request.path.startswith("/v1/") and response.mimetype != "text/html":
        # A program's answer is no page: it must not be guessed into one, framed or kept.
        headers.add("X-Content-Type-Options", "nosniff")
        headers.add("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        if "Cache-Control" not in headers:
            headers.add("Cache-Control", "no-store")
        return response
    headers.setdefault("Content-Security-Policy", POLICY + _form_targets())
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    if settings().public_url.startswith("https://"):
        headers.setdefault("Strict-Transport-Security", f"max-age={YEAR_SECONDS}; includeSubDomains")
    _cache(response)
    return response


def _form_targets() -> str:
    return checkout_targets() if "_user_id" in session else "'self'"


def checkout_targets() -> str:
    """Where a form that starts a payment may lead."""
    sandbox = urlsplit(settings().mollie_api_url)
    return f"'self' https: {sandbox.scheme}://{sandbox.netloc}"


def _cache(response: Response) -> None:
    endpoint = request.endpoint or ""
    if endpoint == "static" or endpoint.endswith(".static"):
        if "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
    elif "Cache-Control" not in response.headers:
        # Pages show money: shared caches never keep them, and back after sign-out shows nothing.
        kept = "private, no-cache" if "ETag" in response.headers else "no-store"
        response.headers["Cache-Control"] = kept

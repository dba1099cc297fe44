"""Sessions belong to pages. What programs call (the API, webhooks) has none: nothing is read, nothing set."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

WITHOUT = ("/v1/", "/webhooks/")


class PageSessions(SecureCookieSessionInterface):
    """Signed cookies, as Flask's own, for pages only."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith(WITHOUT):
            return self.make_null_session(app)
        return super().open_session(app, request)


def init_app(app: Flask) -> None:
    app.session_interface = PageSessions()

"""What every page's frame needs: Bootstrap from our own server, the provider, the navigation, assets, CSRF.

Nothing is ever loaded from another host, and every form of a page carries its token.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from flask import Flask, current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_bootstrap import Bootstrap5
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError

from app.config import Provider, settings
from app.customers.roles import may
from app.errors import AppError, answer
from app.portal.navigation import navigation
from app.portal.views import blueprint

# Programs prove themselves by a key or are only told to look; they hold no session that could be misused.
PROGRAMS: Final = ("/v1/", "/webhooks/")
csrf = CSRFProtect()


class FormExpired(AppError):
    """The form's token is missing, too old or another session's."""

    status, code = 400, "form_expired"
    title = lazy_gettext("This page was open too long. Go back, reload it and try again.")


def init_app(app: Flask) -> None:
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    # A page whose address is a secret sends no referrer, its forms included.
    app.config["WTF_CSRF_SSL_STRICT"] = False
    Bootstrap5(app)
    csrf.init_app(app)
    app.before_request(check_csrf)
    app.register_error_handler(CSRFError, form_expired)
    app.register_blueprint(blueprint)
    app.jinja_env.globals.update(
        asset=asset,
        bootstrap_css=bootstrap_css,
        may=may,
        navigation=navigation,
        page_address=page_address,
        provider=provider,
    )


def check_csrf() -> None:
    if not request.path.startswith(PROGRAMS):
        csrf.protect()


def form_expired(_error: CSRFError) -> ResponseReturnValue:
    return answer(FormExpired())


def provider() -> Provider:
    return settings().provider


def asset(name: str) -> str:
    """The address of one of our own assets, with its version, so that it may be kept for a year."""
    return url_for("static", filename=name, v=_version(Path(str(current_app.static_folder)) / name))


def bootstrap_css() -> str:
    folder = Path(str(current_app.blueprints["bootstrap"].static_folder))
    name = "css/bootstrap.min.css"
    return url_for("bootstrap.static", filename=name, v=_version(folder / name))


@lru_cache(maxsize=32)
def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def page_address() -> str:
    """This page's own address, for coming back to it; where a form was refused, that is its page."""
    return request.full_path if request.query_string else request.path

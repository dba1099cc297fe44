"""The application: settings in, slices wired together.

What must travel upward between slices is subscribed here, so that no slice imports one above it.
"""

import importlib
from typing import Any

from flask import Flask

from app import cli, db, errors, health, i18n, jobs, logs
from app.config import Settings
from app.customers import auth
from app.distribution import db_commands
from app.ledger import api as ledger_api
from app.ledger import cli as ledger_cli

_BLUEPRINTS = (
    "app.customers.views",
    "app.desk.views",
    "metering.api",
    "topups.api",
    "topups.webhooks",
    "topups.views",
    "invoicing.api",
    "invoicing.views",
)


def create_app(settings: Settings) -> Flask:
    """A WSGI application over these settings. Touches neither database nor network."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = settings.secret_key
    app.extensions["settings"] = settings
    logs.init_app(app)
    db.init_app(app, settings)
    jobs.init_app(app, settings)
    i18n.init_app(app, settings)
    errors.init_app(app)
    auth.init_app(app)
    app.cli.add_command(db_commands)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(ledger_api.blueprint)
    for group in (ledger_cli.group, cli.jobs, cli.users, cli.keys):
        app.cli.add_command(group)
    for name in _BLUEPRINTS:
        module = _module(name)
        if module is not None:
            app.register_blueprint(module.blueprint)
    for name in ("app.headers", "app.portal.shell"):
        module = _module(name)
        if module is not None:
            module.init_app(app)
    invoicing_cli = _module("invoicing.cli")
    if invoicing_cli is not None:
        app.cli.add_command(invoicing_cli.group)
    return app


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None

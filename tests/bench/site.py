"""The product's own application with one route more: the yardstick for reading a balance."""

from flask import jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from app.customers.auth import require_api_key
from app.db import db
from wsgi import application


@application.get("/v1/bench/one")
@require_api_key
def select_one() -> ResponseReturnValue:
    """The least a route with this authentication and one statement can do."""
    return jsonify(one=db.session.scalar(text("SELECT 1")))

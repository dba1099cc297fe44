"""The reference as it is asked for: `/v1/openapi.json` for programs, `/docs` for people."""

from typing import Any, Final

from flask import Blueprint, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue

from app.config import settings
from app.i18n import in_locale
from app.reference import document, page
from app.reference.statements import describe

blueprint = Blueprint("reference", __name__, template_folder="templates")
VERSION: Final = "1"
_KEPT: Final = "openapi"


def openapi() -> dict[str, Any]:
    """The document, built once per process: routes do not change while it runs."""
    kept: dict[str, Any] = current_app.extensions
    if _KEPT not in kept:
        with in_locale("en"):
            chosen = settings()
            kept[_KEPT] = document.build(current_app, VERSION, chosen.public_url, chosen.currency)
    document_: dict[str, Any] = kept[_KEPT]
    return document_


@blueprint.get("/v1/openapi.json")
@describe(dict[str, Any])
def read_openapi() -> ResponseReturnValue:
    """Read this document."""
    return jsonify(openapi())


@blueprint.get("/docs")
def docs() -> ResponseReturnValue:
    """All of the API on one page, in its own words, with a frame in the reader's language."""
    return render_template("reference/docs.html", sections=page.sections(openapi()), about=openapi()["info"])

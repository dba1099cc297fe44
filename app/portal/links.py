"""Links to pages of the slices, by the name of their endpoint; None where a slice has no such page yet."""

from typing import Any

from flask import current_app, url_for


def link(endpoint: str, **values: Any) -> str | None:
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None

"""How invoices and payment requests are called, by their number alone: in texts of every slice."""

import re
from typing import Final

from flask import Flask
from flask_babel import gettext

# A payment request's name: letters and digits that nobody mistakes for each other.
REQUEST_LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
REQUEST_LENGTH: Final = 10
REQUEST_PATTERN: Final = f"[{REQUEST_LETTERS}]{{{REQUEST_LENGTH}}}"
_REQUEST: Final = re.compile(rf"B-({REQUEST_PATTERN})")


def init_app(app: Flask) -> None:
    app.add_template_filter(document_text)
    app.add_template_filter(document_title)
    app.add_template_test(is_request_name, "request_name")


def is_request_name(text: str) -> bool:
    return bool(_REQUEST.fullmatch(text))


def document_text(number: str) -> str:
    """Within a sentence: "invoice F2026-000001"."""
    if is_request_name(number):
        return str(gettext("payment request %(number)s", number=number))
    return str(gettext("invoice %(number)s", number=number))


def document_title(number: str) -> str:
    """Alone, or at the beginning of a sentence: "Invoice F2026-000001"."""
    if is_request_name(number):
        return str(gettext("Payment request %(number)s", number=number))
    return str(gettext("Invoice %(number)s", number=number))

"""Rows as CSV, as spreadsheets and programs both read it."""

import csv
import io
from collections.abc import Iterable


def csv_text(rows: Iterable[list[str]]) -> str:
    """These rows, with the line ends that RFC 4180 asks for."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()

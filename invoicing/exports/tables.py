"""Tables as CSV: UTF-8, commas, amounts with a point; text that a spreadsheet would run is made harmless."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "".join(csv_lines(columns, rows))


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The table line by line, for what may be long."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    for row in chain([columns], rows):
        writer.writerow([_cell(value) for value in row])
        yield file.getvalue()
        file.seek(0)
        file.truncate()


def amount(cents: int) -> Decimal:
    """Cents as an amount with two places."""
    return Decimal(cents).scaleb(-2)


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value

"""Tables in the order that a reader chose, page by page: what a link in a column's head asks for.

A page begins after a row, not after a number of rows: what comes in or is paid meanwhile shifts nothing.
Links keep whatever else the address says, such as a filter or a search.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, cast
from urllib.parse import urlencode

from flask import Flask, request, url_for
from sqlalchemy import ColumnElement, Select, SQLColumnExpression, literal, tuple_

_Q = TypeVar("_Q", bound=Select[Any])
# What says where in a table a page begins: a table sorted anew begins at its first.
_PLACES: Final = frozenset({"after", "before", "page"})


@dataclass(frozen=True, slots=True)
class Column:
    """What rows are sorted by, never NULL. `falls`: the first click shows the newest or the largest."""

    value: SQLColumnExpression[Any]
    falls: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One of a table's columns, which say themselves which order is usual: that of the first one."""

    columns: Mapping[str, Column]
    name: str
    falls: bool

    @classmethod
    def asked(cls, columns: Mapping[str, Column], text: str | None = None) -> "Order":
        """The order of "total" or "-total"; the usual one where no column is called so."""
        name = (text or "").removeprefix("-")
        if text is None or name not in columns:
            name, column = next(iter(columns.items()))
            return cls(columns, name, column.falls)
        return cls(columns, name, text.startswith("-"))

    @property
    def is_usual(self) -> bool:
        return self == Order.asked(self.columns)

    @property
    def value(self) -> SQLColumnExpression[Any]:
        return self.columns[self.name].value

    def state(self, name: str) -> Literal["ascending", "descending"] | None:
        """What `aria-sort` says of a column."""
        if name != self.name:
            return None
        return "descending" if self.falls else "ascending"

    def link(self, name: str) -> str:
        """The address of the same table by this column; by the one it is sorted by, the other way round."""
        falls = not self.falls if name == self.name else self.columns[name].falls
        return here(sort=f"-{name}" if falls else name)

    def applied(self, query: _Q, key: SQLColumnExpression[Any], after: tuple[Any, Any] | None = None) -> _Q:
        """The query in this order, rows alike by their key; `after`: value and key of the row before."""
        place = tuple_(self.value, key)
        before = None if after is None else tuple_(_typed(after[0], self.value), _typed(after[1], key))
        if self.falls:
            query = query.order_by(self.value.desc(), key.desc())
            return query if before is None else query.where(place < before)
        query = query.order_by(self.value, key)
        return query if before is None else query.where(place > before)


def _typed(value: Any, column: SQLColumnExpression[Any]) -> ColumnElement[Any]:
    """A value as its column has it: micros are more than an integer that knows nothing of them would hold."""
    return value if isinstance(value, ColumnElement) else literal(value, cast("Any", column).type)


def here(**changes: str | int | None) -> str:
    """The address of this page with these arguments changed, and from its first row unless they say where."""
    kept = {name: given for name, given in request.args.to_dict(flat=False).items() if name not in _PLACES}
    asked = kept | {name: [value] for name, value in changes.items() if value is not None}
    # Not as arguments of url_for: an address may hold names that mean something else to it.
    path = url_for(str(request.endpoint), **(request.view_args or {}))
    left_out = {name for name, value in changes.items() if value is None}
    query = urlencode({name: given for name, given in asked.items() if name not in left_out}, doseq=True)
    return f"{path}?{query}" if query else path


def init_app(app: Flask) -> None:
    app.add_template_global(here)

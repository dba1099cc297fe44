"""The database: one declarative base, one session, one way to open a transaction.

Entry points open `unit_of_work()`; services never commit. What must happen after the commit (jobs, mails)
is given to `after_commit` and is dropped when the transaction rolls back.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final, ParamSpec, TypeVar, cast

import msgspec
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from psycopg import Connection, sql
from psycopg.errors import DeadlockDetected, SerializationFailure
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    MetaData,
    String,
    Table,
    any_,
    bindparam,
    text,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, mapped_column
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from app.config import Settings

P = ParamSpec("P")
T = TypeVar("T")

MAX_ATTEMPTS: Final = 4


class Model(DeclarativeBase):
    """Base of every table. Constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


Micros = Annotated[int, mapped_column(BigInteger)]
UtcDateTime = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CustomerKey = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]

db = SQLAlchemy(metadata=Model.metadata)
migrate = Migrate(directory="app/migrations")


def driver_url(url: str) -> str:
    """`postgresql://…` as SQLAlchemy wants it for psycopg 3."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def init_app(app: Flask, settings: Settings) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = driver_url(settings.database_url)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": settings.database_pool_size,
        "max_overflow": 10,
        "pool_pre_ping": True,
        "connect_args": {"options": "-c timezone=UTC", "prepare_threshold": 3},
    }
    db.init_app(app)
    migrate.init_app(app, db, compare_type=True)


def _info() -> dict[str, Any]:
    return cast("dict[str, Any]", db.session().info)


def unit_notes() -> dict[str, Any]:
    """What services note about the open unit of work (locks they hold); gone when it ends."""
    return cast("dict[str, Any]", _info().setdefault("unit_notes", {}))


def in_transaction() -> bool:
    """Whether a unit of work is open here."""
    return bool(_info().get("unit_of_work"))


@contextmanager
def unit_of_work() -> Iterator[None]:
    """One transaction: commits at the end, rolls back on an error, then runs what waited for the commit."""
    info = _info()
    if info.get("unit_of_work"):
        raise RuntimeError("a unit of work is open already: services join it, they do not open one")
    # Reads before the unit of work began a transaction of their own; the new one must see the present.
    db.session.rollback()
    info["unit_of_work"] = True
    info["before_commit"] = []
    info["after_commit"] = []
    info["unit_notes"] = {}
    try:
        yield
        for action in cast("list[Callable[[], None]]", info["before_commit"]):
            action()
        db.session.commit()
        waiting = cast("list[Callable[[], None]]", info["after_commit"])
    except BaseException:
        db.session.rollback()
        raise
    finally:
        info.pop("unit_of_work", None)
        info.pop("before_commit", None)
        info.pop("after_commit", None)
        info.pop("unit_notes", None)
    for action in waiting:
        action()


def before_commit(action: Callable[[], None]) -> None:
    """Run `action` as the last of the open unit of work, for what takes locks that all share."""
    if not in_transaction():
        raise RuntimeError("there is no unit of work to be the last of")
    _info()["before_commit"].append(action)


def after_commit(action: Callable[[], None]) -> None:
    """Run `action` once the open unit of work has been committed; at once when none is open."""
    if in_transaction():
        _info()["after_commit"].append(action)
    else:
        action()


def copy_rows(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows by COPY, in the open unit of work. All have the same columns.

    Columns that they leave out get their plain default. For rows by the thousand: a statement for each, or
    one that SQLAlchemy puts together, costs several times as much.
    """
    if not rows:
        return
    db.session.flush()
    table = cast("Table", model.__table__)
    defaults = {
        column.name: column.default.arg
        for column in table.columns
        if isinstance(column.default, ScalarElementColumnDefault) and column.name not in rows[0]
    }
    names = [*rows[0], *defaults]
    documents = [at for at, name in enumerate(names) if isinstance(table.columns[name].type, JSON)]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    connection = cast("Connection[Any]", db.session.connection().connection.driver_connection)
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            values = [*row.values(), *defaults.values()]
            for at in documents:
                values[at] = None if values[at] is None else msgspec.json.encode(values[at]).decode()
            copy.write_row(values)


def forget_plans() -> None:
    """Let this connection plan anew. Before many rows are written to tables that were smaller a while ago.

    The check of a foreign key keeps the plan of its first use as long as the connection lives: made while the
    table was all but empty, it reads the whole table for every row.
    """
    db.session.execute(text("DISCARD PLANS"))


def among(column: InstrumentedAttribute[int], ids: Iterable[int]) -> ColumnElement[bool]:
    """`column = ANY (ids)`: one text however many there are. IN would be put together anew each time."""
    literal = "{" + ",".join(map(str, sorted(set(ids)))) + "}"
    return column == any_(cast_to(bindparam(None, literal, type_=String), ARRAY(BigInteger)))


def is_transient(error: BaseException) -> bool:
    """A deadlock or serialisation failure: the same transaction may well succeed when run again.

    The hot path speaks to the driver itself, so its errors may come without SQLAlchemy's wrapping.
    """
    cause = error.orig if isinstance(error, OperationalError) else error
    return isinstance(cause, DeadlockDetected | SerializationFailure)


def in_unit_of_work(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function` in a unit of work of its own, run again on a deadlock or serialisation failure."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with unit_of_work():
                return function(*args, **kwargs)
        except (OperationalError, DeadlockDetected, SerializationFailure) as error:
            if not is_transient(error) or attempt == MAX_ATTEMPTS:
                raise
            time.sleep(0.02 * 2**attempt)
    raise AssertionError("unreachable")

"""The sandbox's memory: one table of documents in SQLite, one lock, one transaction at a time.

A document keeps the version before its last change, for reads that are stale on purpose.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from topups.sandbox.entities import Entity

E = TypeVar("E", bound=Entity)

SCHEMA = """
CREATE TABLE IF NOT EXISTS entity (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at TEXT NOT NULL,
    due_at TEXT,
    body BLOB NOT NULL,
    before BLOB,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS entity_list ON entity (kind, created_at, seq);
CREATE INDEX IF NOT EXISTS entity_owner ON entity (kind, owner, created_at, seq);
CREATE INDEX IF NOT EXISTS entity_due ON entity (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def sortable(moment: datetime) -> str:
    """Text that sorts as the moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


class Store:
    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self._database = sqlite3.connect(
            str(path) if path else ":memory:", check_same_thread=False, isolation_level=None
        )
        # A sandbox may forget its last second in a power cut, but must not wait for the disk.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self.lock:
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a transaction inside another belongs to the outer one."""
        with self.lock:
            if self._depth == 0:
                self._database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._database.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._database.execute("COMMIT")

    def add(self, entity: Entity) -> None:
        with self.lock:
            self._database.execute(
                "INSERT INTO entity (kind, id, owner, created_at, due_at, body) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    entity.kind,
                    entity.id,
                    entity.owner,
                    sortable(entity.created_at),
                    sortable(entity.due_at) if entity.due_at else None,
                    msgspec.json.encode(entity),
                ),
            )

    def save(self, entity: Entity) -> None:
        with self.lock:
            self._database.execute(
                "UPDATE entity SET before = body, body = ?, due_at = ? WHERE kind = ? AND id = ?",
                (
                    msgspec.json.encode(entity),
                    sortable(entity.due_at) if entity.due_at else None,
                    entity.kind,
                    entity.id,
                ),
            )

    def remove(self, entity: Entity) -> None:
        with self.lock:
            self._database.execute("DELETE FROM entity WHERE kind = ? AND id = ?", (entity.kind, entity.id))

    def find(self, kind: type[E], entity_id: str) -> E | None:
        with self.lock:
            row = self._database.execute(
                "SELECT body FROM entity WHERE kind = ? AND id = ?", (kind.kind, entity_id)
            ).fetchone()
        return msgspec.json.decode(row[0], type=kind) if row else None

    def before(self, entity: E) -> E | None:
        """The version before the last change, None when it never changed."""
        with self.lock:
            row = self._database.execute(
                "SELECT before FROM entity WHERE kind = ? AND id = ?", (entity.kind, entity.id)
            ).fetchone()
        return msgspec.json.decode(row[0], type=type(entity)) if row and row[0] else None

    def every(self, kind: type[E], *, owner: str | None = None, limit: int | None = None) -> list[E]:
        """All of a kind, newest first."""
        condition, values = ("AND owner = ?", [owner]) if owner is not None else ("", [])
        with self.lock:
            rows = self._database.execute(
                f"SELECT body FROM entity WHERE kind = ? {condition} "  # noqa: S608 - a literal of ours
                "ORDER BY created_at DESC, seq DESC LIMIT ?",
                [kind.kind, *values, -1 if limit is None else limit],
            ).fetchall()
        return [msgspec.json.decode(row[0], type=kind) for row in rows]

    def due(self, until: datetime, kinds: list[type[Entity]]) -> list[Entity]:
        """What falls due up to a moment, earliest first."""
        types = {kind.kind: kind for kind in kinds}
        marks = ", ".join("?" * len(types))
        with self.lock:
            rows = self._database.execute(
                f"SELECT kind, body FROM entity WHERE due_at <= ? AND kind IN ({marks}) "  # noqa: S608 - only marks
                "ORDER BY due_at, seq",
                [sortable(until), *types],
            ).fetchall()
        return [msgspec.json.decode(body, type=types[kind]) for kind, body in rows]

    def next_due_at(self) -> datetime | None:
        with self.lock:
            row = self._database.execute("SELECT min(due_at) FROM entity WHERE due_at IS NOT NULL").fetchone()
        return datetime.fromisoformat(row[0]).replace(tzinfo=UTC) if row[0] else None

    def keep_newest(self, kind: type[Entity], count: int) -> None:
        """Forgets the oldest of a log."""
        with self.lock:
            self._database.execute(
                "DELETE FROM entity WHERE kind = ? AND seq <= ("
                "SELECT seq FROM entity WHERE kind = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (kind.kind, kind.kind, count),
            )

    def setting(self, name: str) -> str | None:
        with self.lock:
            row = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def set_setting(self, name: str, value: str) -> None:
        with self.lock:
            self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def clear(self) -> None:
        with self.transaction():
            self._database.execute("DELETE FROM entity")
            self._database.execute("DELETE FROM setting")

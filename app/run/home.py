"""TEGOED_HOME: where a running Tegoed keeps what must survive it: lock, secrets, ports, logs, data.

The lock is the kernel's (`flock`): it dies with the process that holds it, however that process dies.
"""

import fcntl
import hashlib
import json
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from app.run.processes import Process, end_processes, find, in_session

SOCKET_DIRECTORY_LIMIT: Final = 90
FIRST_PORT: Final = 20_000
PORTS: Final = 10_000
SERVER_ROOT: Final = Path("/var/lib/tegoed")
MARKER_OF_HOME: Final = "home-id"


class HomeError(RuntimeError):
    """The home cannot be used; the message says why and what to do."""


@dataclass
class Home:
    """One installation's directory. Call `lock()` before anything else."""

    path: Path
    notices: list[str] = field(default_factory=list)
    _lock: IO[str] | None = field(default=None, init=False)
    _children: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)

    @classmethod
    def at(cls, path: Path) -> "Home":
        return cls(path.absolute().resolve())

    @property
    def digest(self) -> str:
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:12]

    @property
    def logs(self) -> Path:
        return self.path / "log"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def lock(self, note: str) -> None:
        """Take the home for this process; `note` tells a second start where to look. Raises HomeError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self._lock = self._take_lock()
        except PermissionError as error:
            raise HomeError(
                f"{self.path} belongs to somebody else ({error.strerror}: {error.filename}). "
                "Start as that user, or give TEGOED_HOME another directory."
            ) from None
        secrets_file = self.path / "secrets.json"
        if secrets_file.exists() and secrets_file.stat().st_uid != os.geteuid():
            # As root we could read it, but would leave files behind that its owner cannot.
            self._lock.close()
            raise HomeError(f"{self.path} belongs to uid {secrets_file.stat().st_uid}: start as that user.")
        self._lock.truncate(0)
        self._lock.write(note)
        self._lock.flush()

    def unlock(self) -> None:
        if self._lock is not None:
            (self.path / "lock").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> IO[str]:
        path = self.path / "lock"
        while True:
            lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                note = lock.read().strip()
                lock.close()
                raise HomeError(
                    f"Tegoed already runs on {self.path}{f' ({note})' if note else ''}.\n"
                    "Stop it first, or give this copy its own: TEGOED_HOME=var2 PORT=8001 make run"
                ) from None
            try:
                if path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                    return lock
            except FileNotFoundError:
                pass
            # The holder removed the file between our open and our lock: that lock means nothing.
            lock.close()

    def secret(self, name: str) -> str:
        """A random secret of that name, made when first asked for."""
        known = self.read("secrets.json") or {}
        if name not in known:
            known[name] = secrets.token_urlsafe(36)
            self.write("secrets.json", known)
        return str(known[name])

    def port(self, name: str) -> int:
        """A free loopback port of that name: the remembered one, else the first from the home's own start."""
        known: dict[str, int] = self.read("ports.json") or {}
        begin = int(self.digest, 16)
        candidates = [known[name]] if name in known else []
        candidates += [FIRST_PORT + (begin + step) % PORTS for step in range(200)]
        taken = {port for other, port in known.items() if other != name}
        for port in candidates:
            if port not in taken and port_is_free(port):
                self.write("ports.json", known | {name: port})
                return port
        raise HomeError(f"no free port for {name} on 127.0.0.1")

    def sockets(self) -> Path:
        """A private directory for unix sockets, whose path is short enough for the kernel."""
        wanted = self.path / "run"
        if len(str(wanted)) <= SOCKET_DIRECTORY_LIMIT:
            return wanted
        return Path(tempfile.gettempdir()) / f"tegoed-{os.geteuid()}-{self.digest}"

    def server_directory(self) -> Path:
        """Where PostgreSQL's account may go although it may not enter the home (used as root).

        Data of a home that was deleted and made anew is set aside, never shown in the new one.
        """
        SERVER_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
        directory = SERVER_ROOT / self.digest
        marker = directory / MARKER_OF_HOME
        identity = self.secret("home")
        if directory.exists() and (not marker.exists() or marker.read_text() != identity):
            aside = _unused(SERVER_ROOT / f"{self.digest}.old")
            directory.rename(aside)
            self.notices.append(f"Data of an earlier {self.path} was set aside in {aside}.")
        directory.mkdir(mode=0o750, exist_ok=True)
        _write_private(marker, identity)
        return directory

    def read(self, name: str) -> Any:
        """The JSON of a file in the home; None when there is none."""
        try:
            return json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise HomeError(f"{self.path / name} is damaged ({error}); remove it") from None

    def write(self, name: str, content: Any) -> None:
        """Write JSON into the home, readable by its owner alone, whole or not at all."""
        _write_private(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def note_child(self, name: str, pid: int) -> None:
        """Note who runs, for a start after this process was killed."""
        process = find(pid)
        self._children.pop(name, None)
        if process is not None:
            self._children[name] = (process.pid, process.started_ticks)
        self.write("children.json", {"boot": _boot(), "children": self._children})

    def forget_children(self) -> None:
        (self.path / "children.json").unlink(missing_ok=True)

    def end_orphans(self, patience_seconds: float) -> list[str]:
        """End children that outlived a killed supervisor; answers their names."""
        noted = self.read("children.json") or {}
        if noted.get("boot") != _boot():
            return []
        found = {name: _left_of(pid, ticks) for name, (pid, ticks) in noted["children"].items()}
        left_over = [process for left in found.values() for process in left]
        end_processes(left_over, timeout_seconds=patience_seconds)
        self.forget_children()
        return [name for name, left in found.items() if left]


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _left_of(pid: int, started_ticks: int) -> list[Process]:
    leader = find(pid)
    if leader is not None and leader.started_ticks != started_ticks:
        return []  # the pid is somebody else's now, and so is its session
    return [process for process in in_session(pid) if process.started_ticks >= started_ticks]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _unused(path: Path) -> Path:
    number = 1
    while path.with_name(f"{path.name}{number}").exists():
        number += 1
    return path.with_name(f"{path.name}{number}")


def _write_private(path: Path, content: str) -> None:
    partial = path.with_name(path.name + ".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)
    partial.rename(path)

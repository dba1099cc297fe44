"""The embedded servers of a home: started first, ended last, and started again when they end."""

import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import Final

from app.embedded import DATABASE, OWNER, ROLE, EmbeddedServerError, Postgres, Redis, postgres_account
from app.run.console import fresh_log, report_end, say
from app.run.home import Home
from app.run.plan import Plan
from app.run.processes import end, end_session

ATTEMPTS: Final = 3
WITHIN_SECONDS: Final = 60.0


@dataclass
class Servers:
    """PostgreSQL and Redis, as far as the plan embeds them. Methods raise EmbeddedServerError."""

    home: Home
    plan: Plan
    new: bool = False  # whether the database was made by this start
    postgres: Postgres | None = None
    redis: Redis | None = None
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    failures: dict[str, list[float]] = field(default_factory=dict)

    def start(self) -> dict[str, str]:
        """Start them; answers the addresses the product needs."""
        urls: dict[str, str] = {}
        sockets = self.home.sockets()
        if self.plan.embeds_postgres:
            account = postgres_account()
            directory = self.home.path / "postgres" if account is None else self.home.server_directory()
            self.postgres = Postgres(directory, sockets if account is None else directory / "run", account)
            self.new = self.postgres.prepare()
            self._start_postgres(self.postgres)
            owner, role = self.home.secret("owner_password"), self.home.secret("role_password")
            self.postgres.provision({OWNER: owner, ROLE: role})
            urls["DATABASE_URL"] = self.postgres.url(ROLE, role)
            urls["OWNER_DATABASE_URL"] = self.postgres.url(OWNER, owner)
        if self.plan.embeds_redis:
            self.redis = Redis(self.home.path / "redis", sockets)
            self._start_redis(self.redis)
            urls["REDIS_URL"] = self.redis.url
        return urls

    def revision(self) -> str | None:
        """The embedded database's migration; None when it has none, or is not ours to ask."""
        if self.postgres is None:
            return None
        with self.postgres.admin(DATABASE) as admin:
            if (
                admin.execute("SELECT 1 FROM pg_tables WHERE tablename = 'alembic_version'").fetchone()
                is None
            ):
                return None
            found = admin.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
        return ",".join(row[0] for row in found)

    def check(self) -> None:
        """Start again what has ended; raises when it keeps ending."""
        for name, process in list(self.running.items()):
            code = process.poll()
            if code is None:
                continue
            report_end(name, code, self.home.log(name))
            end_session(process.pid)
            now = time.monotonic()
            self.failures[name] = [
                *(at for at in self.failures.get(name, []) if now - at < WITHIN_SECONDS),
                now,
            ]
            if len(self.failures[name]) > ATTEMPTS:
                raise EmbeddedServerError(
                    f"{name} keeps ending: {len(self.failures[name])} times in a minute"
                )
            self._start_again(name)
            say(f"{name} runs again")

    def stop(self) -> None:
        """End them; their data is whole afterwards."""
        for name, process in reversed(list(self.running.items())):
            # SIGINT is PostgreSQL's "fast": end the clients, write what there is, leave.
            end(process, first=signal.SIGINT if name == "postgres" else signal.SIGTERM, timeout_seconds=30)
        self.running.clear()

    def _start_again(self, name: str) -> None:
        if name == "postgres" and self.postgres is not None:
            self.postgres.prepare()
            self._start_postgres(self.postgres)
        if name == "redis" and self.redis is not None:
            self._start_redis(self.redis)

    def _start_postgres(self, postgres: Postgres) -> None:
        # Not noted as a child: an orphan is found by its data directory and ended PostgreSQL's way.
        self.running["postgres"] = postgres.start(fresh_log(self.home.log("postgres")))

    def _start_redis(self, redis: Redis) -> None:
        redis.prepare()
        log = fresh_log(self.home.log("redis"))
        try:
            self.running["redis"] = redis.start(log)
        except EmbeddedServerError as error:
            say(f"{error}\nIts data is set aside in {redis.set_aside()}; jobs are found again from rows.")
            self.running["redis"] = redis.start(log)
        self.home.note_child("redis", self.running["redis"].pid)

"""Where the benchmarks happen: an embedded PostgreSQL with fsync on, Redis, data, the real web processes.

The web processes are started with the very command of `make run`; only the module is the bench's own, which
adds one yardstick route.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from flask import Flask

from app.config import Settings
from app.customers.auth import create_api_key
from app.db import in_unit_of_work
from app.embedded import BASE_ENV, OWNER, ROLE, Postgres, Redis, postgres_account
from app.factory import create_app
from app.run.plan import ROOT, Addresses, Plan
from app.run.processes import all_processes, end, in_session, spawn, wait_until
from metering import meters

CUSTOMERS: Final = 10_000
FIRST_ID: Final = 1_000
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
CORES: Final = os.cpu_count() or 1

_CUSTOMERS = """
INSERT INTO customer (customer_id, reference, name, email, kind, country, locale, currency, address_line1,
                      postal_code, city, provisional_limit_micros, status, created_at)
SELECT %(first)s + i, 'b' || i, 'Bench', 'b@example.com', 'business', 'NL', 'nl', 'EUR', '', '', '', 0,
       'active', now()
FROM generate_series(0, %(count)s - 1) AS i
"""
_REFERENCES = (
    "INSERT INTO customer_reference SELECT reference, customer_id FROM customer WHERE customer_id >= %s"
)
_BALANCES = """
INSERT INTO balance (customer_id, prepaid_micros, credits_micros, promo_micros, held_micros,
                     receivable_micros, overdraft_micros, last_transfer_number,
                     low_mark_micros, attention_mark_micros)
SELECT customer_id, 0, 0, 0, 0, 0, 0, 0, 5000000, -9000000000000 FROM customer WHERE customer_id >= %s
"""
METERS: Final[dict[str, dict[str, Any]]] = {
    "bench.0": {
        "model": "graduated",
        "tiers": [{"up_to": "100000", "unit_amount": "0.000002"}, {"unit_amount": "0.0000015"}],
    },
    "bench.1": {"model": "per_unit", "unit_amount": "0.000002"},
    "bench.2": {"model": "per_unit", "unit_amount": "0.0000035"},
}


@dataclass
class Stage:
    """Everything that runs."""

    postgres: Postgres
    postgres_process: subprocess.Popen[bytes]
    web_process: subprocess.Popen[bytes]
    settings: Settings
    app: Flask
    url: str
    api_key: str
    password: str

    def connect(self) -> psycopg.Connection[Any]:
        """A connection as the tables' owner, who may also make the yardsticks' tables."""
        return psycopg.connect(self.settings.owner_database_url, autocommit=True)

    def vacuum(self) -> None:
        """What autovacuum would do in time: each measurement begins with tables in order."""
        with self.connect() as connection:
            connection.execute("VACUUM ANALYZE")
        with self.postgres.admin("postgres") as admin:
            admin.execute("CHECKPOINT")

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time used so far, per part."""
        return {
            "web": _cpu_of_family(self.web_process.pid),
            "postgres": _cpu_of_family(self.postgres_process.pid),
        }

    @staticmethod
    def cpu_of(processes: Sequence[subprocess.Popen[bytes]]) -> dict[str, float]:
        """Processor time that these processes of ours have used so far, together."""
        return {"workers": sum(_cpu_of_family(process.pid) for process in processes)}

    def peak_memory_mb(self) -> float:
        """The highest resident memory that a web process has had."""
        return max((_peak_mb(process.pid) for process in in_session(self.web_process.pid)), default=0.0)


@contextmanager
def stage() -> Iterator[Stage]:
    """Start everything; end and remove it afterwards."""
    # /tmp may be memory, where fsync costs nothing.
    directory = Path(tempfile.mkdtemp(prefix="tegoed-bench-", dir="/var/tmp"))
    directory.chmod(0o711)  # PostgreSQL's account has to pass
    running: list[subprocess.Popen[bytes]] = []
    try:
        postgres = Postgres(directory / "postgres", directory / "pg-run", postgres_account())
        redis = Redis(directory / "redis", directory / "run")
        postgres.prepare()
        redis.prepare()
        database = postgres.start(directory / "postgres.log")
        running.append(database)
        running.append(redis.start(directory / "redis.log"))
        password = secrets.token_hex(16)
        postgres.provision({OWNER: password, ROLE: password})
        port = free_port()
        plan = Plan({"TEGOED_DEMO": "0"}, directory, Addresses(port, 1, 1, 1))
        environment = BASE_ENV | plan.environment(
            secret_key=secrets.token_hex(32),
            mollie_api_key="test_" + "b" * 30,
            urls={
                "DATABASE_URL": postgres.url(ROLE, password),
                "OWNER_DATABASE_URL": postgres.url(OWNER, password),
                "REDIS_URL": redis.url,
            },
        )
        subprocess.run(plan.migration(), env=environment, cwd=ROOT, check=True, capture_output=True)
        settings = Settings.from_env(environment)
        app = create_app(settings)
        with app.app_context():
            key = in_unit_of_work(_fill, settings)
        web = _start_web(plan, environment, directory / "web.log")
        running.append(web)
        url = plan.addresses.url
        yield Stage(postgres, database, web, settings, app, url, key, password)
    finally:
        for process in reversed(running):
            end(process, first=signal.SIGINT if process is running[0] else signal.SIGTERM, timeout_seconds=30)
        shutil.rmtree(directory, ignore_errors=True)


def _fill(settings: Settings) -> str:
    """Customers with balances, meters with prices, an API key; answers the key."""
    with psycopg.connect(settings.owner_database_url) as connection:
        connection.execute(_CUSTOMERS, {"first": FIRST_ID, "count": CUSTOMERS})
        connection.execute(_REFERENCES, (FIRST_ID,))
        connection.execute(_BALANCES, (FIRST_ID,))
    for code, price in METERS.items():
        facts = {"event_type": code, "aggregation": "sum", "value_property": "tokens", "unit": "token"}
        meters.put_meter(code, facts | {"dimensions": [], "name": {"en": code, "nl": code}})
        meters.publish_price(code, price)
    return create_api_key("bench")[1]


def _start_web(plan: Plan, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    web = plan.product()[0]
    command = [*web.command[:-1], "tests.bench.site:application"]
    environment = environment | {"PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        process = spawn(command, env=environment, output=output, cwd=ROOT)
    if not wait_until(lambda: process.poll() is not None or _listens(plan), timeout_seconds=60):
        sys.exit(f"the web process does not answer:\n{log.read_text()}")
    if process.poll() is not None:
        sys.exit(f"the web process ended:\n{log.read_text()}")
    return process


def _listens(plan: Plan) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", plan.addresses.web_port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return cast("int", probe.getsockname()[1])


def _cpu_of_family(leader: int) -> float:
    """Processor time of a process and its children, ended ones too: backends leave the session."""
    family = {leader}
    # Children come after their parents.
    for process in sorted(all_processes(), key=lambda process: process.started_ticks):
        if process.parent in family:
            family.add(process.pid)
    ticks = 0
    for pid in family:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        user, system, waited_user, waited_system = stat.rpartition(")")[2].split()[11:15]
        ticks += int(user) + int(system) + int(waited_user) + int(waited_system)
    return ticks / TICKS_PER_SECOND


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0

"""The product's own workers beside the stage, started with the command of `make run`."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from redis import Redis
from rq import Queue, Worker

from app.config import Settings
from app.embedded import BASE_ENV
from app.jobs import QUEUES
from app.run.plan import ROOT
from app.run.processes import end, spawn, wait_until
from tests.killed_close import registered

PATIENCE_SECONDS: Final = 120


def environment(settings: Settings, home: Path, **more: str) -> dict[str, str]:
    """What a process of this installation gets. Mails go nowhere unless SMTP_PORT says so."""
    return (
        BASE_ENV
        | {
            "SECRET_KEY": settings.secret_key,
            "DATABASE_URL": settings.database_url,
            "OWNER_DATABASE_URL": settings.owner_database_url,
            "REDIS_URL": settings.redis_url,
            "PUBLIC_URL": settings.public_url,
            "MOLLIE_API_KEY": settings.mollie_api_key,
            "MOLLIE_API_URL": settings.mollie_api_url,
            "MOLLIE_WEBHOOK_URL": settings.mollie_webhook_url,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": "1",
            "TEGOED_HOME": str(home),
            "LOG_FORMAT": "text",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        | more
    )


def start(
    commands: Sequence[Sequence[str]], environ: Mapping[str, str], home: Path
) -> list[subprocess.Popen[bytes]]:
    """Python modules with their arguments, each writing to a log of its name in `home`."""
    running = []
    for command in commands:
        with (home / f"{command[0]}.log").open("ab") as output:
            running.append(spawn([sys.executable, "-m", *command], env=environ, output=output, cwd=ROOT))
    return running


@contextmanager
def workers(settings: Settings, *queues: Sequence[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A worker per sequence of queues, each of them waiting for work when this is entered."""
    home = Path(tempfile.mkdtemp(prefix="tegoed-bench-workers-"))
    running: list[subprocess.Popen[bytes]] = []
    try:
        running += start([("app.worker", *names) for names in queues], environment(settings, home), home)
        pids = {process.pid for process in running}
        if not wait_until(lambda: pids <= registered(settings), timeout_seconds=PATIENCE_SECONDS):
            sys.exit(f"the workers do not start:\n{(home / 'app.worker.log').read_text()}")
        yield running
    finally:
        for process in running:
            end(process, first=signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)


def wait_until_idle(settings: Settings, running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until these workers have nothing more in hand."""
    pids = {process.pid for process in running}
    with Redis.from_url(settings.redis_url) as redis:

        def are_idle() -> bool:
            mine = [worker for worker in Worker.all(connection=redis) if worker.pid in pids]
            return all(worker.state == "idle" for worker in mine)

        if not wait_until(are_idle, timeout_seconds=PATIENCE_SECONDS):
            sys.exit("the workers do not come to rest")


def forget_jobs(settings: Settings) -> None:
    """Empty all queues."""
    with Redis.from_url(settings.redis_url) as redis:
        redis.delete(*(Queue(name, connection=redis).key for name in QUEUES))

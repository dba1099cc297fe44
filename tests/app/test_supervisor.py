"""The supervisor: what it starts it watches, what it leaves is nothing, and it recovers from being killed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from app.run.home import SERVER_ROOT, Home
from app.run.processes import all_processes, find
from tests.fixtures.outside import ROOT, eventually, free_port


class Service:
    """A small service under the real supervisor."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.output = home.parent / f"{home.name}.output"
        environment = {"PATH": os.environ["PATH"], "TEGOED_HOME": str(home), "PORT": str(self.port)}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.app.small_service"],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def says(self, text: str, times: int = 1) -> "Service":
        def said() -> bool:
            assert self.process.poll() is None or self.said.count(text) >= times, self.said
            return self.said.count(text) >= times

        eventually(said, timeout_seconds=40)
        return self

    def started(self, times: int = 1) -> "Service":
        return self.says("started in", times)

    def pid(self, name: str) -> int:
        children = json.loads((self.home / "children.json").read_text())["children"]
        return int(children[name][0])

    def session(self, name: str) -> list[int]:
        return [process.pid for process in all_processes() if process.session == self.pid(name)]

    def postmaster(self) -> int:
        return next(
            process.pid
            for process in all_processes()
            if process.parent == self.process.pid and _is_postgres(process.pid)
        )

    def environment(self) -> dict[str, str]:
        words = Path(f"/proc/{self.pid('web')}/environ").read_text().split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts small services, and ends those that still run afterwards."""
    services: list[Service] = []

    def start(name: str = "home", *, port_taken: bool = False) -> Service:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            if port_taken:
                other.listen()
                services.append(Service(tmp_path / name, other.getsockname()[1]))
                services[-1].process.wait(20)
            else:
                services.append(Service(tmp_path / name, free_port()))
        return services[-1]

    yield start
    for service in services:
        service.stop()
        if os.geteuid() == 0:
            # As root PostgreSQL's data lies where its account may go.
            shutil.rmtree(SERVER_ROOT / Home.at(service.home).digest, ignore_errors=True)


def _is_postgres(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/postgres")


def _belonging_to(home: Path) -> list[str]:
    """Command lines of everything that knows of this home."""
    found = []
    for process in all_processes():
        try:
            facts = Path(f"/proc/{process.pid}/environ").read_bytes()
            facts += Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in facts:
            found.append(f"{process.pid} {facts[:80]!r}")
    return found


Begin = Callable[..., Service]


def test_a_service_runs_until_it_is_told_to_stop_and_leaves_nothing(begin: Begin) -> None:
    service = begin().started()
    listed = json.loads((service.home / "demo.json").read_text())
    assert listed["url"] == f"http://127.0.0.1:{service.port}"
    assert listed["api_key"] == "key"
    assert listed["customers"] == [{"reference": "a", "email": "a@b.nl", "password": "p"}]
    assert (service.home / "demo.json").stat().st_mode & 0o077 == 0
    service.says("feeder is done")
    postmaster, children = service.postmaster(), service.session("web")
    assert len(children) == 2
    assert service.stop(signal.SIGINT) == 0
    assert [pid for pid in [postmaster, *children] if find(pid)] == []
    assert _belonging_to(service.home) == []
    assert not (service.home / "lock").exists()


def test_a_second_start_on_the_same_data_says_so_and_stops(begin: Begin) -> None:
    first = begin().started()
    second = Service(first.home, free_port())
    assert second.process.wait(20) == 1
    assert f"already runs on {first.home}" in second.said
    assert f"http://127.0.0.1:{first.port}" in second.said
    assert first.process.poll() is None


def test_two_homes_live_side_by_side(begin: Begin) -> None:
    one, two = begin("one"), begin("two")
    one.started()
    two.started()
    assert one.environment()["DATABASE_URL"] != two.environment()["DATABASE_URL"]
    assert one.environment()["SECRET_KEY"] != two.environment()["SECRET_KEY"]


def test_a_child_that_is_killed_is_reported_and_started_again_and_its_own_children_end(begin: Begin) -> None:
    service = begin().started()
    before = service.session("web")
    os.kill(service.pid("web"), signal.SIGKILL)
    service.says("web was ended by SIGKILL").says("web starts again in")
    eventually(lambda: len(service.session("web")) == 2 and service.pid("web") not in before)
    assert [pid for pid in before if find(pid)] == []


def ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process ignores this signal by now: a moment after its start it does not yet."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_after_a_kill_of_the_supervisor_nothing_stays_and_the_data_is_there_again(begin: Begin) -> None:
    service = begin().started()
    with psycopg.connect(service.environment()["OWNER_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with redis.Redis.from_url(service.environment()["REDIS_URL"]) as cache:
        cache.set("kept", "yes")
    deaf, polite = service.pid("worker-1"), service.pid("web")
    eventually(lambda: ignores(deaf, signal.SIGTERM))
    service.process.kill()
    service.process.wait()
    eventually(lambda: find(polite) is None)
    assert find(deaf) is not None  # it ignores the signal its parent's death sends
    again = begin().started(times=2)
    assert "ended worker-1, left over from a run that was killed" in again.said
    assert find(deaf) is None
    with psycopg.connect(again.environment()["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]
    with redis.Redis.from_url(again.environment()["REDIS_URL"]) as cache:
        assert cache.get("kept") == b"yes"
    assert (again.home / "loads").read_text() == "x"


def test_a_killed_database_is_reported_and_comes_back_with_its_data(begin: Begin) -> None:
    service = begin().started()
    with psycopg.connect(service.environment()["OWNER_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(service.postmaster(), signal.SIGKILL)
    service.says("postgres was ended by SIGKILL").says("postgres runs again")
    with psycopg.connect(service.environment()["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]


def test_a_redis_that_cannot_read_its_data_starts_empty_and_says_so(begin: Begin) -> None:
    service = begin().started()
    service.stop()
    for file in (service.home / "redis").rglob("*aof*"):
        if file.is_file():
            file.write_bytes(b"*1\r\n$garbage" * 10)
    again = begin().started(times=2)
    assert "is set aside in" in again.said
    with redis.Redis.from_url(again.environment()["REDIS_URL"]) as cache:
        assert cache.ping()


def test_a_taken_port_is_named(begin: Begin) -> None:
    service = begin(port_taken=True)
    assert service.process.wait(20) == 1
    assert f"port {service.port} is taken" in service.said
    assert _belonging_to(service.home) == []

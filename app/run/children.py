"""The stateless children: started, watched, started again with growing pauses, ended whole."""

import http.client
import subprocess
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from app.run.console import fresh_log, report_end, say, show_important
from app.run.home import Home
from app.run.plan import ROOT, Child
from app.run.processes import end, end_session, spawn

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0


@dataclass
class Running:
    """A child that should be running, and how it fares."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    again_at: float = 0.0
    log_read_to: int = 0


@dataclass
class Children:
    """All stateless children of a home; `environment` is what each of them gets."""

    home: Home
    stop_seconds: float
    environment: dict[str, str] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)

    def begin(self, children: Iterable[Child]) -> None:
        for child in children:
            log = fresh_log(self.home.log(child.name))
            self.running.append(Running(child, log_read_to=log.stat().st_size if log.exists() else 0))
            self._spawn(self.running[-1])

    def check(self) -> None:
        """See who ended, and start again whose pause is over."""
        for running in list(self.running):
            running.log_read_to = show_important(
                running.child.name, self.home.log(running.child.name), running.log_read_to
            )
            if running.process is None:
                if time.monotonic() >= running.again_at:
                    self._spawn(running)
            elif running.process.poll() is not None:
                self._note_end(running, running.process)

    def all_ready(self) -> bool:
        """Whether every child that has an address answers there."""
        return all(answers(r.child.answers_at) for r in self.running if r.child.answers_at)

    def stop(self, names: Collection[str] | None = None) -> None:
        """End these children (all when none are named), at once and with what they started."""
        chosen = [r for r in self.running if names is None or r.child.name in names]
        processes = [r.process for r in chosen if r.process is not None]
        self.running = [r for r in self.running if r not in chosen]
        for process in processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + self.stop_seconds
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
            end(process)

    def _spawn(self, running: Running) -> None:
        name = running.child.name
        with self.home.log(name).open("ab") as output:
            running.process = spawn(running.child.command, env=self.environment, output=output, cwd=ROOT)
        running.began = time.monotonic()
        self.home.note_child(name, running.process.pid)

    def _note_end(self, running: Running, process: subprocess.Popen[bytes]) -> None:
        name, now = running.child.name, time.monotonic()
        end_session(process.pid)
        if running.child.ends_by_itself and process.returncode == 0:
            say(f"{name} is done")
            self.running.remove(running)
            return
        report_end(name, process.returncode, self.home.log(name))
        running.log_read_to = self.home.log(name).stat().st_size
        if now - running.began > STEADY_SECONDS:
            running.pause_seconds = FIRST_PAUSE_SECONDS
        running.process = None
        running.again_at = now + running.pause_seconds
        say(f"{name} starts again in {running.pause_seconds:g} s")
        running.pause_seconds = min(LONGEST_PAUSE_SECONDS, running.pause_seconds * 2)


def answers(address: str) -> bool:
    """Whether a loopback address answers 200 now."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=2)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_ready(children: Children, pause: Callable[[float], None], *, timeout_seconds: float) -> bool:
    """Whether all children answered in time; `pause` may raise to stop waiting."""
    deadline = time.monotonic() + timeout_seconds
    while not children.all_ready():
        if time.monotonic() > deadline:
            return False
        children.check()
        pause(0.1)
    return True

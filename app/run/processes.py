"""Child processes: started in a session of their own, ended whole, and found again when nobody ended them.

Every child asks the kernel for a signal when its parent dies (`setpriv --pdeathsig`), so a killed supervisor
leaves nothing running. Grandchildren (Granian's workers, an RQ work horse) share the child's session, which
is how they are found when their parent is gone.
"""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Account:
    """An operating-system account to run a child as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> "Account":
        """Raises KeyError when there is no such account."""
        entry = pwd.getpwnam(name)
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @classmethod
    def with_uid(cls, uid: int) -> "Account":
        """Raises KeyError when the uid has no account."""
        entry = pwd.getpwuid(uid)
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True)
class Process:
    """A running process as the kernel shows it; pid and start together never mean another process."""

    pid: int
    parent: int
    session: int
    started_ticks: int


def find(pid: int) -> Process | None:
    """The process with this pid, or None when there is none (a zombie has ended)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command stands in parentheses and may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Process(pid, parent=int(fields[1]), session=int(fields[3]), started_ticks=int(fields[19]))


def all_processes() -> list[Process]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [process for pid in pids if (process := find(pid)) is not None]


def in_session(session: int) -> list[Process]:
    """Everything that runs in the session a child began (its session id is the child's pid)."""
    return [process for process in all_processes() if process.session == session]


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    output: IO[bytes] | int,
    errors: IO[bytes] | int = subprocess.STDOUT,
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own that gets `death_signal` when we die, however we die.

    Call it from the main thread: the kernel watches the thread that forked.
    """
    launcher = ["setpriv", "--pdeathsig", death_signal.name.removeprefix("SIG")]
    if account is not None and account.uid != os.geteuid():
        launcher += ["--reuid", str(account.uid), "--regid", str(account.gid), "--init-groups"]
    return subprocess.Popen(  # noqa: S603 -- our own programs, no shell
        [*launcher, "--", *command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
    )


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end(
    child: subprocess.Popen[bytes],
    *,
    first: signal.Signals = signal.SIGTERM,
    timeout_seconds: float = 10,
) -> None:
    """End a child and whatever it left in its session: politely first, then for good."""
    if child.poll() is None:
        child.send_signal(first)
        try:
            child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    end_session(child.pid)


def end_session(session: int, *, timeout_seconds: float = 2) -> list[Process]:
    """End what a dead child left behind in its session; answers what that was."""
    left = in_session(session)
    end_processes(left, timeout_seconds=timeout_seconds)
    return left


def end_processes(
    processes: Sequence[Process],
    *,
    first: signal.Signals = signal.SIGTERM,
    timeout_seconds: float = 10,
) -> None:
    """End processes that are not our children (orphans of an earlier run)."""

    def alive() -> list[Process]:
        return [process for process in processes if _same(process)]

    for process in alive():
        send(process.pid, first)
    if not wait_until(lambda: not alive(), timeout_seconds=timeout_seconds):
        for process in alive():
            send(process.pid, signal.SIGKILL)
        wait_until(lambda: not alive(), timeout_seconds=5)


def _same(process: Process) -> bool:
    """Whether the pid still names that process: its parent may have changed, its start never does."""
    now = find(process.pid)
    return now is not None and now.started_ticks == process.started_ticks

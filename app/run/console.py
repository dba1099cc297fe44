"""What the person at the terminal sees: what happened, in short lines, and the log's end that says why."""

import re
import signal
import sys
import time
from pathlib import Path
from typing import Final

IMPORTANT: Final = re.compile(r"\b(error|critical|fatal|panic)\b|^Traceback", re.IGNORECASE)
LOG_LIMIT_BYTES: Final = 10_000_000
TAIL_LINES: Final = 12
SHOWN_AT_ONCE: Final = 5


def say(text: str) -> None:
    """A line with the time in front. A closed terminal is no reason to fall over."""
    try:
        sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
        sys.stdout.flush()
    except (BrokenPipeError, OSError):
        return


def report_end(name: str, code: int | None, log: Path) -> None:
    """Say how a child ended and show what it said last."""
    ended = f"was ended by {_signal_name(-code)}" if code is not None and code < 0 else f"ended with {code}"
    say(f"{name} {ended}; {log} ends with:")
    for line in tail(log):
        say(f"  {line}")


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def show_important(name: str, log: Path, read_from: int) -> int:
    """Show what is important in the log since `read_from`; answers where to read on."""
    size = log.stat().st_size if log.exists() else 0
    if size <= read_from:
        return size
    with log.open("rb") as file:
        file.seek(read_from)
        fresh = file.read(200_000)
    found = [line for line in fresh.decode(errors="replace").splitlines() if IMPORTANT.search(line)]
    for line in found[:SHOWN_AT_ONCE]:
        say(f"{name}: {line.strip()[:300]}")
    if len(found) > SHOWN_AT_ONCE:
        say(f"{name}: … {len(found) - SHOWN_AT_ONCE} more such lines in {log}")
    return read_from + len(fresh)


def fresh_log(log: Path) -> Path:
    """The log to append to; a long one is first moved to `….1`."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    return log


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

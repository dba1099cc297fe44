"""The load generators: wrk with the scripts beside this module, and pgbench; what they saw, as values."""

import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.stage import CUSTOMERS, Stage

HERE: Final = Path(__file__).parent
CORES: Final = os.cpu_count() or 1


class LoadFailedError(RuntimeError):
    """A load generator did not run, or some of its requests were refused."""


@dataclass(frozen=True)
class Seen:
    """What a load generator saw, and who used the processors meanwhile (shares of all cores)."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu: dict[str, float]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def send_events(
    stage: Stage,
    tag: str,
    *,
    size: int,
    connections: int,
    seconds: float,
    customers: int = CUSTOMERS,
    pause_ms: float = 0,
) -> Seen:
    """Events over HTTP, every one of them new; fails when one was not recorded."""
    before = _count(stage)
    seen = _wrk(
        stage,
        "events.lua",
        connections,
        seconds,
        {"tag": tag, "size": size, "customers": customers, "pause": pause_ms},
    )
    recorded = _count(stage) - before
    # More is no fault: requests that were under way when a load ended are recorded too, unanswered.
    if recorded < seen.requests * size:
        raise LoadFailedError(f"{seen.requests} requests of {size}, but {recorded} events were recorded")
    return seen


def read(stage: Stage, path: str, *, connections: int, seconds: float, customers: int = 0) -> Seen:
    """GETs of a path; `%s` in it becomes a customer's reference."""
    return _wrk(stage, "reads.lua", connections, seconds, {"path": path, "customers": customers})


def _count(stage: Stage) -> int:
    """Events recorded, once the last requests of an earlier load have been too."""
    with stage.connect() as connection:
        counts = [-1]
        while True:
            row = connection.execute("SELECT sum(events + late_events)::bigint FROM usage_total").fetchone()
            counts.append((row[0] or 0) if row else 0)
            if counts[-1] == counts[-2]:
                return counts[-1]
            time.sleep(0.4)


def _wrk(
    stage: Stage, script: str, connections: int, seconds: float, options: dict[str, str | int | float]
) -> Seen:
    arguments = [f"{name}={value}" for name, value in (options | {"key": stage.api_key}).items()]
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    command += ["--timeout", "30s", "--script", str(HERE / script), stage.url, "--", *arguments]
    before, began = stage.cpu_seconds(), time.monotonic()
    wrk_before = _children_cpu()
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    elapsed, after = time.monotonic() - began, stage.cpu_seconds()
    found = re.search(r"RESULT (\{.*\})", ran.stdout)
    if found is None:
        raise LoadFailedError(f"wrk: {ran.stdout}{ran.stderr}")
    result = json.loads(found[1])
    if result["failed"]:
        raise LoadFailedError(f"{result['failed']} of {result['requests']} requests failed")
    shares = {part: (after[part] - before[part]) / elapsed / CORES for part in after}
    shares["wrk"] = (_children_cpu() - wrk_before) / elapsed / CORES
    return Seen(result["requests"], result["seconds"], result["p50_ms"], result["p99_ms"], shares)


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def pgbench(stage: Stage, script: str, *, seconds: float, clients: int = 32) -> float:
    """Transactions per second of a script over 32 connections; statements are prepared."""
    program = stage.postgres.binaries / "bin" / "pgbench"
    command = [str(program), "--no-vacuum", "--protocol", "prepared", "--client", str(clients)]
    command += ["--jobs", "2", "--time", f"{seconds:.0f}", "--file", str(HERE / script)]
    ran = subprocess.run(
        [*command, stage.settings.owner_database_url], capture_output=True, text=True, check=False
    )
    found = re.search(r"tps = ([0-9.]+)", ran.stdout)
    if found is None or "failed transactions: 0 " not in ran.stdout:
        raise LoadFailedError(f"pgbench: {ran.stdout}{ran.stderr}")
    return float(found[1])

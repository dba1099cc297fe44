"""`make bench`: the benchmarks beside their yardsticks, in one run. Prints a table, writes var/bench.json.

About ten minutes. `STORED=n` says how many events are stored for metering's last row (1,000,000; `FULL=1`:
20,000,000), `CUSTOMERS=n` for how many customers a month is closed (20,000), `ONLY=batches,close` runs less
(PARTS lists them all), `SECONDS` makes each load longer.
"""

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tests.bench import rows as bench
from tests.bench.charge_latency import charge_latency
from tests.bench.closing import close_month, close_ten_times_the_events
from tests.bench.killed import killed
from tests.bench.pages import pages
from tests.bench.papers import pdfs, ubl
from tests.bench.profile import profile_batches
from tests.bench.rows import Row
from tests.bench.stage import Stage, stage

METERING: Final = ("batches", "singles", "one", "reads", "half", "latency", "stored", "profile")
PAGES: Final = ("pages",)
MONTH: Final = ("killed", "close", "close_events", "pdf", "ubl")
PARTS: Final = METERING + PAGES + MONTH
PAGE_EVENTS: Final = 2_000_000
FULL_EVENTS: Final = 20_000_000
DEFAULT_EVENTS: Final = 1_000_000
DEFAULT_CUSTOMERS: Final = 20_000
KILLED_CUSTOMERS: Final = 1_000
PRINTED: Final = 1_000


@dataclass(frozen=True)
class Options:
    """What to run, from the environment."""

    parts: tuple[str, ...]
    seconds: float
    stored_events: int
    customers: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        default = FULL_EVENTS if environ.get("FULL") == "1" else DEFAULT_EVENTS
        parts = tuple(part for part in environ.get("ONLY", "").split(",") if part) or PARTS
        unknown = set(parts) - set(PARTS)
        if unknown:
            sys.exit(f"ONLY: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
        return cls(
            parts,
            float(environ.get("SECONDS", "8")),
            int(environ.get("STORED", default)),
            int(environ.get("CUSTOMERS", DEFAULT_CUSTOMERS)),
        )


def main() -> None:
    """Run what was asked for."""
    options = Options.read(os.environ)
    for program in ("wrk", "setpriv"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: `apt-get install wrk util-linux`, or `make bench`")
    began = time.monotonic()
    load_before = os.getloadavg()[0]
    with stage() as running:
        rows, profile = _measure(running, options)
        memory = running.peak_memory_mb()
    facts = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "load_before": load_before},
        "seconds": round(time.monotonic() - began),
        "web_peak_memory_mb": round(memory, 1),
        "profile_ms_per_batch": {step: round(ms, 2) for step, ms in profile.items()},
        "rows": json.loads(bench.as_json(rows)),
    }
    home = Path(os.environ.get("TEGOED_HOME") or "var")
    home.mkdir(exist_ok=True)
    (home / "bench.json").write_text(json.dumps(facts, indent=1) + "\n")
    _print_rest(profile, facts)


def _measure(running: Stage, options: Options) -> tuple[list[Row], dict[str, float]]:
    rows = _Rows()
    profile: dict[str, float] = {}
    if set(options.parts) & set(METERING):
        profile = _metering(running, options, rows)
    if "pages" in options.parts:
        rows.extend(pages(running, PAGE_EVENTS))
    if set(options.parts) & set(MONTH):
        with running.app.app_context():
            _month(running, options, rows)
    return rows, profile


def _metering(running: Stage, options: Options, rows: "_Rows") -> dict[str, float]:
    seconds, parts = options.seconds, options.parts
    bench.warm_up(running, seconds)
    batches = single = None
    if "batches" in parts or "stored" in parts:
        found = bench.batches(running, seconds)
        batches = found[0]
        rows.extend(found)
    if "singles" in parts or "half" in parts:
        single = bench.singles(running, seconds, one_customer=False)
        rows.append(single)
    if "one" in parts:
        rows.append(bench.singles(running, seconds, one_customer=True))
    if "half" in parts and single is not None:
        rows.append(bench.half_rate(running, single, seconds))
    if "reads" in parts:
        rows.append(bench.balance_reads(running, seconds / 2))
    if "latency" in parts:
        rows.append(charge_latency(running, seconds))
    if "stored" in parts and batches is not None:
        rows.append(bench.stored(running, options.stored_events, seconds, batches))
    if "profile" not in parts:
        return {}
    with running.app.app_context():
        return profile_batches(running)


def _month(running: Stage, options: Options, rows: "_Rows") -> None:
    parts, customers = set(options.parts), options.customers
    printed = min(PRINTED, customers)
    if "killed" in parts:
        rows.append(killed(running, min(KILLED_CUSTOMERS, customers)))
    if not parts & {"close", "close_events", "pdf", "ubl"}:
        return
    usual, month = close_month(running, customers)
    rows.append(usual)
    if "close_events" in parts:
        rows.append(close_ten_times_the_events(running, usual, customers))
    if "pdf" in parts:
        rows.extend(pdfs(running, month, printed))
    if "ubl" in parts:
        rows.extend(ubl(running, month, printed))


class _Rows(list[Row]):
    """The table, each row shown as soon as it is measured."""

    def __init__(self) -> None:
        super().__init__()
        _say(f"{'benchmark':<62}{'value':>10}  {'yardstick':>10}{'ratio':>7}{'reach':>7}{'p99 ms':>8}  cores")

    def append(self, row: Row) -> None:
        """Show it and keep it."""
        super().append(row)
        yard = "" if row.yardstick is None else f"{row.yardstick:,.{0 if row.yardstick >= 100 else 1}f}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        reach = "" if row.reach is None else f"{row.reach:.2f}"
        shares = " ".join(f"{part} {share:.0%}" for part, share in row.notes["share_of_cores"].items())
        each = row.notes.get("cpu_ms_each", {})
        shares += "".join(f", {part} {spent:.2f} ms each" for part, spent in each.items() if spent)
        p99 = f"{row.notes['p99_ms']:.1f}" if "p99_ms" in row.notes else ""
        value = f"{row.value:,.1f}" if row.unit in {"ms", "s", "PDF/s"} else f"{row.value:,.0f}"
        name = f"{row.name} ({row.unit})"
        _say(f"{name:<62}{value:>10}  {yard:>10}{ratio:>7}{reach:>7}{p99:>8}  {shares}")

    def extend(self, rows: Iterable[Row]) -> None:
        """Show them and keep them."""
        for row in rows:
            self.append(row)


def _print_rest(profile: Mapping[str, float], facts: Mapping[str, Any]) -> None:
    _say(f"\npeak memory of a web process: {facts['web_peak_memory_mb']} MB; cores: {os.cpu_count()}")
    if profile:
        _say("a batch of 1,000 events in one process, without HTTP's server, ms:")
        for step, spent in sorted(profile.items(), key=lambda pair: -pair[1]):
            _say(f"  {spent:7.2f}  {step}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

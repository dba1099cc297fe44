"""A whole service in small, for tests of the supervisor: real servers, children that do next to nothing.

`python -m tests.app.small_service`, with TEGOED_HOME and PORT.
"""

import os
import sys
from dataclasses import dataclass

from app import supervisor
from app.run.plan import Child, Plan

# A child with a child of its own, as Granian has.
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
)
LOADED = '{"api_key": "key", "customers": [{"reference": "a", "email": "a@b.nl", "password": "p"}]}'


@dataclass(frozen=True)
class SmallPlan(Plan):
    """Children that end at once or never."""

    stop_seconds: float = 0.5

    def migration(self) -> tuple[str, ...]:
        return (sys.executable, "-c", "import os; assert os.environ['OWNER_DATABASE_URL']")

    def demo_load(self) -> tuple[str, ...]:
        count = f"open({str(self.home / 'loads')!r}, 'a').write('x')"
        return (sys.executable, "-c", f"{count}; print({LOADED!r})")

    def stand_ins(self) -> list[Child]:
        return []

    def product(self) -> list[Child]:
        return [Child("web", (sys.executable, "-c", PARENT))]

    def background(self) -> list[Child]:
        return [
            Child("worker-1", (sys.executable, "-u", "-c", STUBBORN)),
            Child("feeder", (sys.executable, "-c", "print('fed')"), ends_by_itself=True),
        ]


if __name__ == "__main__":
    sys.exit(supervisor.main(dict(os.environ), SmallPlan))

"""`python -m topups.sandbox --port 8010 --state mollie.sqlite [--seed 7]`: runs until SIGINT or SIGTERM."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from topups.sandbox.server import start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m topups.sandbox", description="A local Mollie for tests.")
    parser.add_argument("--port", type=int, default=8010, help="0 takes any free one")
    parser.add_argument("--state", type=Path, help="SQLite file; without one everything is forgotten")
    parser.add_argument("--seed", type=int, default=0, help="of the dice that faults are rolled with")
    arguments = parser.parse_args()
    if arguments.state:
        arguments.state.parent.mkdir(parents=True, exist_ok=True)
    ended = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: ended.set())
    running = start(arguments.port, arguments.state, arguments.seed)
    sys.stdout.write(f"Mollie sandbox on {running.url}\n")
    sys.stdout.flush()
    ended.wait()
    running.stop()


if __name__ == "__main__":
    main()

"""`make run`: the whole of Tegoed in the foreground, as children of this one light process.

What must stay true: whatever ends this process, nothing it started keeps running and no lock stays behind; a
child that ends is seen, reported and started again; without its database or Redis nothing goes on.
"""

import hashlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from app.embedded import EmbeddedServerError
from app.run.children import Children, wait_ready
from app.run.console import report_end, say
from app.run.home import Home, HomeError, port_is_free
from app.run.plan import ROOT, Addresses, Plan
from app.run.processes import end, spawn
from app.run.servers import Servers

TICK_SECONDS: Final = 0.2
READY_SECONDS: Final = 60.0
LOADED: Final = "demo-loaded.json"
MIGRATED: Final = "migrated.json"
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """Ctrl-C, SIGTERM or a lost terminal."""


class StartFailed(RuntimeError):
    """Tegoed cannot run; the message says why."""


class Signals:
    """Turns the signals that end us into an exception at moments of our choosing."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        for number in STOP_SIGNALS:
            # `nohup make run` means to outlive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def pause(self, seconds: float) -> None:
        """Sleep; raises StopRequested when we are asked to end."""
        if self.received is None:
            time.sleep(seconds)
        if self.received is not None:
            raise StopRequested

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = signal.Signals(number)


@dataclass
class Supervisor:
    """Starts, watches and ends the children of one home."""

    home: Home
    plan: Plan
    signals: Signals
    servers: Servers
    children: Children

    def start(self) -> None:
        """Everything up to the addresses."""
        for name in self.home.end_orphans(self.plan.stop_seconds):
            say(f"ended {name}, left over from a run that was killed")
        urls = self.servers.start()
        for notice in self.home.notices:
            say(notice)
        self.children.environment = self.plan.environment(
            secret_key=self.home.secret("secret_key"),
            mollie_api_key="test_" + re.sub(r"[^A-Za-z0-9]", "x", self.home.secret("mollie_api_key"))[:30],
            urls=urls,
        )
        self.children.begin(self.plan.stand_ins())
        self._migrate()
        self._await_children()
        # The demo's past is lived through by the loader alone, before anything runs in the present.
        accounts = self._demo_accounts() if self.plan.has_demo else {}
        self.children.begin(self.plan.product())
        self._await_children()
        self._announce(accounts)
        self.children.begin(self.plan.background())

    def _await_children(self) -> None:
        """Raises StartFailed when one of those begun does not answer."""
        if not wait_ready(self.children, self.signals.pause, timeout_seconds=READY_SECONDS):
            raise StartFailed(f"not everything answers after {READY_SECONDS:g} s; see {self.home.logs}")

    def watch(self) -> None:
        """Keep everything running until a signal comes or a server is lost for good."""
        while True:
            self.servers.check()
            self.children.check()
            self.signals.pause(TICK_SECONDS)

    def stop(self) -> None:
        """End everything, the product first, the database last."""
        self.children.stop(("scheduler", "feeder"))
        self.children.stop()
        self.servers.stop()
        self.home.forget_children()

    def _run_step(self, name: str, command: Sequence[str]) -> str:
        """Run something that ends by itself; answers what it printed. Raises StartFailed."""
        log = self.home.log(name)
        log.write_bytes(b"")
        printed = self.home.logs / f"{name}.out"
        with log.open("ab") as errors, printed.open("wb") as output:
            printed.chmod(0o600)
            step = spawn(command, env=self.children.environment, output=output, errors=errors, cwd=ROOT)
            self.home.note_child(name, step.pid)
            try:
                while step.poll() is None:
                    self.servers.check()
                    self.children.check()
                    self.signals.pause(0.05)
            finally:
                end(step)
        if step.returncode != 0:
            report_end(name, step.returncode, log)
            raise StartFailed(f"{name} did not succeed")
        said = printed.read_text()
        printed.unlink()
        return said

    def _demo_accounts(self) -> dict[str, Any]:
        """The demo sign-ins and API key; loads the demo data when this database has none yet."""
        known: dict[str, Any] | None = self.home.read(LOADED)
        if known is None or self.servers.new:
            say("loading the demo data …")
            said = self._run_step("demo", self.plan.demo_load())
            try:
                known = json.loads(said.strip().splitlines()[-1])
            except (ValueError, IndexError):
                raise StartFailed(f"the demo loader printed no JSON but {said[-200:]!r}") from None
            self.home.write(LOADED, known)
        return known or {}

    def _migrate(self) -> None:
        """Bring the database to this version, unless this home knows that it is there."""
        wanted = _digest_of(ROOT / "app" / "migrations" / "versions")
        revision = self.servers.revision()
        if revision is None or self.home.read(MIGRATED) != [wanted, revision]:
            self._run_step("migrate", self.plan.migration())
            self.home.write(MIGRATED, [wanted, self.servers.revision()])

    def _announce(self, accounts: Mapping[str, Any]) -> None:
        addresses = self.plan.addresses
        listed = {
            "url": self.plan.public_url,
            "sandbox_url": addresses.sandbox_url if self.plan.has_sandbox else None,
            "mail_url": addresses.mail_url if self.plan.catches_mail else None,
            "api_key": accounts.get("api_key"),
            "customers": accounts.get("customers", []),
            "operator": accounts.get("operator"),
        }
        self.home.write("demo.json", listed)
        lines = ["Tegoed runs:", f"  portal    {listed['url']}"]
        if listed["sandbox_url"]:
            lines.append(f"  Mollie    {listed['sandbox_url']}  (sandbox)")
        if listed["mail_url"]:
            lines.append(f"  mail      {listed['mail_url']}")
        people = [(person["reference"], person) for person in listed["customers"]]
        people += [("the provider", listed["operator"])] if listed["operator"] else []
        lines += [f"  sign in   {p['email']}  {p['password']}  ({who})" for who, p in people]
        lines += [f"  details   {self.home.path / 'demo.json'}   logs {self.home.logs}", "Ctrl-C stops it."]
        say("\n          ".join(lines))


def main(environ: Mapping[str, str], make_plan: Callable[..., Plan] = Plan) -> int:
    """Run until told to stop; 0 after a clean stop, 1 when Tegoed could not run."""
    began = time.monotonic()
    signals = Signals()
    home = Home.at(Path(environ.get("TEGOED_HOME") or "var"))
    try:
        port = _web_port(environ)
        home.lock(f"process {os.getpid()}, http://127.0.0.1:{port}")
    except HomeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    supervisor: Supervisor | None = None
    code = 1
    try:
        plan = make_plan(environ, home.path, _addresses(home, port))
        supervisor = Supervisor(home, plan, signals, Servers(home, plan), Children(home, plan.stop_seconds))
        supervisor.start()
        say(f"started in {time.monotonic() - began:.1f} s")
        supervisor.watch()
    except StopRequested:
        code = 0
        say(f"{signals.received.name if signals.received else 'stop'}: stopping")
    except (StartFailed, EmbeddedServerError, HomeError) as error:
        say(f"Tegoed stops: {error}")
    finally:
        if supervisor is not None:
            supervisor.stop()
        home.unlock()
    say("stopped")
    return code


def _digest_of(directory: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(directory.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _addresses(home: Home, port: int) -> Addresses:
    if not port_is_free(port):
        raise StartFailed(f"port {port} is taken by another program: choose one with PORT=8001 make run")
    return Addresses(port, home.port("sandbox"), home.port("mail"), home.port("smtp"))


def _web_port(environ: Mapping[str, str]) -> int:
    text = environ.get("PORT") or "8000"
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise HomeError(f"PORT must be a number from 1 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    # The one process that is not configured by Settings: it makes the environment that Settings reads.
    sys.exit(main(dict(os.environ)))

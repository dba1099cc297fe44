"""What runs: the child processes of a whole Tegoed, in the order they start, and the environment they get.

What the caller's environment already names (DATABASE_URL, REDIS_URL, MOLLIE_*, SMTP_*) is used as given, and
the embedded stand-in for it is not started.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.demo.cast import PROVIDER_ENVIRONMENT

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Child:
    """A stateless process: started again with growing pauses whenever it ends."""

    name: str
    command: tuple[str, ...]
    answers_at: str = ""  # an address that answers 200 once it is ready
    ends_by_itself: bool = False  # exit 0 means done, not gone

    @classmethod
    def python(
        cls, name: str, *arguments: str, answers_at: str = "", ends_by_itself: bool = False
    ) -> "Child":
        return cls(name, (sys.executable, "-m", *arguments), answers_at, ends_by_itself)


@dataclass(frozen=True)
class Addresses:
    """Where everything listens, all of it on 127.0.0.1."""

    web_port: int
    sandbox_port: int
    mail_port: int
    smtp_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def mail_url(self) -> str:
        return f"http://127.0.0.1:{self.mail_port}"


@dataclass(frozen=True)
class Plan:
    """Which parts run, decided from the caller's environment alone."""

    given: Mapping[str, str]
    home: Path
    addresses: Addresses
    stop_seconds: float = 10.0  # how long a child may take to end by itself
    web_workers: int = field(default_factory=lambda: max(2, min(8, os.cpu_count() or 2)))

    @property
    def embeds_postgres(self) -> bool:
        return not self.given.get("DATABASE_URL")

    @property
    def embeds_redis(self) -> bool:
        return not self.given.get("REDIS_URL")

    @property
    def has_sandbox(self) -> bool:
        return not self.given.get("MOLLIE_API_KEY") and not self.given.get("MOLLIE_API_URL")

    @property
    def catches_mail(self) -> bool:
        return not self.given.get("SMTP_HOST")

    @property
    def has_demo(self) -> bool:
        """Demo data needs the sandbox: demo customers are never charged at a real Mollie."""
        return (
            self.given.get("TEGOED_DEMO", "1").lower() not in ("0", "false", "no", "off") and self.has_sandbox
        )

    @property
    def public_url(self) -> str:
        return self.given.get("PUBLIC_URL") or self.addresses.url

    def environment(self, *, secret_key: str, mollie_api_key: str, urls: Mapping[str, str]) -> dict[str, str]:
        """The environment of every child: ours, with the caller's own values on top."""
        ours = {
            "SECRET_KEY": secret_key,
            "PUBLIC_URL": self.addresses.url,
            "LOG_FORMAT": "text",
            "PYTHONUNBUFFERED": "1",
            **urls,
        }
        if self.has_demo:
            ours |= PROVIDER_ENVIRONMENT
        if self.has_sandbox:
            ours |= {"MOLLIE_API_KEY": mollie_api_key, "MOLLIE_API_URL": self.addresses.sandbox_url}
            # Whatever the customers' address is, the sandbox stands beside us and calls only loopback.
            ours["MOLLIE_WEBHOOK_URL"] = self.addresses.url
            # Mollie's client would send loopback calls to a proxy.
            ours |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        if self.catches_mail:
            ours |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.addresses.smtp_port)}
        given = {name: value for name, value in self.given.items() if value != ""}
        always = {"TEGOED_HOME": str(self.home), "TEGOED_DEMO": "1" if self.has_demo else "0"}
        return ours | given | always

    def migration(self) -> tuple[str, ...]:
        """The command that brings the database to this version."""
        return (sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade")

    def demo_load(self) -> tuple[str, ...]:
        """The command that loads the demo data once; its last line is JSON: api_key, customers, operator."""
        return (sys.executable, "-m", "app.demo", "load")

    def stand_ins(self) -> list[Child]:
        """The world around the product: a local Mollie, a mailbox."""
        children = []
        if self.has_sandbox:
            port, state = str(self.addresses.sandbox_port), str(self.home / "sandbox.json")
            children.append(Child.python("sandbox", "topups.sandbox", "--port", port, "--state", state))
        if self.catches_mail:
            children.append(
                Child.python(
                    "mail",
                    "app.mail_catcher",
                    *("--smtp-port", str(self.addresses.smtp_port)),
                    *("--http-port", str(self.addresses.mail_port)),
                    *("--store", str(self.home / "mail")),
                    answers_at=f"{self.addresses.mail_url}/messages.json",
                )
            )
        return children

    def product(self) -> list[Child]:
        """What answers people and programs."""
        workers = self.given.get("WEB_WORKERS") or str(self.web_workers)
        threads = self.given.get("WEB_THREADS") or "16"
        web = Child.python(
            "web",
            "granian",
            *("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.addresses.web_port)),
            *("--workers", workers, "--blocking-threads", threads, "--no-ws", "--respawn-failed-workers"),
            *("--workers-kill-timeout", "5", "--log-level", "warning", "wsgi:application"),
            answers_at=f"{self.addresses.url}/readyz",
        )
        return [web]

    def background(self) -> list[Child]:
        """What works unseen. The second worker takes no bulk work: a month close holds up no payment."""
        children = [
            Child.python("worker-1", "app.worker", "urgent", "default", "bulk"),
            Child.python("worker-2", "app.worker", "urgent", "default"),
            Child.python("scheduler", "app.scheduler"),
        ]
        if self.has_demo:
            children.append(Child.python("feeder", "app.demo", "feed", ends_by_itself=True))
        return children

"""A close whose workers are killed five times at random moments, with real mail, and resumed."""

import os
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Final

from aiosmtpd.controller import Controller
from sqlalchemy import select

from app import clock
from app.customers.models import Customer
from app.db import db
from tests.bench.month import check_ledger, write_month
from tests.bench.rows import Row
from tests.bench.stage import Stage, free_port
from tests.bench.workers import environment, forget_jobs
from tests.fixtures.outside import Mailbox
from tests.killed_close import KilledClose, Seen, wrongly_mailed

FIRST_ID: Final = 900_000
# The close itself takes about a second, printing and mailing the rest.
PAUSES_SECONDS: Final = [0.2, 0.5, 4.0, 6.0, 8.0]


def killed(stage: Stage, customers: int) -> Row:
    """Documents that are there in the end, each once, beside the customers that must have one."""
    month = write_month(stage, "killed", first=FIRST_ID, count=customers)
    seed = int.from_bytes(os.urandom(4))
    moments = Random(seed)  # noqa: S311 -- no secret
    mailbox = Mailbox(free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        with tempfile.TemporaryDirectory(prefix="tegoed-bench-killed-") as name:
            home = Path(name)
            environ = environment(stage.settings, home, SMTP_PORT=str(mailbox.port))
            story = KilledClose(stage.settings, environ, home / "workers.log", moments)
            *after_kills, last = story.run(month.start, PAUSES_SECONDS)
    finally:
        controller.stop()
        clock.travel_back()
        forget_jobs(stage.settings)
    check_ledger()
    wrong = _wrong(after_kills, last, mailbox, list(month.customers))
    if wrong:
        sys.exit(f"killed with seed {seed}: {wrong[:10]}")
    at_kills = [f"{len(seen.invoices)} issued, {len(seen.mails)} mails" for seen in after_kills]
    notes = {"share_of_cores": {}, "seed": seed, "at_kills": at_kills, "messages": len(mailbox.messages)}
    return Row(
        "close killed five times: documents, each once / customers",
        "documents",
        len(last.invoices),
        customers,
        1,
        notes,
    )


def _wrong(after_kills: list[Seen], last: Seen, mailbox: Mailbox, customers: list[int]) -> list[str]:
    """What is missing, changed, numbered with a gap, or there twice."""
    wrong = [f"changed: {what}" for seen in after_kills for what in seen.changed_in(last)]
    year = min(last.invoices)[:5]
    numbers = [f"{year}-{position:06d}" for position in range(1, len(customers) + 1)]
    if sorted(last.invoices) != numbers:
        wrong.append(f"numbers: {len(last.invoices)} from {min(last.invoices)} to {max(last.invoices)}")
    if sorted(facts[0] for facts in last.invoices.values()) != customers:
        wrong.append("not one invoice per customer")
    if len(last.files) != 2 * len(customers) or len(last.mails) != len(customers):
        wrong.append(f"{len(last.files)} files, {len(last.mails)} mails")
    addresses = db.session.scalars(select(Customer.email).where(Customer.customer_id.in_(customers)))
    wrong += wrongly_mailed(mailbox.messages, list(addresses))
    return wrong

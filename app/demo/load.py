"""One load of the demo data: whole, or begun again on an emptied database.

Before the first row a note is left in the home, with the database's own identity; it goes when all is there.
A start that finds the note and this very database, holding nobody but the demo's customers, says so, empties
it and begins again. A database that holds anybody else is never touched.
"""

import json
import time
from typing import Any, Final

from flask import Flask
from flask_migrate import upgrade
from rq import Queue
from rq.job import Job
from sqlalchemy import create_engine, text

from app import clock
from app.config import Settings
from app.customers import service as customers
from app.customers.auth import create_api_key, forget_api_keys
from app.db import db, driver_url, in_transaction, unit_of_work
from app.demo.cast import CUSTOMERS, accounts
from app.demo.client import api_client
from app.demo.play import Player
from app.demo.stage import Stage, StageError, say, stage
from app.demo.story import Story, story

NOTE: Final = "demo-loading.json"
FED: Final = "demo-feed.json"


def load(app: Flask, settings: Settings, told: Story | None = None) -> dict[str, Any]:
    """Load the demo data; the accounts in the shape of `demo.json`, {} where the database is in use.

    In the application's context. Raises StageError, StoryFailed.
    """
    if not settings.demo:
        raise StageError("demo data is only loaded with TEGOED_DEMO=1")
    references = {customer.reference for customer in customers.list_customers()}
    ours = {customer.reference for customer in CUSTOMERS}
    if _was_cut_short(settings) and references <= ours:
        say("An earlier load of the demo data was cut short: beginning again on an emptied database.")
        _empty(app, settings)
    elif references >= ours:
        say("This database holds the demo data already: only a new API key is made.")
        return accounts(_new_api_key())
    elif references:
        say("This database holds customers already: no demo data is loaded.")
        return {}
    _leave_note(settings)
    with stage(app, settings) as ready:
        answer = _play(ready, told or story(clock.utc_now(), settings.timezone))
    _note(settings).unlink()
    return answer


def _play(ready: Stage, told: Story) -> dict[str, Any]:
    began = time.monotonic()
    ready.sandbox.post("/_sandbox/reset", {})
    (ready.settings.home / FED).unlink(missing_ok=True)
    key = _new_api_key()
    player = Player(ready, api_client(ready.settings.webhook_base_url, key), told)
    player.prologue()
    player.play()
    player.epilogue()
    for failure in ready.failures:
        say(f"will be tried again: {failure}")
    events = sum(player.done.values())
    say(f"{events} events, {len(told.acts)} steps in {time.monotonic() - began:.1f} s")
    return accounts(key)


def _new_api_key() -> str:
    with unit_of_work():
        return create_api_key("Demo")[1]


def _note(settings: Settings) -> Any:
    return settings.home / NOTE


def _identity() -> str:
    """The database itself, not its address: another one at the same address is another one."""
    row = db.session.execute(
        text(
            "SELECT system_identifier, oid FROM pg_control_system(), pg_database "
            "WHERE datname = current_database()"
        )
    ).one()
    db.session.rollback()
    return f"{row.system_identifier}/{row.oid}"


def _leave_note(settings: Settings) -> None:
    _note(settings).write_text(json.dumps({"database": _identity()}))


def _was_cut_short(settings: Settings) -> bool:
    try:
        noted = json.loads(_note(settings).read_text())
    except FileNotFoundError:
        return False
    except ValueError:
        return False
    return bool(noted.get("database") == _identity())


def _empty(app: Flask, settings: Settings) -> None:
    """Drop every table and migrate anew, as the database's owner; forget what waits in the queues."""
    if in_transaction():
        raise RuntimeError("a database is not emptied inside a unit of work")
    db.session.remove()
    db.engine.dispose()
    owner = create_engine(driver_url(settings.owner_database_url))
    with owner.begin() as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        sequences = connection.scalars(
            text("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
        ).all()
        quote = connection.dialect.identifier_preparer.quote
        for table in tables:
            connection.execute(text(f"DROP TABLE IF EXISTS public.{quote(table)} CASCADE"))
        for sequence in sequences:
            connection.execute(text(f"DROP SEQUENCE IF EXISTS public.{quote(sequence)} CASCADE"))
    owner.dispose()
    upgrade()
    customers.forget_references()
    forget_api_keys()
    for queue in app.extensions["queues"].values():
        _empty_queue(queue)


def _empty_queue(queue: Queue) -> None:
    """Forget the jobs that wait, will be retried, failed, or were at work when their worker was killed."""
    queue.empty()  # type: ignore[no-untyped-call]  # RQ leaves it untyped
    for registry in (queue.scheduled_job_registry, queue.failed_job_registry, queue.started_job_registry):
        for job_id in registry.get_job_ids(cleanup=False):
            queue.connection.delete(Job.key_for(job_id))
        queue.connection.delete(registry.key)

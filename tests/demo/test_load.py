"""A load is whole or begins again, and touches nobody else's data."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from rq import Queue, SimpleWorker
from rq.job import Job

from app.clock import utc_now
from app.config import Settings
from app.customers import service as customers
from app.customers.sign_in import find_user
from app.db import unit_of_work
from app.demo.__main__ import main
from app.demo.cast import OPERATOR
from app.demo.load import NOTE, load
from app.demo.stage import StageError
from app.demo.story import Act, Story
from app.jobs import enqueue, queue_named
from app.ledger.accounts import open_account
from tests.demo.conftest import ShortStory
from tests.fixtures.product import LiveApp

pytestmark = pytest.mark.usefixtures("sandbox", "smtp")

ACME = {"reference": "acme", "name": "Acme", "email": "acme@example.com"}


@dataclass(frozen=True, kw_only=True)
class Thunder(Act):
    """Nobody knows how to play this: the load dies here."""


def die_half_way(app: Flask, settings: Settings, told: Story) -> None:
    with pytest.raises(AssertionError, match="Thunder"):
        load(app, settings, told)


def references() -> set[str]:
    return {customer.reference for customer in customers.list_customers()}


def test_a_load_that_died_half_way_says_so_and_begins_again(
    app: Flask,
    demo_settings: Settings,
    short_story: ShortStory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    die_half_way(app, demo_settings, short_story(Thunder(at=utc_now())))
    assert references() == {"grachtwerk", "maya-okafor"}
    assert (demo_settings.home / NOTE).exists()
    queue = leave_jobs_behind()
    accounts = load(app, demo_settings, short_story())
    assert "cut short: beginning again on an emptied database" in capsys.readouterr().err
    assert references() == {"grachtwerk", "maya-okafor"}
    assert find_user(OPERATOR.email) is not None
    assert accounts["operator"]["email"] == OPERATOR.email
    assert not (demo_settings.home / NOTE).exists()
    assert queue.scheduled_job_registry.get_job_ids() == []
    assert queue.started_job_registry.get_job_ids() == []
    assert Job.fetch_many(["waits", "works"], connection=queue.connection) == [None, None]


def leave_jobs_behind() -> Queue:
    """One that would be retried, and one that was at work when its worker was killed."""
    enqueue("app.mail.deliver", 1, 1, job_id="waits", delay=timedelta(hours=1))
    enqueue("app.mail.deliver", 1, 2, job_id="works")
    queue = queue_named("default")
    worker = SimpleWorker([queue], connection=queue.connection)
    job = queue.fetch_job("works")
    assert job is not None
    worker.prepare_execution(job)
    worker.prepare_job_execution(job)
    assert queue.started_job_registry.get_job_ids() == ["works"]
    return queue


def test_a_second_load_only_makes_a_new_key(
    app: Flask, demo_settings: Settings, short_story: ShortStory
) -> None:
    first = load(app, demo_settings, short_story())
    second = load(app, demo_settings, short_story())
    assert first["api_key"] != second["api_key"]
    assert first["customers"] == second["customers"]


def test_a_database_with_other_customers_is_left_alone_even_after_a_load_that_died(
    app: Flask, demo_settings: Settings, short_story: ShortStory
) -> None:
    with unit_of_work():
        open_account(ACME)
    assert load(app, demo_settings, short_story()) == {}
    assert references() == {"acme"}


def test_a_note_about_another_database_empties_nothing(
    app: Flask, demo_settings: Settings, short_story: ShortStory
) -> None:
    (demo_settings.home / NOTE).write_text(json.dumps({"database": "1/1"}))
    load(app, demo_settings, short_story())
    with unit_of_work():
        open_account(ACME)
    before = references()
    (demo_settings.home / NOTE).write_text(json.dumps({"database": "1/1"}))
    load(app, demo_settings, short_story())
    assert references() == before


def test_demo_data_is_never_loaded_unasked(app: Flask, settings: Settings) -> None:
    with pytest.raises(StageError, match="TEGOED_DEMO=1"):
        load(app, settings)
    assert references() == set()


def test_the_web_server_must_not_run_yet(
    app: Flask, demo_settings: Settings, live_app: LiveApp, short_story: ShortStory
) -> None:
    with pytest.raises(StageError, match="before the web server starts"):
        load(app, demo_settings, short_story())


def test_the_command_knows_load_and_feed_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unload"]) == 2
    assert "load | feed" in capsys.readouterr().err

"""Jobs: sent after the commit, never when it failed; a lost Redis loses no request; failures are seen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from app import clock, jobs, schedule
from app.config import Settings
from app.db import db, in_unit_of_work, unit_of_work
from app.factory import create_app


def waiting() -> int:
    return sum(jobs.queue_named(name).count for name in jobs.QUEUES)


def test_a_job_is_sent_once_its_transaction_is_committed(app: Flask) -> None:
    with unit_of_work():
        jobs.enqueue("app.ledger.jobs.seal")
        assert waiting() == 0
    assert waiting() == 1


def test_a_job_of_a_failed_transaction_is_never_sent(app: Flask) -> None:
    def fails() -> None:
        jobs.enqueue("app.ledger.jobs.seal")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_unit_of_work(fails)
    assert waiting() == 0


def test_a_lost_redis_is_logged_and_raises_nothing(settings: Settings) -> None:
    lost = create_app(replace(settings, redis_url="redis://127.0.0.1:1"))
    with lost.app_context():
        jobs.enqueue("app.ledger.jobs.seal")
    assert lost.test_client().get("/readyz").json == {"status": "ok", "database": "ok", "redis": "down"}
    with lost.app_context():
        db.engine.dispose()


def test_a_job_that_gives_up_is_listed_and_can_be_retried(
    app: Flask, run_jobs: Callable[..., int], runner: FlaskCliRunner
) -> None:
    jobs.enqueue("app.ledger.service.get_balance", 424242, job_id="look:1", retry_seconds=())
    run_jobs(failures_expected=True)
    (failed,) = jobs.failed_jobs()
    assert (failed.job_id, failed.function) == ("look-1", "app.ledger.service.get_balance")
    assert "not_found" in failed.error
    listed = runner.invoke(args=["jobs", "failed"])
    assert "look-1" in listed.output
    assert runner.invoke(args=["jobs", "retry", "look-1"]).exit_code == 0
    assert waiting() == 1


def test_what_fell_due_while_the_scheduler_was_down_is_sent_once(app: Flask) -> None:
    seal = [schedule.Recurring("app.ledger.jobs.seal", timedelta(minutes=1))]
    assert in_unit_of_work(schedule.send_due, seal) == ["app.ledger.jobs.seal"]
    assert in_unit_of_work(schedule.send_due, seal) == []
    with clock.frozen(clock.utc_now() + timedelta(hours=5)):
        assert in_unit_of_work(schedule.send_due, seal) == ["app.ledger.jobs.seal"]
        assert in_unit_of_work(schedule.send_due, seal) == []

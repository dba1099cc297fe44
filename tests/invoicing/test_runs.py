"""Runs: chunks of customers, resumed after a crash, with one customer's failure stopping nobody else."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.db import db, unit_of_work
from app.ledger.sides import Side
from invoicing import closing, jobs, runs, service
from invoicing.documents import without_document
from tests.fixtures.shop import AFTER_OCTOBER, OCTOBER, Shop


@pytest.fixture
def many(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Seven customers that used something in October, in chunks of three."""
    monkeypatch.setattr(closing, "CHUNK_SIZE", 3)
    for number in range(7):
        shop.customer(f"c{number}")
        shop.use_42_40(f"c{number}")
    shop.clock.travel_to(AFTER_OCTOBER)
    return shop


def numbers(shop: Shop) -> list[str]:
    db.session.rollback()
    return sorted(listed.invoice.number for listed in service.page(service.Filters(), limit=1000)[0])


def gapless(count: int) -> list[str]:
    return [f"F2026-{number:06d}" for number in range(1, count + 1)]


def threads(shop: Shop, *work: Callable[[], Any]) -> None:
    """Run all at once, each in a context of its own; a failure in one fails the test."""
    failures: list[BaseException] = []

    def run(one: Callable[[], Any]) -> None:
        try:
            with shop.app.app_context():
                one()
        except BaseException as error:  # noqa: BLE001  # told to the test
            failures.append(error)

    started = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert failures == []


def test_the_schedule_closes_what_ended_some_hours_ago_and_catches_up(many: Shop) -> None:
    many.clock.travel_to(datetime(2026, 11, 1, 0, 30, tzinfo=UTC))
    jobs.close_due()
    many.run_jobs()
    assert numbers(many) == []
    many.clock.travel_to(datetime(2026, 11, 9, 0, 30, tzinfo=UTC))
    jobs.close_due()
    jobs.close_due()
    many.run_jobs()
    jobs.close_due()
    many.run_jobs()
    assert numbers(many) == gapless(7)


def test_a_lost_queue_is_found_again_by_the_schedule(many: Shop) -> None:
    service.start_close(OCTOBER)
    many.app.extensions["redis"].flushall()
    many.clock.travel_to(AFTER_OCTOBER + timedelta(minutes=10))
    jobs.close_due()
    many.run_jobs()
    assert numbers(many) == gapless(7)


def test_one_customers_failure_stops_nobody_and_is_mended_later(many: Shop) -> None:
    with unit_of_work():
        # A period that the tax tables cannot hold: damaged data of one customer.
        db.session.execute(
            text("UPDATE usage_period SET vat_rate = 400 WHERE customer_id = :id"),
            {"id": many.customers["c1"]},
        )
    result = many.runner.invoke(args=["invoicing", "close", "--period", "2026-10"])
    assert result.exit_code == 1
    assert "400" in result.output
    assert numbers(many) == gapless(6)
    (failure,) = runs.failures(OCTOBER)
    assert failure.customer_id == many.customers["c1"]
    with unit_of_work():
        db.session.execute(
            text("UPDATE usage_period SET vat_rate = 21 WHERE customer_id = :id"),
            {"id": many.customers["c1"]},
        )
    jobs.close_due()
    many.run_jobs()
    assert numbers(many) == gapless(6), "what failed waits an hour before the schedule tries again"
    many.clock.travel_to(AFTER_OCTOBER + timedelta(hours=2))
    jobs.close_due()
    many.run_jobs()
    assert numbers(many) == gapless(7)
    assert runs.failures(OCTOBER) == []


def test_a_failure_while_posting_drops_only_that_customer(
    many: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = closing._settle

    def fail_for_one(prepared: Any, chunk: Any) -> Any:
        settled = settle(prepared, chunk)
        if prepared.facts.customer_id == many.customers["c4"]:
            raise ArithmeticError("no more ink")
        return settled

    monkeypatch.setattr(closing, "_settle", fail_for_one)
    result = many.runner.invoke(args=["invoicing", "close", "--period", "2026-10"])
    assert "no more ink" in result.output
    assert numbers(many) == gapless(6)
    assert many.side("c4", Side.UNBILLED_USAGE) > 0
    monkeypatch.setattr(closing, "_settle", settle)
    many.close()
    assert numbers(many) == gapless(7)
    assert many.side("c4", Side.UNBILLED_USAGE) == 0


@pytest.mark.parametrize("step", ["prepare", "_settle"])
def test_a_worker_that_dies_amidst_a_chunk_leaves_no_gap_and_no_double(
    many: Shop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    real, calls = getattr(closing, step), 0

    def die_at_the_fifth(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Killed
        return real(*args)

    monkeypatch.setattr(closing, step, die_at_the_fifth)
    run_id = service.start_close(OCTOBER)
    assert runs.work_on(run_id, 0) is not None
    db.session.rollback()
    with pytest.raises(Killed):
        runs.work_on(run_id, 1)
    db.session.rollback()
    assert numbers(many) == gapless(3)
    assert runs.work_on(run_id, 1) is None, "the chunk is still in the dead worker's hands"
    many.clock.travel_to(AFTER_OCTOBER + timedelta(minutes=6))
    assert runs.resume() == 2
    many.run_jobs()
    assert numbers(many) == gapless(7)
    assert runs.progress(run_id).is_finished
    told = many.runner.invoke(args=["invoicing", "progress"]).output
    assert "7 of 7 customers, 7 documents, 0 failed, finished" in told


def test_a_worker_that_dies_before_it_notes_what_it_issued_leaves_nothing_uncounted_or_unmade(
    many: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def die(*_: Any) -> None:
        raise Killed

    run_id = service.start_close(OCTOBER)
    with monkeypatch.context() as dying:
        dying.setattr(runs, "_note_outcome", die)
        with pytest.raises(Killed):
            runs.work_on(run_id, 0)
    db.session.rollback()
    assert numbers(many) == gapless(3)
    many.app.extensions["redis"].flushall()
    many.clock.travel_to(AFTER_OCTOBER + timedelta(minutes=6))
    assert runs.resume() == 3
    many.run_jobs()
    assert numbers(many) == gapless(7)
    done = runs.progress(run_id)
    assert (done.customers_done, done.issued, done.failed, done.is_finished) == (7, 7, 0, True)
    assert without_document(10) == []


def test_the_command_tells_how_fast_a_run_goes_and_how_long_it_takes_still(many: Shop) -> None:
    run_id = service.start_close(OCTOBER)
    assert "0 of 7 customers, 0 documents, 0 failed, 7 to go\n" in told_of_runs(many)
    many.clock.travel_to(AFTER_OCTOBER + timedelta(minutes=3))
    runs.work_on(run_id, 0)
    expected = "3 of 7 customers, 3 documents, 0 failed, 4 to go, 1 customers a minute, about 4 min left\n"
    assert expected in told_of_runs(many)


def told_of_runs(shop: Shop) -> str:
    db.session.rollback()
    return shop.runner.invoke(args=["invoicing", "progress"]).output


def test_two_runs_at_once_close_each_period_once(many: Shop) -> None:
    def close() -> None:
        run_id = service.start_close(OCTOBER)
        for position in runs.open_chunks(run_id):
            db.session.rollback()
            runs.work_on(run_id, position)

    threads(many, close, close, close)
    assert numbers(many) == gapless(7)
    for reference in many.customers:
        assert many.side(reference, Side.UNBILLED_USAGE) == 0
        assert many.invoice(reference).total_cents == 4240


def test_events_that_arrive_while_the_month_closes_are_billed_once_now_or_next_month(many: Shop) -> None:
    """Whatever the order: October's and November's invoices together hold everything, exactly."""

    def post_late() -> None:
        late = datetime(2026, 10, 31, 22, 30, tzinfo=UTC)
        for _ in range(6):
            for reference in ("c0", "c3", "c6"):
                many.use(reference, prompt=1_000_000, at=late)

    threads(many, post_late, many.close)
    many.clock.travel_to(datetime(2026, 12, 1, 5, tzinfo=UTC))
    many.close("2026-11")
    for reference in ("c0", "c3", "c6"):
        invoices = many.invoices(reference)
        # 18,059,974 and 6 × 1,000,000 prompt tokens, 245,896 generated ones, 7 requests.
        net_cents = sum(invoice.net_cents for invoice in invoices)
        assert abs(net_cents - (4109 + 295 + 1)) <= len(invoices) + 6
        assert many.side(reference, Side.UNBILLED_USAGE) == 0
        owed = many.balance(reference)
        total_micros = sum(invoice.total_cents for invoice in invoices) * 10_000
        assert owed.receivable_micros - owed.prepaid_micros == total_micros


def test_a_void_after_the_close_becomes_a_correction_on_the_next_invoice(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 100)
    (event,) = shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.use("acme", prompt=30_000_000, at=AFTER_OCTOBER - timedelta(hours=1))
    answer = shop.api.post(
        "/v1/customers/acme/events/void",
        json={"source": "test", "id": event},
        headers={"Idempotency-Key": "v"},
    )
    assert answer.status_code == 200
    shop.clock.travel_to(datetime(2026, 12, 1, 5, tzinfo=UTC))
    shop.close("2026-11")
    october, november = shop.invoices("acme")
    corrections = [line for line in november.lines if line.kind == "correction"]
    assert {line.correction_of for line in corrections} == {"2026-10-01"}
    assert sum(line.net_cents for line in corrections) == -3504
    assert november.net_cents == 2000 + 3000 - 3504
    assert november.balance["opening"] == october.balance["closing"]
    total = october.total_cents + november.total_cents
    assert shop.balance("acme").prepaid_micros == 100_000_000 - total * 10_000
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0


def test_a_month_that_only_gives_back_becomes_a_credit_note(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 100)
    (event,) = shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    answer = shop.api.post(
        "/v1/customers/acme/events/void",
        json={"source": "test", "id": event},
        headers={"Idempotency-Key": "v"},
    )
    assert answer.status_code == 200
    shop.clock.travel_to(datetime(2026, 12, 1, 5, tzinfo=UTC))
    shop.close("2026-11")
    note = shop.invoices("acme")[1]
    assert (note.number, note.kind) == ("C2026-000001", "credit_note")
    assert (note.net_cents, note.vat_cents, note.total_cents, note.due_cents) == (3504, 736, 4240, 0)
    assert shop.balance("acme").prepaid_micros == 100_000_000
    assert [shop.side("acme", s) for s in (Side.UNBILLED_USAGE, Side.REVENUE, Side.VAT)] == [0, 0, 0]
    shop.run_jobs()
    assert shop.api.get("/v1/invoices/C2026-000001.pdf").data.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("last", "first", "closes", "period"),
    [
        # The clocks go back on 25 October and forward on 28 March; midnight is at 23:00, then at 22:00 UTC.
        ("2026-10-31T22:59:59", "2026-10-31T23:00:00", "2026-11-01T02:00:00", "2026-10"),
        ("2027-03-31T21:59:59", "2027-03-31T22:00:00", "2027-04-01T02:00:00", "2027-03"),
        ("2026-12-31T22:59:59", "2026-12-31T23:00:00", "2027-01-01T02:00:00", "2026-12"),
    ],
)
def test_a_month_ends_at_midnight_in_amsterdam(
    shop: Shop, last: str, first: str, closes: str, period: str
) -> None:
    inside, outside, after = (datetime.fromisoformat(f"{moment}+00:00") for moment in (last, first, closes))
    shop.customer("acme")
    shop.clock.travel_to(inside)
    shop.use_42_40("acme", at=inside)
    shop.clock.travel_to(after)
    shop.use("acme", prompt=1_000_000, at=outside)
    shop.close(period)
    invoice = shop.invoice("acme")
    assert (invoice.period_start.strftime("%Y-%m"), invoice.total_cents) == (period, 4240)
    assert invoice.number == f"F{after.year}-000001"
    assert shop.side("acme", Side.UNBILLED_USAGE) == 2_420_000 + 1_210

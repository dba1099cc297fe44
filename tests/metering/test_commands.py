"""What the provider does by hand: try a price, record the past, drop what is old."""

import contextvars
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from hypothesis import given
from hypothesis import strategies as st

from app.config import Settings
from app.customers.service import find_customer
from app.db import in_unit_of_work
from metering import retention
from metering.cloudevents import Window, read_many
from metering.jobs import create_partitions, roll_up
from metering.prices import PerUnit, Price
from metering.rating import EXACT, Usage
from metering.service import begin_close, finish_close, record_events
from metering.trying import TRIED, Slice, rated_again
from metering.verdicts import Verdict
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, body

OCTOBER, NOVEMBER = datetime(2026, 10, 12, tzinfo=UTC), datetime(2026, 11, 12, tzinfo=UTC)
Command = Callable[..., Result]


@pytest.fixture
def command(runner: FlaskCliRunner) -> Command:
    def run(*arguments: str, document: object = None) -> Result:
        given = "\n".join(document) if isinstance(document, list) else json.dumps(document)
        return runner.invoke(args=["metering", *arguments], input=given)

    return run


@pytest.fixture
def last_month(provider: Provider, clock: Clock) -> Provider:
    """In October acme used 1000 tokens of the small model and 200 of the large, other 100; it is November."""
    clock.freeze(OCTOBER)
    provider.customer("other")
    large = {"tokens": 200, "model": "large"}
    provider.send(provider.event(1000), provider.event(data=large), provider.event(100, subject="other"))
    roll_up()
    clock.freeze(NOVEMBER)
    return provider


def test_a_price_is_tried_on_last_month_and_nothing_changes(last_month: Provider, command: Command) -> None:
    before = last_month.balance()
    tried = command("try-price", "tokens", "-", document={"model": "per_unit", "unit_amount": "0.002"})
    assert tried.exit_code == 0, tried.output
    rows = [line.split() for line in tried.output.splitlines()]
    assert rows[1:4] == [
        ["acme", "1.452", "2.904", "1.452"],
        ["other", "0.121", "0.242", "0.121"],
        ["1.573", "3.146", "1.573"],
    ]
    assert rows[4][:2] == ["2", "customers:"]
    assert last_month.balance() == before
    assert len(body(last_month.api.get("/v1/meters/tokens/prices"))["data"]) == 1


def test_a_price_for_one_dimension_takes_only_what_it_would_be_chosen_for(
    last_month: Provider, command: Command
) -> None:
    price = {"model": "per_unit", "unit_amount": "0.003", "when": {"model": "large"}}
    tried = command("try-price", "tokens", "-", "--period", "2026-10", document=price)
    rows = [line.split() for line in tried.output.splitlines()]
    assert rows[1:3] == [["acme", "1.452", "1.936", "0.484"], ["other", "0.121", "0.121", "0.00"]]


@pytest.mark.parametrize(
    ("when", "tried_amount"),
    [
        # €0.001 for each of 1400 tokens, against €1 for each half; or €1 for the large ones of each half and
        # €0.001 for each of the 1000 small ones.
        ({}, "2.42"),
        ({"model": "large"}, "3.63"),
    ],
)
def test_a_price_is_tried_on_both_halves_of_a_customers_month(
    provider: Provider, command: Command, clock: Clock, when: dict[str, str], tried_amount: str
) -> None:
    clock.travel_to(datetime(2026, 9, 10, tzinfo=UTC))
    provider.customer("bravo", billing_cycle="half_monthly")
    for day, tokens in ((10, 150), (20, 250)):
        clock.travel_to(datetime(2026, 10, day, 12, tzinfo=UTC))
        large = {"tokens": tokens, "model": "large"}
        provider.send(provider.event(subject="bravo", data=large), provider.event(500, subject="bravo"))
    clock.travel_to(NOVEMBER)
    roll_up()
    tiers = [{"up_to": "100", "unit_amount": "0.01"}, {"up_to": None, "unit_amount": "0"}]
    price: dict[str, Any] = {"model": "graduated", "tiers": tiers}
    tried = command("try-price", "tokens", "-", document=price | ({"when": when} if when else {}))
    (row,) = [line.split() for line in tried.output.splitlines() if line.startswith("bravo")]
    assert row[1:3] == ["1.694", tried_amount]


def test_a_price_that_could_not_be_published_cannot_be_tried(last_month: Provider, command: Command) -> None:
    wrong: list[tuple[object, str]] = [
        ({"model": "per_unit", "unit_amount": "-1"}, "unit_amount: An amount cannot be negative."),
        ({"model": "per_unit", "unit_amount": "1", "when": {"colour": "red"}}, "when: "),
        ("free", "must be a JSON object"),
    ]
    for document, said in wrong:
        refused = command("try-price", "tokens", "-", document=document)
        assert refused.exit_code == 1
        assert said in refused.output
    assert command("try-price", "tokens", "-", "--period", "soon", document={}).exit_code == 1
    assert (
        command("try-price", "nothing", "-", document={"model": "per_unit", "unit_amount": "1"}).exit_code
        == 1
    )


def test_of_a_meter_that_does_not_add_up_only_a_price_in_use_can_be_tried(
    bare_provider: Provider, command: Command, clock: Clock
) -> None:
    clock.freeze(OCTOBER)
    bare_provider.meter(aggregation="max")
    bare_provider.price()
    bare_provider.customer()
    bare_provider.send(bare_provider.event(5), bare_provider.event(9))
    clock.freeze(NOVEMBER)
    price: dict[str, Any] = {"model": "per_unit", "unit_amount": "1"}
    tried = command("try-price", "tokens", "-", document=price)
    assert tried.output.splitlines()[1].split() == ["acme", "0.01089", "10.89", "10.87911"]
    refused = command("try-price", "tokens", "-", document=price | {"when": {"model": "large"}})
    assert refused.exit_code == 1
    assert "does not add up" in refused.output


def price_for_test(price_id: int, customer_id: int | None = None, **when: str) -> Price:
    return Price(
        price_id, 1, 1, None, tuple(sorted(when.items())), PerUnit(Decimal(1)), OCTOBER.date(), customer_id
    )


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.decimals(0, 1000, places=3)), max_size=12
    ),
    st.sampled_from([None, 7]),
)
def test_rating_again_loses_no_quantity_and_moves_only_what_matches(
    parts: list[tuple[str, str, Decimal]], own_customer: int | None
) -> None:
    in_force = [price_for_test(2, model="b"), price_for_test(1)]
    if own_customer:
        in_force.insert(0, price_for_test(3, own_customer, model="a"))
    slices: list[Slice] = []
    totals: dict[int, Usage] = {}
    for model, region, quantity in parts:
        chosen = 3 if own_customer and model == "a" else 2 if model == "b" else 1
        slices.append(Slice(chosen, {"model": model, "region": region}, Usage(quantity, 1)))
        was = totals.get(chosen, Usage(Decimal(0), 0))
        totals[chosen] = Usage(EXACT.add(was.quantity, quantity), was.events + 1)
    then = rated_again(totals, slices, in_force, price_for_test(0, model="a", region="x"))
    assert sum(usage.events for usage in then.values()) == len(parts)
    assert sum(usage.quantity for usage in then.values()) == sum(part[2] for part in parts)
    moved = [quantity for model, region, quantity in parts if (model, region) == ("a", "x")]
    assert then.get(TRIED, Usage(Decimal(0), 0)).quantity == (0 if own_customer else sum(moved))


def lines(*events: dict[str, Any]) -> list[str]:
    return [json.dumps(event) for event in events]


def test_the_past_is_recorded_however_old_and_once(
    provider: Provider, command: Command, clock: Clock
) -> None:
    clock.freeze(NOVEMBER)
    old = [provider.event(10, time=f"2024-0{month}-15T12:00:00Z") for month in (1, 2, 3)]
    assert provider.send(*old)["rejected"][0]["code"] == "time_too_old"
    done = command("backfill", "-", document=[*lines(*old), "", *lines(old[0])])
    assert (done.exit_code, done.output.strip()) == (0, "3 recorded, 1 known already, 0 refused")
    again = command("backfill", "-", document=lines(*old))
    assert again.output.strip() == "0 recorded, 3 known already, 0 refused"
    assert provider.available() == Decimal("-0.0363")


def test_of_two_with_one_id_a_void_takes_back_the_one_that_is_still_counted(
    provider: Provider, command: Command, clock: Clock
) -> None:
    clock.freeze(NOVEMBER)
    early = provider.event(10, time="2024-01-15T12:00:00Z")
    late = early | {"time": "2024-03-15T12:00:00Z"}
    assert command("backfill", "-", document=lines(early, late)).exit_code == 1
    assert command("backfill", "-", document=lines(late)).exit_code == 0
    assert provider.available() == Decimal("-0.0242")
    assert provider.void(late).status_code == 200
    assert provider.void(late).status_code == 200
    assert provider.available() == 0


def test_each_line_that_cannot_be_recorded_is_named(
    provider: Provider, command: Command, tmp_path: Path
) -> None:
    bad = [provider.event(-1), provider.event(subject="nobody")]
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(["{", *lines(provider.event(1), *bad)]))
    done = command("backfill", str(file))
    assert done.exit_code == 1
    assert "1 recorded, 0 known already, 3 refused" in done.output
    for named in ("line 1: ", "line 3: invalid_quantity", "line 4: unknown_customer"):
        assert named in done.output


def test_months_are_dropped_only_when_rolled_up_and_invoiced(
    provider: Provider, command: Command, clock: Clock, settings: Settings
) -> None:
    clock.freeze(datetime(2026, 8, 10, tzinfo=UTC))
    create_partitions()
    event = provider.event(1000)
    provider.send(event)
    for now, why in (
        (datetime(2026, 9, 20, tzinfo=UTC), "its events may still be sent again"),
        (datetime(2026, 11, 10, tzinfo=UTC), "not all of its events are rolled up"),
    ):
        clock.freeze(now)
        assert f"2026-08: kept, {why}" in command("drop-events", "--before", "2026-11").output
    roll_up()
    assert "kept, not all of it is invoiced" in command("drop-events", "--before", "2026-11").output
    customer_id = find_customer("acme").customer_id
    in_unit_of_work(begin_close, customer_id, date(2026, 8, 1))
    in_unit_of_work(finish_close, customer_id, date(2026, 8, 1))
    assert "2026-08: dropped" in command("drop-events", "--before", "2026-11").output
    with psycopg.connect(settings.owner_database_url) as connection:
        gone = connection.execute("SELECT to_regclass('usage_event_2026_08') IS NULL").fetchone()
    assert gone == (True,)
    assert "0 months dropped" in command("drop-events", "--before", "2026-09").output
    # What was used still reads back, and what is gone cannot be recorded a second time.
    used = body(provider.api.get("/v1/customers/acme/usage?start=2026-08-01&end=2026-09-01"))["data"]
    assert [row["quantity"] for row in used] == ["1000"]
    refused = command("backfill", "-", document=lines(event))
    assert "time_too_old" in refused.output
    assert provider.void(event).status_code == 404


@pytest.fixture
def droppable(provider: Provider, clock: Clock) -> dict[str, Any]:
    """An event of August, which is rolled up and closed; it is November."""
    clock.freeze(datetime(2026, 8, 10, tzinfo=UTC))
    create_partitions()
    event = provider.event(1000)
    provider.send(event)
    clock.freeze(NOVEMBER)
    roll_up()
    customer_id = find_customer("acme").customer_id
    in_unit_of_work(begin_close, customer_id, date(2026, 8, 1))
    in_unit_of_work(finish_close, customer_id, date(2026, 8, 1))
    return event


def test_a_backfill_that_goes_on_while_its_month_is_dropped_counts_nothing_twice(
    app: Flask, provider: Provider, command: Command, droppable: dict[str, Any]
) -> None:
    before = provider.available()
    everything = Window(datetime(1970, 1, 1, tzinfo=UTC), NOVEMBER)
    read = read_many(app.json.dumps([droppable, provider.event(1)]).encode(), everything)
    assert "2026-08: dropped" in command("drop-events", "--before", "2026-11").output
    taken = record_events(read)
    assert [(one.index, one.verdict) for one in taken.refusals] == [(0, Verdict.TIME_TOO_OLD)]
    assert (taken.accepted, provider.available()) == (1, before - Decimal("0.00121"))


def test_a_month_that_an_event_is_being_recorded_in_is_not_dropped(
    provider: Provider, settings: Settings, droppable: dict[str, Any]
) -> None:
    month = date(2026, 9, 1)

    def drop() -> list[retention.Outcome]:
        with psycopg.connect(settings.owner_database_url) as connection:
            return retention.drop_months(connection, month)

    with psycopg.connect(settings.database_url) as recording, ThreadPoolExecutor(1) as pool:
        recording.execute("UPDATE usage_event SET changed_at = %s", (NOVEMBER,))
        dropped = pool.submit(contextvars.copy_context().run, drop)
        wait_for_a_lock(settings.owner_database_url)
        recording.commit()
        (august,) = [one for one in dropped.result(timeout=60) if one.month == date(2026, 8, 1)]
    assert august.kept_because == retention.NOT_ROLLED_UP
    assert provider.send(provider.event(1))["accepted"] == 1


def wait_for_a_lock(url: str) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(500):
            row = connection.execute(waiting).fetchone()
            if row and row[0]:
                return
            sleep(0.02)
    raise AssertionError("nobody waited")


def test_a_void_that_waits_for_its_invoice_keeps_the_month(
    provider: Provider, command: Command, clock: Clock
) -> None:
    clock.freeze(datetime(2026, 8, 10, tzinfo=UTC))
    create_partitions()
    event = provider.event(1000)
    provider.send(event)
    clock.freeze(datetime(2026, 11, 10, tzinfo=UTC))
    customer_id = find_customer("acme").customer_id
    in_unit_of_work(begin_close, customer_id, date(2026, 8, 1))
    in_unit_of_work(finish_close, customer_id, date(2026, 8, 1))
    provider.void(event)
    clock.freeze(datetime(2026, 11, 10, tzinfo=UTC) + timedelta(minutes=11))
    roll_up()
    assert "kept, not all of it is invoiced" in command("drop-events", "--before", "2026-11").output


def test_a_price_is_tried_in_a_customers_own_list_over_the_providers_and_its_own(
    last_month: Provider, command: Command, clock: Clock
) -> None:
    price: dict[str, Any] = {"model": "per_unit", "unit_amount": "0.002"}
    joins = command("try-price", "tokens", "-", "--customer", "acme", document=price)
    assert [line.split() for line in joins.output.splitlines()][1:3] == [
        ["acme", "1.452", "2.904", "1.452"],
        ["1.452", "2.904", "1.452"],
    ]
    # However specific the provider's price is, the customer's own one counts where it applies.
    large = price | {"when": {"model": "large"}}
    part = command("try-price", "tokens", "-", "--customer", "acme", document=large)
    assert part.output.splitlines()[1].split() == ["acme", "1.452", "1.694", "0.242"]
    assert command("try-price", "tokens", "-", "--customer", "nobody", document=price).exit_code == 1

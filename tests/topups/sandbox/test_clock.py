"""The virtual clock: set into the past, moved forward through all that is due, and back to real time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from topups.sandbox.clock import add_business_days
from topups.sandbox.server import Running


def test_time_runs_as_real_time_does_until_it_is_moved(control: Any) -> None:
    before = datetime.fromisoformat(control("clock")["now"])
    assert abs(before - datetime.now(UTC)) < timedelta(seconds=2)
    control("clock/advance", seconds=3600)
    after = datetime.fromisoformat(control("clock")["now"])
    assert timedelta(seconds=3600) <= after - before < timedelta(seconds=3602)


def test_a_history_can_be_made_in_the_past_and_then_catches_up(
    mollie: Any, mandate_of: Any, charge: Any, control: Any, receiver: Any
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=90)
    control("clock/set", now=long_ago.isoformat())
    customer_id, mandate_id = mandate_of("ideal")
    debit = charge(customer_id, mandate_id)
    assert debit.created_at[:10] == long_ago.date().isoformat()
    receiver.ids.clear()
    control("clock/reset")
    settled = mollie.payments.get(debit.id)
    expected = add_business_days(datetime.fromisoformat(debit.created_at), 1)
    assert abs(datetime.fromisoformat(settled.paid_at) - expected) < timedelta(seconds=2)
    assert receiver.ids == [debit.id]
    assert control("clock")["offset_seconds"] == 0


def test_lists_are_in_the_order_of_virtual_time(mollie: Any, pay: Any, control: Any) -> None:
    today = pay().id
    control("clock/set", now="2026-01-01T12:00:00Z")
    january = pay().id
    assert [each.id for each in mollie.payments.list()] == [today, january]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock/set", {"now": "soon"}),
        ("clock/advance", {"seconds": "x"}),
        ("clock/advance", {"seconds": -60}),
    ],
)
def test_nonsense_does_not_move_the_clock(running: Running, path: str, body: dict[str, Any]) -> None:
    assert requests.post(f"{running.url}/_sandbox/{path}", json=body, timeout=5).status_code == 422


def test_business_days_skip_the_weekend() -> None:
    friday = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert add_business_days(friday, 1) == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert add_business_days(friday, 5) == datetime(2026, 11, 27, 10, tzinfo=UTC)
    assert add_business_days(friday, 0) == friday


def test_a_reset_forgets_everything(mollie: Any, pay: Any, control: Any) -> None:
    pay()
    control("faults", action="drop", match="POST *")
    control("clock/advance", seconds=3600)
    control("reset")
    assert mollie.payments.list().count == 0
    assert control("faults") == []
    assert control("clock")["offset_seconds"] == 0

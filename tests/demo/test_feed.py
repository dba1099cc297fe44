"""The live part: from the first sign-in on, nothing twice, and nothing lost when the service is away."""

from pathlib import Path

import pytest
from flask import Flask

from app.config import Settings
from app.customers import user_sessions
from app.customers.sign_in import authenticate
from app.db import unit_of_work
from app.demo.cast import CUSTOMERS, PASSWORD
from app.demo.client import Client, api_client
from app.demo.feed import Feeder, _somebody_signed_in, feed
from app.demo.load import FED, load
from app.demo.replay import trace
from app.demo.story import ROWS_THIS_MONTH
from tests.demo.conftest import ShortStory
from tests.fixtures.outside import free_port
from tests.fixtures.product import LiveApp

pytestmark = pytest.mark.usefixtures("sandbox", "smtp")


@pytest.fixture
def api(
    request: pytest.FixtureRequest,
    app: Flask,
    demo_settings: Settings,
    short_story: ShortStory,
) -> Client:
    """A loaded demo whose customers have used nothing yet, served."""
    accounts = load(app, demo_settings, short_story())
    live: LiveApp = request.getfixturevalue("live_app")
    return api_client(live.url, accounts["api_key"])


def requests_of(api: Client, reference: str) -> int:
    days = api.get(f"/v1/customers/{reference}/usage")["data"]
    return sum(day["events"] for day in days if day["meter"] == "requests")


def no_pause(_seconds: float) -> None:
    """Tests feed as fast as they can."""


def test_each_customer_gets_one_request_a_turn_and_a_restart_goes_on_where_it_stopped(
    api: Client, tmp_path: Path
) -> None:
    assert Feeder(api, tmp_path / FED).run(most=3, pause=no_pause) == 3
    again = Feeder(api, tmp_path / FED)
    assert again.next_row() == ROWS_THIS_MONTH + 3
    again.run(most=2, pause=no_pause)
    assert [requests_of(api, customer.reference) for customer in CUSTOMERS] == [5, 5]


def test_a_lost_note_of_progress_records_nothing_twice(api: Client, tmp_path: Path) -> None:
    Feeder(api, tmp_path / FED).run(most=3, pause=no_pause)
    (tmp_path / FED).unlink()
    Feeder(api, tmp_path / FED).run(most=4, pause=no_pause)
    assert [requests_of(api, customer.reference) for customer in CUSTOMERS] == [4, 4]


def test_while_the_service_is_away_the_feeder_waits_and_loses_nothing(api: Client, tmp_path: Path) -> None:
    feeder = Feeder(Client(f"http://127.0.0.1:{free_port()}"), tmp_path / FED)
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            feeder.api = api

    feeder.run(most=2, pause=pause)
    assert waits[:3] == [5.0, 5.0, 5.0]
    assert requests_of(api, "grachtwerk") == 2


def test_it_begins_with_the_first_sign_in_of_anybody_in_the_demo(api: Client) -> None:
    assert not _somebody_signed_in()
    with unit_of_work():
        person = authenticate(CUSTOMERS[1].person.email, PASSWORD)
        assert person is not None
        user_sessions.begin(person, "password", user_agent="", ip_address="")
    assert _somebody_signed_in()


def test_it_ends_when_all_is_fed(demo_settings: Settings) -> None:
    (demo_settings.home / FED).write_text(f'{{"next_row": {len(trace())}}}')
    feed(demo_settings)

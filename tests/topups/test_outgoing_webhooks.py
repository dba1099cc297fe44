"""What top-ups and payment methods tell the provider's programs, in the API's own shapes."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.db import in_unit_of_work
from app.webhooks import service as webhooks
from tests.fixtures.receiver import Receiver
from tests.topups.conftest import EURO, Story
from topups import service


class Told:
    """The messages of one story."""

    def __init__(self, receiver: Receiver, secret: str) -> None:
        self._receiver, self._secret = receiver, secret

    def all(self) -> list[dict[str, Any]]:
        """In the order of their making; those of one transaction may arrive in any order."""
        return sorted(self._receiver.verified(self._secret), key=lambda one: str(one["timestamp"]))

    def events(self) -> list[str]:
        return [one["type"] for one in self.all()]

    def one(self, event: str) -> dict[str, Any]:
        (data,) = [one["data"] for one in self.all() if one["type"] == event]
        assert isinstance(data, dict)
        return data


@pytest.fixture
def told(demo_settings: Settings, receiver: Receiver) -> Told:
    return Told(receiver, in_unit_of_work(webhooks.register, receiver.url)[1])


def shape(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True)


def test_a_paid_top_up_and_its_mandate_are_told_as_the_api_shows_them(
    told: Told,
    story: Story,
    api: FlaskClient,
) -> None:
    story.save_method()
    story.run_jobs()

    paid, valid = told.one("top_up.paid"), told.one("payment_method.valid")
    shown = api.get(f"/v1/top-ups/{paid['id']}").json
    methods = api.get("/v1/customers/acme/payment-methods").json
    assert shown is not None
    assert methods is not None
    assert shape(paid) == shape({"customer": "acme", **shown})
    assert shape(valid) == shape({"customer": "acme", **methods["data"][0]})

    service.revoke_method(story.customer_id, valid["id"])
    story.run_jobs()
    assert told.one("payment_method.revoked")["status"] == "revoked"


def test_a_failed_payment_and_a_chargeback_are_told_once(told: Told, story: Story) -> None:
    lost = story.request(key="lost")
    story.settle(lost, "failed")
    story.run_jobs()
    paid = story.pay(25, key="paid")
    story.sandbox.control(f"payments/{paid.mollie_payment_id}/chargeback", {"code": "AM04"})
    story.run_jobs()
    service.sync_payment(paid.top_up_id)
    service.sync_payment(lost.top_up_id)
    story.run_jobs()

    assert told.one("top_up.failed")["id"] == lost.top_up_id
    assert told.one("top_up.charged_back")["id"] == paid.top_up_id


def test_a_pause_of_automatic_top_up_is_told_with_the_rule(told: Told, story: Story) -> None:
    story.save_method()
    story.turn_on(threshold_micros=5 * EURO)
    (first,) = story.top_ups()
    story.sandbox.control(f"payments/{first.mollie_payment_id}/chargeback", {"code": "AM04"})
    story.run_jobs()

    data = told.one("auto_top_up.paused")

    assert (data["state"], data["paused_because"]) == ("paused", "chargeback")
    assert data["threshold"] == {"value": "5.00", "currency": "EUR"}

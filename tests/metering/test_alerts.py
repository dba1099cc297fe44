"""Alerts end to end: events debit, the mark is noticed, a job tells, once per crossing."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.customers.service import find_customer
from app.db import db, in_unit_of_work
from app.webhooks import service as webhooks
from metering import alert_jobs, alerts
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import Clock, LiveApp
from tests.fixtures.receiver import Receiver
from tests.metering.conftest import Provider, body
from topups import jobs as topups_jobs
from topups import methods
from topups import service as topups

EUROS = 1_000_000


def money(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


class Shop:
    """The customer acme, with tokens at € 1.21 a thousand, and who is told of its alerts."""

    def __init__(
        self, provider: Provider, receiver: Receiver, smtp: Mailbox, run_jobs: Callable[..., int]
    ) -> None:
        self.provider, self.receiver, self.smtp, self._run_jobs = provider, receiver, smtp, run_jobs
        self.secret = in_unit_of_work(webhooks.register, receiver.url)[1]
        self.customer_id = find_customer("acme").customer_id

    def rules(self, **rules: Any) -> dict[str, Any]:
        return body(self.provider.api.put("/v1/customers/acme/alerts", json=rules))

    def use(self, euros: int) -> None:
        """Usage of about this much, 1.21 per 1,000 tokens."""
        self.provider.send(self.provider.event(euros * 1000))
        self.run_jobs()

    def run_jobs(self) -> None:
        self._run_jobs()
        topups_jobs.sweep()
        self._run_jobs()

    def told(self) -> list[tuple[str, str]]:
        """(event, alert's kind) of every message, in order of arrival."""
        found = self.receiver.verified(self.secret)
        return [(one["type"], one["data"]["alert"]["kind"]) for one in found]

    def subjects(self) -> list[str]:
        return [str(message["subject"]).replace("\xa0", " ") for message in self.smtp.messages]


@pytest.fixture
def shop(
    demo_settings: Settings,
    provider: Provider,
    receiver: Receiver,
    smtp: Mailbox,
    run_jobs: Callable[..., int],
) -> Shop:
    made = Shop(provider, receiver, smtp, run_jobs)
    provider.grant("100")
    made.run_jobs()
    return made


def test_each_crossing_is_told_once_by_mail_and_webhook_and_again_after_a_rise(shop: Shop) -> None:
    shop.rules(amounts=[money("50")])
    shop.use(20)
    assert shop.told() == []

    shop.use(30)
    shop.use(1)
    assert shop.told() == [("balance.low", "amount")]
    assert shop.subjects() == ["Je tegoed is bijna op: nog € 39,50"]

    shop.provider.grant("100")
    shop.run_jobs()
    assert body(shop.provider.api.get("/v1/customers/acme/alerts"))["crossed"] == []
    shop.use(80)
    assert shop.told() == [("balance.low", "amount")] * 2
    assert len(shop.subjects()) == 2


def test_the_webhook_carries_the_balance_as_the_api_shows_it(shop: Shop) -> None:
    shop.rules(amounts=[money("50")])
    shop.use(50)

    (message,) = shop.receiver.verified(shop.secret)

    assert message["data"]["customer"] == "acme"
    assert message["data"]["alert"]["value"] == money("50.00")
    assert message["data"]["balance"] == body(shop.provider.api.get("/v1/customers/acme/balance"))


def test_low_and_exhausted_are_everybodys(shop: Shop) -> None:
    shop.use(79)
    assert shop.told() == [("balance.low", "low")]
    shop.use(10)
    assert shop.told() == [("balance.low", "low"), ("balance.exhausted", "exhausted")]
    assert shop.subjects() == ["Je tegoed is bijna op: nog € 4,41", "Je tegoed is op"]


def test_several_crossings_at_once_make_one_mail_and_a_message_each(shop: Shop) -> None:
    shop.rules(amounts=[money("50"), money("20")], percentages=[])
    shop.use(90)

    assert sorted(kind for _event, kind in shop.told()) == ["amount", "amount", "exhausted", "low"]
    assert shop.subjects() == ["Je tegoed is op"]


def test_a_rule_that_is_below_its_mark_when_it_is_made_is_armed_by_a_rise(shop: Shop) -> None:
    answer = shop.rules(amounts=[money("200")])
    assert [one["kind"] for one in answer["crossed"]] == ["amount"]
    shop.use(1)
    assert shop.told() == []

    shop.provider.grant("150")
    shop.run_jobs()
    shop.use(50)

    assert shop.told() == [("balance.low", "amount")]


def test_the_days_that_are_left_are_reckoned_from_the_recent_burn_by_the_sweep(shop: Shop) -> None:
    shop.rules(days_left=3)
    shop.provider.send(shop.provider.event(30_000))
    alert_jobs.sweep()
    shop.run_jobs()

    assert shop.told() == [("balance.low", "days")]
    assert shop.subjects() == ["Je tegoed is nog goed voor minder dan 3 dagen"]


def test_a_monthly_limit_is_told_and_refuses_holds_until_the_next_month(shop: Shop, clock: Clock) -> None:
    shop.rules(spending_limit={"amount": money("36.30"), "action": "refuse_holds"})
    shop.use(20)
    assert not alerts.spending_refused(shop.customer_id, 12_100_000)
    assert alerts.spending_refused(shop.customer_id, 12_100_001)

    hold = {"amount": money("12.10"), "expires_in": 600}
    held = shop.provider.api.post("/v1/customers/acme/holds", json=hold, headers={"Idempotency-Key": "first"})
    assert held.status_code == 201, held.text
    again = shop.provider.api.post(
        "/v1/customers/acme/holds", json=hold, headers={"Idempotency-Key": "second"}
    )
    assert again.status_code == 402
    assert again.json is not None
    assert again.json["code"] == "spending_limit_reached"

    shop.use(10)
    assert ("balance.spending_limit", "spending_limit") in shop.told()
    assert "Bestedingslimiet van € 36,30 bereikt" in shop.subjects()

    clock.travel_to((clock.now() + timedelta(days=32)).replace(day=2))
    db.session.rollback()
    assert not alerts.spending_refused(shop.customer_id, 12_100_000)
    alert_jobs.sweep()
    assert alerts.open_crossings(shop.customer_id) == []


def test_a_percentage_of_the_last_paid_top_up_is_told_when_it_is_crossed(
    provider: Provider, sandbox: Sandbox, live_app: LiveApp, shop: Shop
) -> None:
    methods.forget()
    for euros, key in ((240, "earlier"), (100, "last")):
        wish = {"amount": money(str(euros)), "method": "ideal"}
        answer = provider.api.post("/v1/customers/acme/top-ups", json=wish, headers={"Idempotency-Key": key})
        db.session.rollback()
        made = topups.find_top_up(body(answer)["id"])
        sandbox.control(f"payments/{made.mollie_payment_id}/state", {"status": "paid"})
        shop.run_jobs()
    assert provider.available() == 440
    shop.receiver.requests.clear()
    shop.rules(percentages=[50])

    shop.use(322)
    assert shop.told() == []
    shop.use(1)
    assert shop.told() == [("balance.low", "percentage")]


def test_a_monthly_limit_that_only_tells_is_told_once_and_holds_go_on(shop: Shop) -> None:
    shop.rules(spending_limit={"amount": money("24.20"), "action": "tell"})
    shop.use(19)
    assert shop.told() == []
    shop.use(1)
    shop.use(1)
    alert_jobs.sweep()
    shop.run_jobs()
    assert shop.told() == [("balance.spending_limit", "spending_limit")]
    assert shop.subjects() == ["Bestedingslimiet van € 24,20 bereikt"]

    held = shop.provider.api.post(
        "/v1/customers/acme/holds",
        json={"amount": money("12.10"), "expires_in": 600},
        headers={"Idempotency-Key": "beyond"},
    )
    assert held.status_code == 201, held.text


def test_two_evaluations_at_once_tell_one_crossing_once(app: Flask, shop: Shop) -> None:
    shop.rules(amounts=[money("50")])
    shop.provider.send(shop.provider.event(50_000))
    barrier = threading.Barrier(3)

    def look() -> None:
        with app.app_context():
            barrier.wait()
            in_unit_of_work(topups.evaluate, shop.customer_id)
            db.session.remove()

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    shop.run_jobs()

    assert shop.told() == [("balance.low", "amount")]
    assert len(shop.subjects()) == 1


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"amounts": [money("0")]}, "amounts"),
        ({"amounts": "50"}, "amounts"),
        ({"percentages": [101]}, "percentages"),
        ({"percentages": [True]}, "percentages"),
        ({"days_left": 0}, "days_left"),
        ({"days_left": "3"}, "days_left"),
        ({"spending_limit": money("3")}, "spending_limit"),
        ({"spending_limit": {"amount": money("3"), "action": "shout"}}, "spending_limit"),
        ({"amounts": [money(str(n)) for n in range(1, 8)]}, "amounts"),
        ({"colour": 1}, "colour"),
    ],
)
def test_wrong_rules_are_refused_by_their_field(
    provider: Provider, rules: dict[str, Any], field: str
) -> None:
    answer = provider.api.put("/v1/customers/acme/alerts", json=rules)

    assert answer.status_code == 422
    assert body(answer)["field"] == field


def test_what_was_read_may_be_sent_back(api: FlaskClient, provider: Provider) -> None:
    rules = {
        "amounts": [money("50.00"), money("20.00")],
        "percentages": [20],
        "days_left": 7,
        "spending_limit": {"amount": money("100.00"), "action": "tell"},
    }
    read = body(provider.api.put("/v1/customers/acme/alerts", json=rules))

    assert {name: read[name] for name in rules} == rules
    assert body(provider.api.put("/v1/customers/acme/alerts", json=read)) == read
    assert body(provider.api.get("/v1/customers/acme/alerts")) == read

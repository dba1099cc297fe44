"""`/v1/webhook-endpoints`, `/v1/webhook-deliveries` and the desk's page of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.clock import utc_now
from app.config import Settings
from app.db import unit_of_work
from app.webhooks import service
from tests.fixtures.receiver import Receiver
from tests.portal.people import operator, sign_in, token_of


def body(response: Any) -> Any:
    assert response.status_code < 300, response.text
    return response.json


def happen(key: str) -> None:
    with unit_of_work():
        service.tell("top_up.paid", lambda: {"id": key}, customer_id=1000, dedupe_key=key)


def test_a_program_registers_rotates_and_deletes_an_endpoint(api: FlaskClient) -> None:
    made = body(
        api.post("/v1/webhook-endpoints", json={"url": "https://shop.example/", "events": ["top_up.paid"]})
    )
    assert made["secret"].startswith("whsec_")
    assert (made["status"], made["events"]) == ("enabled", ["top_up.paid"])

    (listed,) = body(api.get("/v1/webhook-endpoints"))["data"]
    assert "secret" not in listed
    rotated = body(api.post(f"/v1/webhook-endpoints/{made['id']}/rotate"))
    assert rotated["secret"] != made["secret"]
    assert api.delete(f"/v1/webhook-endpoints/{made['id']}").status_code == 204
    assert api.delete(f"/v1/webhook-endpoints/{made['id']}").status_code == 404
    assert body(api.get("/v1/webhook-endpoints"))["data"] == []


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "https://shop.example/", "events": ["top_up.stolen"]}, "events"),
        ({"url": "https://shop.example/", "events": [1]}, "events"),
        ({"url": "https://shop.example/", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_endpoint_is_refused_by_its_field(
    api: FlaskClient, facts: dict[str, Any], field: str
) -> None:
    answer = api.post("/v1/webhook-endpoints", json=facts)

    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["field"] == field


def test_the_log_is_listed_and_one_or_all_are_sent_again(
    demo_settings: Settings, api: FlaskClient, receiver: Receiver, run_jobs: Callable[..., int]
) -> None:
    begun = utc_now() - timedelta(seconds=1)
    endpoint = body(api.post("/v1/webhook-endpoints", json={"url": receiver.url}))
    receiver.answer, receiver.status = b"thanks", 200
    happen("tu_1")
    happen("tu_2")
    run_jobs()

    first_page = body(api.get("/v1/webhook-deliveries?limit=1"))
    second_page = body(api.get(f"/v1/webhook-deliveries?limit=1&cursor={first_page['next_cursor']}"))
    delivery = first_page["data"][0]
    assert delivery["status"] == "delivered"
    assert delivery["last_attempt"]["answer"] == "thanks"
    assert second_page["data"][0]["id"] != delivery["id"]
    assert second_page["next_cursor"] is None

    assert body(api.post(f"/v1/webhook-deliveries/{delivery['id']}/replay"))["status"] == "waiting"
    run_jobs()
    assert [one.message_id for one in receiver.requests].count(delivery["message_id"]) == 2

    wish = {"endpoint": endpoint["id"], "since": begun.isoformat()}
    assert body(api.post("/v1/webhook-deliveries/replay", json=wish)) == {"replayed": 2}
    run_jobs()
    assert len(receiver.verified(endpoint["secret"])) == 5
    assert api.post("/v1/webhook-deliveries/wd_1_unknown/replay").status_code == 404
    assert api.post("/v1/webhook-deliveries/replay", json=wish | {"since": "yesterday"}).status_code == 422
    assert api.get("/v1/webhook-deliveries?status=lost").status_code == 422


def test_the_desk_shows_the_log_and_sends_again(
    demo_settings: Settings, client: FlaskClient, receiver: Receiver, run_jobs: Callable[..., int]
) -> None:
    operator()
    sign_in(client, "staff@tegoed.example")
    token = {"csrf_token": token_of(client.get("/desk/webhooks"))}
    made = client.post("/desk/webhooks", data=token | {"url": receiver.url, "events": ["top_up.paid"]})
    assert "whsec_" in made.text
    assert "whsec_" not in client.get("/desk/webhooks").text
    assert client.post("/desk/webhooks", data=token | {"url": "http://10.0.0.1/"}).status_code == 422
    receiver.status, receiver.answer = 500, b"<b>broken</b>"
    happen("tu_1")
    run_jobs()

    page = client.get("/desk/webhooks").text
    assert "&lt;b&gt;broken" in page
    delivery = service.deliveries()[0].delivery_id
    receiver.status = 200
    assert client.post(f"/desk/webhooks/deliveries/{delivery}/replay", data=token).status_code == 303
    run_jobs()
    assert len(receiver.requests) == 2

    wish = token | {"endpoint": service.endpoints()[0].endpoint_id, "period": "24"}
    assert client.post("/desk/webhooks/replay", data=wish).status_code == 303
    run_jobs()
    assert len(receiver.requests) == 3
    endpoint_id = service.endpoints()[0].endpoint_id
    assert "whsec_" in client.post(f"/desk/webhooks/{endpoint_id}/rotate", data=token).text
    assert client.post(f"/desk/webhooks/{endpoint_id}/delete", data=token).status_code == 303
    assert service.endpoints() == []

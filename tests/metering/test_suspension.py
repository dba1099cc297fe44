"""An operator suspends a customer: holds are refused, usage is recorded, every answer says so."""

from flask.testing import FlaskClient

from tests.metering.conftest import Provider, body
from tests.portal.people import operator, sign_in, token_of


def _hold(program: Provider, key: str) -> int:
    wish = {"amount": {"value": "1.00", "currency": "EUR"}, "expires_in": 60}
    return program.api.post(
        "/v1/customers/acme/holds", json=wish, headers={"Idempotency-Key": key}
    ).status_code


def test_a_suspended_customer_gets_no_holds_until_it_is_lifted(provider: Provider) -> None:
    provider.grant("10")

    assert body(provider.api.post("/v1/customers/acme/suspend"))["state"] == "suspended"
    assert body(provider.api.post("/v1/customers/acme/suspend"))["state"] == "suspended"
    assert _hold(provider, "first") == 402
    taken = provider.send(provider.event(1000))
    assert (taken["accepted"], taken["balances"]["acme"]["state"]) == (1, "suspended")

    assert body(provider.api.post("/v1/customers/acme/unsuspend"))["state"] == "ok"
    assert _hold(provider, "second") == 201
    assert provider.api.post("/v1/customers/nobody/suspend").status_code == 404


def test_the_desk_suspends_and_lifts(provider: Provider, client: FlaskClient) -> None:
    operator()
    sign_in(client, "staff@tegoed.example")
    token = {"csrf_token": token_of(client.get("/desk/customers/acme"))}

    assert client.post("/desk/customers/acme/suspend", data=token).status_code == 303
    assert provider.balance()["state"] == "suspended"
    assert "Lift suspension" in client.get("/desk/customers/acme").text
    client.post("/desk/customers/acme/unsuspend", data=token)
    assert provider.balance()["state"] == "exhausted"

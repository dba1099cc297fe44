"""Customers over the API: made once, changed carefully, refused with words that help."""

from typing import Any

import pytest
from flask.testing import FlaskClient

ACME = {
    "reference": "acme",
    "name": "Acme B.V.",
    "email": "boekhouding@acme.nl",
    "kind": "business",
    "country": "NL",
    "locale": "nl",
    "address": {"line1": "Prinsengracht 2", "postal_code": "1015 DV", "city": "Amsterdam"},
}


def test_a_customer_is_made_read_and_changed(api: FlaskClient) -> None:
    made = api.post("/v1/customers", json=ACME)
    assert made.status_code == 201
    assert made.json is not None
    assert made.json["currency"] == "EUR"
    assert made.json["address"]["city"] == "Amsterdam"
    changed = api.patch("/v1/customers/acme", json={"locale": "en", "address": {"city": "Utrecht"}})
    assert changed.json is not None
    assert (changed.json["locale"], changed.json["address"]["city"]) == ("en", "Utrecht")
    assert changed.json["address"]["line1"] == "Prinsengracht 2"
    assert api.get("/v1/customers/acme").json == changed.json


def test_a_new_customer_has_an_empty_balance(api: FlaskClient) -> None:
    api.post("/v1/customers", json=ACME)
    balance = api.get("/v1/customers/acme/balance").json
    assert balance is not None
    assert balance["available"] == {"value": "0.00", "currency": "EUR"}
    assert set(balance) == {
        "available", "prepaid", "credits", "promotional", "held", "receivable", "overdraft", "state",
    }  # fmt: skip
    assert balance["state"] == "exhausted"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reference": "white space"}, "reference"),
        ({"reference": "house"}, "reference"),
        ({"reference": "a" * 65}, "reference"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"email": "nobody"}, "email"),
        ({"kind": "house"}, "kind"),
        ({"country": "XX"}, "country"),
        ({"country": "nl"}, "country"),
        ({"locale": "de"}, "locale"),
        ({"currency": "USD"}, "currency"),
        ({"vat_number": "NL123"}, "vat_number"),
        ({"address": {"street": "x"}}, "address"),
        ({"payment_term_days": -1}, "payment_term_days"),
        ({"is_operator": True}, "is_operator"),
    ],
)
def test_a_wrong_field_names_itself_and_makes_nothing(
    api: FlaskClient, change: dict[str, Any], field: str
) -> None:
    refused = api.post("/v1/customers", json=ACME | change)
    assert refused.status_code == 422
    assert refused.mimetype == "application/problem+json"
    assert refused.json is not None
    assert refused.json["field"] == field
    assert api.get("/v1/customers/acme").status_code == 404


def test_a_reference_is_taken_once_and_never_changes(api: FlaskClient) -> None:
    api.post("/v1/customers", json=ACME)
    again = api.post("/v1/customers", json=ACME)
    assert again.status_code == 409
    assert again.json is not None
    assert again.json["code"] == "reference_taken"
    assert api.patch("/v1/customers/acme", json={"reference": "other"}).status_code == 422


def test_the_house_is_nobodys_customer(api: FlaskClient) -> None:
    assert api.get("/v1/customers/house").status_code == 404
    assert api.get("/v1/customers/house/balance").status_code == 404


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic x", "Bearer tgd_abc_def"])
def test_without_a_valid_key_nothing_is_told(client: FlaskClient, header: str | None) -> None:
    answer = client.get("/v1/customers/acme", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_grant_needs_an_idempotency_key_and_is_given_once(api: FlaskClient) -> None:
    api.post("/v1/customers", json=ACME)
    grant = {"amount": {"value": "5.00", "currency": "EUR"}, "reason": "welcome"}
    assert api.post("/v1/customers/acme/grants", json=grant).status_code == 400
    first = api.post("/v1/customers/acme/grants", json=grant, headers={"Idempotency-Key": "k1"})
    again = api.post("/v1/customers/acme/grants", json=grant, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"
    other = api.post(
        "/v1/customers/acme/grants", json=grant | {"reason": "x"}, headers={"Idempotency-Key": "k1"}
    )
    assert other.status_code == 409
    balance = api.get("/v1/customers/acme/balance").json
    assert balance is not None
    assert balance["promotional"]["value"] == "5.00"


def test_a_refusal_is_kept_for_its_key_too(api: FlaskClient) -> None:
    api.post("/v1/customers", json=ACME)
    wrong = {"amount": {"value": "-5.00", "currency": "EUR"}}
    for _ in range(2):
        refused = api.post("/v1/customers/acme/grants", json=wrong, headers={"Idempotency-Key": "k1"})
        assert refused.status_code == 422
        assert refused.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"a": "\xff"}', "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 422, "invalid_request"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b" " * (17 * 1024 * 1024), "application/json", 413, "too_large"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(
    api: FlaskClient, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = api.post("/v1/customers", data=body, content_type=content_type)
    assert answer.status_code == status
    assert answer.json is not None
    assert answer.json["code"] == code


def test_errors_speak_dutch_when_asked(api: FlaskClient) -> None:
    answer = api.get("/v1/customers/nobody", headers={"Accept-Language": "nl"})
    assert answer.json is not None
    assert answer.json["title"] == "Er is geen klant met dit klantnummer."


def test_transactions_are_listed_newest_first_in_pages(api: FlaskClient) -> None:
    api.post("/v1/customers", json=ACME)
    for number in range(3):
        grant = {"amount": {"value": f"{number + 1}.00", "currency": "EUR"}}
        api.post("/v1/customers/acme/grants", json=grant, headers={"Idempotency-Key": f"k{number}"})
    first = api.get("/v1/customers/acme/transactions?limit=2").json
    assert first is not None
    assert [row["amount"]["value"] for row in first["data"]] == ["3.00", "2.00"]
    rest = api.get(f"/v1/customers/acme/transactions?limit=2&cursor={first['next_cursor']}").json
    assert rest is not None
    assert [row["balance_after"]["value"] for row in rest["data"]] == ["1.00"]
    assert rest["next_cursor"] is None
    assert api.get("/v1/customers/acme/transactions?limit=0").status_code == 422
    assert api.get("/v1/customers/acme/transactions?cursor=x").status_code == 422

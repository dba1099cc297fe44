"""Signing in and out: by password, by code, without telling who is known, into a fresh session."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.customers.views import own_page
from tests.fixtures.outside import Mailbox
from tests.portal.people import customer_with_user, sign_in, token_of


def signed_in(client: FlaskClient) -> bool:
    return client.get("/transactions").status_code == 200


def test_the_right_password_opens_the_page_that_was_asked_for(app: Flask, client: FlaskClient) -> None:
    customer_with_user()
    turned_away = client.get("/transactions?before=2026-11-20")
    assert turned_away.status_code == 302
    assert turned_away.location.startswith("/sign-in?next=")

    answer = sign_in(client, "acme@tegoed.example", target="/transactions?before=2026-11-20")

    assert answer.status_code == 303
    assert answer.location == "/transactions?before=2026-11-20"
    assert signed_in(client)


def test_a_wrong_password_and_an_unknown_address_read_the_same(app: Flask, client: FlaskClient) -> None:
    customer_with_user()

    wrong = sign_in(client, "acme@tegoed.example", password="wrong")
    unknown = sign_in(client, "nobody@tegoed.example", password="wrong")

    assert (wrong.status_code, unknown.status_code) == (200, 200)
    strip = [re.sub(r'value="[^"]*"', "", page.text) for page in (wrong, unknown)]
    assert strip[0] == strip[1]
    assert not signed_in(client)


def test_a_form_without_its_token_is_refused(app: Flask, client: FlaskClient) -> None:
    customer_with_user()

    answer = client.post("/sign-in", data={"email": "acme@tegoed.example", "password": "x"})

    assert answer.status_code == 400
    assert not signed_in(client)


def test_a_sign_in_keeps_nothing_of_the_session_before_it(app: Flask, client: FlaskClient) -> None:
    customer_with_user()
    with client.session_transaction() as before:
        before["planted"] = "by somebody else"

    sign_in(client, "acme@tegoed.example")

    with client.session_transaction() as after:
        assert "planted" not in after
        assert after["_user_id"]


def ask_code(client: FlaskClient, email: str) -> str:
    page = client.get("/sign-in/code")
    answer = client.post("/sign-in/code", data={"csrf_token": token_of(page), "email": email})
    assert answer.status_code == 302
    return client.get(answer.location).text


def test_six_digits_by_mail_sign_in_once(
    app: Flask, client: FlaskClient, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    customer_with_user()
    page = ask_code(client, "acme@tegoed.example")
    run_jobs()
    (mail,) = smtp.messages
    code = re.search(r"\b\d{6}\b", str(mail["Subject"]))
    assert code

    data = {"csrf_token": re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page)[0]}
    spaced = f"{code[0][:3]} {code[0][3:]}"
    answer = client.post("/sign-in/code/enter", data=data | {"code": spaced})

    assert answer.status_code == 303
    assert signed_in(client)
    other = app.test_client()
    other.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    again = ask_code(other, "acme@tegoed.example")
    data = {"csrf_token": re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', again)[0]}
    refused = other.post("/sign-in/code/enter", data=data | {"code": code[0]})
    assert "This code is wrong or has expired. Request a new one." in refused.text
    assert not signed_in(other)


def test_the_page_after_asking_a_code_does_not_tell_whether_the_address_exists(
    app: Flask, client: FlaskClient, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    customer_with_user()

    known = ask_code(client, "acme@tegoed.example")
    unknown = ask_code(client, "nobody@tegoed.example")
    run_jobs()

    def plain(page: str, name: str) -> str:
        return re.sub(r'value="[^"]*"', "", page.replace(name, "…"))

    assert plain(known, "acme") == plain(unknown, "nobody")
    assert len(smtp.messages) == 1


def test_signing_out_ends_the_session(app: Flask, client: FlaskClient) -> None:
    customer_with_user()
    sign_in(client, "acme@tegoed.example")
    page = client.get("/transactions")

    answer = client.post("/sign-out", data={"csrf_token": token_of(page)})

    assert answer.location == "/sign-in"
    assert not signed_in(client)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "transactions",
        "/x\\..\\y",
        "/a\r\nSet-Cookie: x=1",
        "",
        None,
    ],
)
def test_a_sign_in_never_leads_to_somebody_elses_page(app: Flask, target: str | None) -> None:
    with app.test_request_context("/"):
        assert own_page(target) == "/"


def test_the_language_switch_keeps_the_page_and_is_remembered(app: Flask, client: FlaskClient) -> None:
    customer_with_user(locale="en")
    sign_in(client, "acme@tegoed.example")
    page = client.get("/transactions?before=2026-11-20")
    assert '<html lang="en">' in page.text

    answer = client.post(
        "/language",
        data={"csrf_token": token_of(page), "locale": "nl", "next": "/transactions?before=2026-11-20"},
    )

    assert answer.location == "/transactions?before=2026-11-20"
    assert '<html lang="nl">' in client.get(answer.location).text
    elsewhere = app.test_client()
    sign_in(elsewhere, "acme@tegoed.example")
    assert '<html lang="nl">' in elsewhere.get("/transactions").text


def test_a_language_we_do_not_speak_changes_nothing(app: Flask, client: FlaskClient) -> None:
    page = client.get("/sign-in", headers={"Accept-Language": "nl"})

    client.post("/language", data={"csrf_token": token_of(page), "locale": "xx", "next": "/sign-in"})

    assert '<html lang="nl">' in client.get("/sign-in", headers={"Accept-Language": "nl"}).text

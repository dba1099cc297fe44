"""What attackers try on every page: forms without their token, fixed sessions, foreign targets, guesses."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy.orm import class_mapper

from app.clock import utc_now
from app.config import Settings
from app.config import settings as settings_now
from app.customers import jobs, passwords, sign_in, user_sessions
from app.customers.models import Customer, User
from app.customers.people_models import UserSession
from app.db import db, in_unit_of_work
from app.factory import create_app
from app.i18n import LANGUAGES
from tests.fixtures.outside import Mailbox
from tests.fixtures.product import Clock
from tests.portal.people import PASSWORD, customer_with_user, enter, operator, token_of
from tests.portal.people import sign_in as sign_in_by_form
from tests.routes import KIND_OF


def close(other: Flask) -> None:
    """The connections of an application beside the test's own."""
    with other.app_context():
        db.engine.dispose()


def test_no_form_of_a_page_is_taken_without_its_token(app: Flask) -> None:
    _, owner = customer_with_user("acme")
    staff = operator()
    clients = {"owner": app.test_client(), "staff": app.test_client()}
    enter(clients["owner"], owner)
    enter(clients["staff"], staff)
    taken = []
    made_up = {"int": 1, "integer": 1, "uuid": "6f1d7c1e-7f61-4a44-9a4f-0e8ad1d5c9a1", "any": "up"}
    for rule in app.url_map.iter_rules():
        kind = KIND_OF.get(rule.endpoint)
        if "POST" not in (rule.methods or ()) or kind in ("key", "hook", None):
            continue
        values: dict[str, Any] = {
            name: made_up.get(type(rule._converters[name]).__name__.removesuffix("Converter").lower(), "x")
            for name in rule.arguments
        }
        with app.test_request_context():
            address = url_for(rule.endpoint, **values)
        client = clients["staff" if kind == "staff" else "owner"]
        taken += [
            f"{rule.rule} with {data}"
            for data in ({}, {"csrf_token": "made-up"})
            if client.post(address, data=data).status_code != 400
        ]
    assert not taken, "\n".join(taken)


def test_a_token_of_another_session_is_worth_nothing(app: Flask, client: FlaskClient) -> None:
    _, owner = customer_with_user("acme")
    enter(client, owner)
    theirs = token_of(app.test_client().get("/sign-in"))
    assert client.post("/sign-out", data={"csrf_token": theirs}).status_code == 400


@pytest.mark.parametrize(("who", "page"), [("acme", "/overview"), ("staff", "/desk/customers")])
def test_a_session_from_before_the_sign_in_is_worth_nothing_after_it(
    app: Flask, client: FlaskClient, who: str, page: str
) -> None:
    """Whoever planted a cookie knows nothing of the session that follows."""
    customer_with_user("acme")
    operator()
    client.get("/sign-in")
    with client.session_transaction() as session:
        planted = dict(session) | {"customer_id": 4711, "planted": "yes"}
        session.update(planted)
    sign_in_by_form(client, f"{who}@tegoed.example")
    assert client.get(page).status_code == 200
    with client.session_transaction() as session:
        after = dict(session)
    assert "planted" not in after
    assert "customer_id" not in after
    assert after.get("csrf_token") != planted["csrf_token"]
    attacker = app.test_client()
    with attacker.session_transaction() as session:
        session.update(planted)
    assert attacker.get(page).status_code == 302


def test_each_sign_in_has_a_session_of_its_own(app: Flask) -> None:
    _, owner = customer_with_user("acme")
    secrets = set()
    for _ in range(2):
        client = app.test_client()
        sign_in_by_form(client, owner.email)
        with client.session_transaction() as session:
            secrets.add(session["session"])
    assert len(secrets) == 2
    stored = {row.session_id for row in db.session.scalars(db.select(UserSession))}
    assert len(stored) == 2
    assert not stored & secrets


def test_the_cookie_stays_with_us_and_goes_by_https_alone(app: Flask, settings: Settings) -> None:
    customer_with_user("acme")
    over_https = create_app(replace(settings, public_url="https://tegoed.example"))
    over_https.testing = True
    answer = over_https.test_client().get("/sign-in", base_url="https://tegoed.example")
    close(over_https)
    flags = {part.strip().split("=")[0] for part in answer.headers["Set-Cookie"].split(";")}
    assert {"HttpOnly", "Secure", "SameSite", "Path"} <= flags
    assert "Domain" not in flags
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_no_way_in_leads_to_somebody_elses_page(app: Flask, target: str) -> None:
    customer_with_user("acme")
    client = app.test_client()
    assert sign_in_by_form(client, "acme@tegoed.example", target=target).location == "/"
    assert client.get("/sign-in", query_string={"next": target}).location == "/"
    page = client.get("/account")
    moved = client.post("/language", data={"csrf_token": token_of(page), "locale": "nl", "next": target})
    assert moved.location == "/"


MORE: dict[str, str] = {
    "reference": "other",
    "status": "closed",
    "kind": "consumer",
    "email": "thief@evil.example",
    "customer_id": "4711",
    "provisional_limit_micros": "999000000",
    "is_operator": "y",
    "staff_role": "operator",
    "role": "owner",
}


def facts(row: Customer | User) -> dict[str, Any]:
    """What the database has of it now."""
    db.session.rollback()
    db.session.refresh(row)
    return {column.key: getattr(row, column.key) for column in class_mapper(type(row)).column_attrs}


def test_a_form_changes_what_it_shows_and_nothing_else(app: Flask, client: FlaskClient) -> None:
    acme, owner = customer_with_user("acme")
    enter(client, owner)
    customer = db.session.get_one(Customer, acme)
    before, person = facts(customer), facts(owner)
    form = {"name": "Acme Print", "line1": "Kade 1", "postal_code": "1011 AB", "city": "Amsterdam"}
    form |= {"country": "NL", "locale": "en", "csrf_token": token_of(client.get("/account"))}
    assert client.post("/account", data=MORE | form).status_code == 303
    after = facts(customer)
    assert {name for name in after if after[name] != before[name]} == {
        "name", "address_line1", "postal_code", "city"
    }  # fmt: skip
    assert facts(owner) == person
    page = client.get("/account/security")
    password = {"current": PASSWORD, "password": "a sentence that nobody guesses"}
    password["again"] = password["password"]
    data = MORE | password | {"csrf_token": token_of(page)}
    assert client.post("/account/security/password", data=data).status_code == 303
    changed = facts(owner)
    assert {name for name in changed if changed[name] != person[name]} <= {"password_hash", "session_version"}


def test_a_form_of_the_desk_changes_what_it_shows_and_nothing_else(app: Flask, client: FlaskClient) -> None:
    enter(client, operator())
    before = settings_now()
    page = client.get("/desk/settings")
    (form,) = [f for f in html.document_fromstring(page.text).forms if f.action == "/desk/settings"]
    more = {
        "adjustment_limit_micros": "999000000",
        "secret_key": "x" * 40,
        "mollie_api_key": "live_theirs",
        "creditor_id": "NL00THIEF",
        "logo": "0" * 64,
    }
    data = dict(form.form_values()) | more | {"city": "Utrecht"}
    assert client.post("/desk/settings", data=data).status_code == 303
    assert settings_now() == replace(before, provider=replace(before.provider, city="Utrecht"))


def test_the_work_for_an_unknown_address_is_about_the_same(app: Flask) -> None:
    """Half or double would tell; the exact time is the machine's."""
    customer_with_user("acme")

    def seconds(address: str, act: Callable[[str], object]) -> float:
        found = []
        for _ in range(4):
            begun = time.perf_counter()
            in_unit_of_work(act, address)
            found.append(time.perf_counter() - begun)
        return median(found)

    def try_password(address: str) -> object:
        return sign_in.authenticate(address, "wrong")

    known, unknown = (seconds(a, try_password) for a in ("acme@tegoed.example", "nobody@tegoed.example"))
    assert 1 / 3 < known / unknown < 3


def test_one_place_may_not_try_many_addresses(app: Flask, client: FlaskClient) -> None:
    page = client.get("/password/forgotten")
    form = {"csrf_token": token_of(page)}
    statuses = [
        client.post("/password/forgotten", data=form | {"email": f"a{number}@tegoed.example"}).status_code
        for number in range(101)
    ]
    assert set(statuses[:100]) == {200}
    assert statuses[100] == 429


def test_the_visitors_address_is_taken_from_our_own_proxy_alone(app: Flask, settings: Settings) -> None:
    customer_with_user("acme")
    for proxies, expected in ((0, "192.0.2.1"), (1, "198.51.100.7")):
        behind = create_app(replace(settings, trusted_proxies=proxies))
        behind.testing = True
        browser = behind.test_client()
        browser.environ_base |= {
            "REMOTE_ADDR": "192.0.2.1",
            "HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7",
        }
        sign_in_by_form(browser, "acme@tegoed.example")
        close(behind)
        db.session.rollback()
        newest = db.session.scalars(
            db.select(UserSession).order_by(UserSession.created_at.desc()).limit(1)
        ).one()
        assert newest.ip_address == expected


def test_what_is_long_over_is_forgotten(app: Flask, client: FlaskClient, clock: Clock) -> None:
    _, owner = customer_with_user("acme")
    enter(client, owner)
    in_unit_of_work(sign_in.send_sign_in_code, owner.email)
    clock.travel_to(utc_now() + timedelta(days=91))
    jobs.forget_old()
    assert user_sessions.devices(owner.user_id, None) == []
    assert client.get("/overview").status_code == 302


def test_mails_of_people_are_written_in_both_languages(
    app: Flask, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    subjects = {"nl": "Kies een nieuw wachtwoord", "en": "Choose a new password"}
    for language in LANGUAGES:
        _, user = customer_with_user(f"acme-{language}", locale=language)
        in_unit_of_work(passwords.send_link, user.email)
        run_jobs()
        message = smtp.messages[-1]
        assert message["Subject"] == subjects[language]
        assert re.search(r"http://127\.0\.0\.1:\d+/password/choose/\S+", message.as_string())

"""Single sign-on: who a valid answer is, and that nothing else is believed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from werkzeug.test import TestResponse

from app.config import Settings
from app.customers import authenticators, oidc, sign_in, single_sign_on, team
from app.customers.models import User
from app.db import db, in_unit_of_work
from tests.fixtures.outside import Mailbox
from tests.fixtures.single_sign_on import CLIENT_ID, SignOnProvider
from tests.portal.people import customer_with_user, enter, operator, plain, token_of

AT = "/sign-in/with/oidc"


def signed_in(client: FlaskClient) -> bool:
    return client.get("/account/security").status_code == 200


def person(email: str) -> User | None:
    db.session.rollback()
    return sign_in.find_user(email)


def test_a_verified_address_signs_in_who_has_it_and_is_remembered_by_its_subject(
    client: FlaskClient, sign_on: SignOnProvider
) -> None:
    customer_with_user("acme")
    sign_on.person = {"sub": "a-1", "email": "ACME@tegoed.example", "email_verified": True, "name": "Anna"}
    assert "Keycloak" in client.get("/sign-in").text

    answer = sign_on.follow(client, client.get(f"{AT}?next=/transactions"))

    assert (answer.status_code, answer.location) == (303, "/transactions")
    assert client.get("/transactions").status_code == 200
    # The subject is who it is from now on, whatever the address becomes.
    sign_on.person |= {"email": "other@elsewhere.example", "email_verified": False}
    again = client.application.test_client()
    assert sign_on.follow(again, again.get(AT)).status_code == 303
    assert again.get("/transactions").status_code == 200


def test_an_address_that_is_not_verified_makes_nobody_somebody(
    client: FlaskClient, sign_on: SignOnProvider
) -> None:
    customer_with_user("acme")
    sign_on.person = {"sub": "thief", "email": "acme@tegoed.example", "name": "Thief"}

    answer = sign_on.follow(client, client.get(AT))

    assert answer.status_code == 403
    assert not signed_in(client)


def test_a_new_sign_in_becomes_ones_own_after_the_authenticators_code_and_asks_no_more_then(
    app: Flask, client: FlaskClient, sign_on: SignOnProvider
) -> None:
    _, anna = customer_with_user("acme")
    codes = in_unit_of_work(_with_authenticator, anna.user_id)
    sign_on.person = {"sub": "a-1", "email": "acme@tegoed.example", "email_verified": True}

    answer = sign_on.follow(client, client.get(f"{AT}?next=/transactions"))
    assert (answer.status_code, answer.location) == (303, "/sign-in/second")
    assert not signed_in(client)
    assert not _identities(anna.user_id)
    assert _second_step(client, "000000").status_code == 200
    assert not signed_in(client)
    assert not _identities(anna.user_id)

    answer = _second_step(client, codes[0])
    assert (answer.status_code, answer.location) == (303, "/transactions")
    assert signed_in(client)
    assert _identities(anna.user_id) == ["a-1"]
    later = app.test_client()
    assert sign_on.follow(later, later.get(AT)).location != "/sign-in/second"
    assert signed_in(later)


def test_a_sign_in_that_became_anothers_meanwhile_is_not_tied_by_the_code(
    app: Flask, client: FlaskClient, sign_on: SignOnProvider
) -> None:
    _, anna = customer_with_user("acme")
    _, bo = customer_with_user("globex")
    codes = in_unit_of_work(_with_authenticator, anna.user_id)
    sign_on.person = {"sub": "a-1", "email": "acme@tegoed.example", "email_verified": True}
    sign_on.follow(client, client.get(AT))
    other = app.test_client()
    enter(other, bo)
    token = token_of(other.get("/account/security"))
    sign_on.follow(other, other.post("/account/security/connect/oidc", data={"csrf_token": token}))

    assert _second_step(client, codes[0]).status_code == 409

    assert not signed_in(client)
    assert _identities(bo.user_id) == ["a-1"]


def test_an_invitation_waits_for_the_authenticators_code_as_well(
    client: FlaskClient, sign_on: SignOnProvider, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    acme, anna = customer_with_user("acme")
    _, bo = customer_with_user("globex")
    codes = in_unit_of_work(_with_authenticator, bo.user_id)
    in_unit_of_work(team.invite, acme, "globex@tegoed.example", "billing", by=anna)
    run_jobs()
    token = plain(smtp.messages[-1]).split("/invitation/")[1].split()[0]
    sign_on.person = {"sub": "b-1", "email": "globex@tegoed.example", "email_verified": True}

    answer = sign_on.follow(client, client.get(f"{AT}?invitation={token}"))
    assert answer.location == "/sign-in/second"
    assert len(team.members(acme)) == 1

    answer = _second_step(client, codes[0])
    assert answer.location == f"/invitation/{token}"
    page = client.get(answer.location)
    client.post(f"/invitation/{token}/accept", data={"csrf_token": token_of(page)})
    db.session.rollback()
    assert {one.email for one in team.members(acme)} == {"acme@tegoed.example", "globex@tegoed.example"}


def _second_step(client: FlaskClient, code: str) -> TestResponse:
    page = client.get("/sign-in/second")
    return client.post("/sign-in/second", data={"csrf_token": token_of(page), "code": code})


def _identities(user_id: int) -> list[str]:
    db.session.rollback()
    return [one.subject for one in single_sign_on.identities_of(user_id)]


def _with_authenticator(user_id: int) -> list[str]:
    user = db.session.get_one(User, user_id)
    authenticators.begin(user).confirmed_at = user.created_at
    return authenticators.new_recovery_codes(user)


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another's"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"iss": "https://evil.example"},
        {"exp": 1_600_000_000},
        {"sub": None},
        {"state": "made-up"},
    ],
    ids=lambda lies: "-".join(f"{name}:{value}" for name, value in lies.items()),
)
def test_a_token_that_is_wrong_in_one_thing_is_refused(
    client: FlaskClient, sign_on: SignOnProvider, lies: dict[str, Any]
) -> None:
    customer_with_user("acme")
    sign_on.person = {"sub": "a-1", "email": "acme@tegoed.example", "email_verified": True}
    if "sub" in lies:
        del sign_on.person["sub"]
    sign_on.lies = {name: value for name, value in lies.items() if value is not None}
    if lies == {"nonce": None}:
        sign_on.lies = {"nonce": ""}

    answer = sign_on.follow(client, client.get(AT))

    assert answer.status_code == 403
    assert not signed_in(client)


def test_a_token_signed_by_somebody_else_is_refused(client: FlaskClient, sign_on: SignOnProvider) -> None:
    customer_with_user("acme")
    sign_on.person = {"sub": "a-1", "email": "acme@tegoed.example", "email_verified": True}
    sign_on.signs_with = RSAKey.generate_key(2048, {"kid": "one"})

    assert sign_on.follow(client, client.get(AT)).status_code == 403
    assert not signed_in(client)


def test_an_answer_in_another_browser_is_refused(
    app: Flask, client: FlaskClient, sign_on: SignOnProvider
) -> None:
    customer_with_user("acme")
    sign_on.person = {"sub": "a-1", "email": "acme@tegoed.example", "email_verified": True}
    victim = app.test_client()

    assert sign_on.follow(victim, client.get(AT)).status_code == 403
    assert not signed_in(victim)


def test_who_says_no_at_the_provider_is_told_so(client: FlaskClient, sign_on: SignOnProvider) -> None:
    client.get(AT)
    answer = client.get(f"{AT}/done?error=access_denied&state=x")
    assert answer.status_code == 403


def test_a_provider_that_cannot_be_reached_breaks_nothing(
    app: Flask, client: FlaskClient, settings: Settings
) -> None:
    oidc.init_app(app, replace(settings, oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT_ID))
    assert client.get(AT).status_code == 403
    assert client.get("/sign-in/with/nobody").status_code == 404


def test_a_new_person_is_told_how_to_ask_until_the_operator_ties_them(
    app: Flask, client: FlaskClient, sign_on: SignOnProvider
) -> None:
    acme, _ = customer_with_user("acme")
    sign_on.person = {"sub": "n-1", "email": "new@acme.example", "email_verified": True, "name": "Nina"}
    answer = sign_on.follow(client, client.get(AT))
    assert answer.status_code == 303
    waiting = client.get("/overview")
    assert waiting.status_code == 403

    staff = app.test_client()
    enter(staff, operator())
    page = staff.get("/desk/people")
    assert "new@acme.example" in page.text
    tied = staff.post(
        "/desk/people",
        data={
            "csrf_token": token_of(page),
            "issuer": sign_on.url,
            "subject": "n-1",
            "reference": "acme",
            "role": "viewer",
        },
    )
    assert tied.status_code == 303
    assert client.get("/overview").status_code == 200
    assert "Nobody is waiting." in staff.get("/desk/people").text
    assert len(team.members(acme)) == 2


def test_staff_makes_no_account_under_an_address_that_nobody_proved(
    app: Flask, client: FlaskClient, sign_on: SignOnProvider
) -> None:
    acme, _ = customer_with_user("acme")
    sign_on.person = {"sub": "thief", "email": "boss@acme.example", "name": "The Boss"}
    assert sign_on.follow(client, client.get(AT)).status_code == 403
    staff = app.test_client()
    enter(staff, operator())
    page = staff.get("/desk/people")
    assert "boss@acme.example" in page.text
    assert 'name="reference"' not in page.text

    tied = staff.post(
        "/desk/people",
        data={
            "csrf_token": token_of(page),
            "issuer": sign_on.url,
            "subject": "thief",
            "reference": "acme",
            "role": "owner",
        },
    )

    assert tied.status_code == 409
    assert "Nobody has proved that this address is theirs: invite the person instead." in tied.text
    assert person("boss@acme.example") is None
    assert len(team.members(acme)) == 1


def test_a_signed_in_person_connects_a_sign_in_and_no_one_else_takes_it(
    app: Flask, client: FlaskClient, sign_on: SignOnProvider
) -> None:
    _, anna = customer_with_user("acme")
    _, bo = customer_with_user("globex")
    sign_on.person = {"sub": "m-1", "email": "somebody@work.example"}
    enter(client, anna)
    page = client.get("/account/security")
    departure = client.post("/account/security/connect/oidc", data={"csrf_token": token_of(page)})
    assert sign_on.follow(client, departure).location == "/account/security"
    assert "somebody@work.example" in client.get("/account/security").text

    other = app.test_client()
    enter(other, bo)
    page = other.get("/account/security")
    departure = other.post("/account/security/connect/oidc", data={"csrf_token": token_of(page)})
    assert sign_on.follow(other, departure).status_code == 409

    fresh = app.test_client()
    sign_on.follow(fresh, fresh.get(AT))
    assert fresh.get("/overview").status_code == 200
    page = fresh.get("/account/security")
    fresh.post(
        "/account/security/disconnect",
        data={"csrf_token": token_of(page), "issuer": sign_on.url, "subject": "m-1"},
    )
    later = app.test_client()
    assert sign_on.follow(later, later.get(AT)).status_code == 403


def test_connecting_needs_the_forms_token(client: FlaskClient, sign_on: SignOnProvider) -> None:
    _, anna = customer_with_user("acme")
    enter(client, anna)
    assert client.post("/account/security/connect/oidc").status_code == 400


def test_an_invitation_is_accepted_by_single_sign_on(
    client: FlaskClient, sign_on: SignOnProvider, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    acme, anna = customer_with_user("acme")
    in_unit_of_work(team.invite, acme, "nina@acme.example", "billing", by=anna)
    run_jobs()
    token = plain(smtp.messages[-1]).split("/invitation/")[1].split()[0]
    sign_on.person = {"sub": "n-1", "email": "nina@gmail.example", "name": "Nina"}

    answer = sign_on.follow(client, client.get(f"{AT}?invitation={token}"))

    assert answer.status_code == 303
    assert client.get("/").location == "/invoices"
    nina = person("nina@acme.example")
    assert nina is not None
    assert [one.subject for one in single_sign_on.identities_of(nina.user_id)] == ["n-1"]

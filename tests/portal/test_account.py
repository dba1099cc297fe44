"""The account: details that only an owner changes, mails one chooses, keys, security, leaving."""

import re
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clock import utc_now
from app.customers import (
    addressees,
    auth,
    authenticators,
    closing,
    mailing,
    passwords,
    sign_in,
    user_sessions,
)
from app.customers.models import Customer, User
from app.customers.people_models import Authenticator
from app.customers.service import find_customer
from app.db import db, in_unit_of_work
from app.jobs import connect
from tests.fixtures.outside import Mailbox
from tests.fixtures.product import Clock
from tests.portal.people import PASSWORD, customer_with_user, enter, member, operator, plain, token_of
from tests.portal.people import sign_in as sign_in_by_form

DETAILS = {
    "name": "Acme Print B.V.",
    "line1": "Kade 1",
    "postal_code": "1011 AB",
    "city": "Amsterdam",
    "country": "NL",
    "vat_number": "NL004495445B01",
    "purchase_order": "PO 7",
    "locale": "nl",
}
NEW = "a sentence that nobody guesses"


@pytest.fixture
def owner(app: Flask, client: FlaskClient) -> User:
    _, user = customer_with_user("acme")
    enter(client, user)
    return user


def acme() -> Customer:
    db.session.rollback()
    return find_customer("acme")


def save(client: FlaskClient, path: str, shown: str = "", **fields: str) -> tuple[int, str]:
    page = client.get(shown or path)
    answer = client.post(path, data={"csrf_token": token_of(page), **fields})
    return answer.status_code, answer.text


def test_an_owner_changes_the_details_that_invoices_bear(client: FlaskClient, owner: User) -> None:
    assert save(client, "/account", **DETAILS)[0] == 303
    customer = acme()
    assert (customer.name, customer.city, customer.vat_number) == (
        "Acme Print B.V.",
        "Amsterdam",
        "NL004495445B01",
    )
    assert (customer.purchase_order, customer.locale) == ("PO 7", "nl")


def test_a_wrong_vat_number_is_told_beside_its_field_and_nothing_is_saved(
    client: FlaskClient, owner: User
) -> None:
    status, page = save(client, "/account", **DETAILS | {"vat_number": "NL123"})
    assert status == 422
    assert "This is not a valid VAT number." in page
    assert acme().name == "Acme"


def test_what_is_no_field_of_the_form_is_not_changed(client: FlaskClient, owner: User) -> None:
    extra = {
        "reference": "globex",
        "status": "closed",
        "kind": "consumer",
        "payment_term_days": "120",
        "provisional_limit_micros": "1000000000",
        "email": "thief@evil.example",
        "resells_telecom": "true",
        "currency": "USD",
        "customer_id": "1",
    }
    assert save(client, "/account", **DETAILS | extra)[0] == 303
    customer = acme()
    assert (customer.reference, customer.status, customer.kind) == ("acme", "active", "business")
    assert (customer.payment_term_days, customer.provisional_limit_micros) == (None, 0)
    assert (customer.email, customer.currency) == ("acme@tegoed.example", "EUR")


def test_each_chooses_which_mails_they_get_a_copy_of(app: Flask, client: FlaskClient, owner: User) -> None:
    customer_id = acme().customer_id
    bo = member(customer_id, "viewer", "bo@acme.example")
    billing = member(customer_id, "billing", "kim@acme.example")
    his = app.test_client()
    enter(his, bo)
    page = his.get("/account")
    data = {"csrf_token": token_of(page), "topics": ["balance", "payments"]}
    assert his.post("/account/notifications", data=data).status_code == 303
    assert [one.email for one in mailing.readers(customer_id, "balance")] == ["bo@acme.example"]
    assert [one.email for one in mailing.readers(customer_id, "payments")] == [bo.email, billing.email]
    assert [one.email for one in mailing.readers(customer_id, "invoices")] == [billing.email]
    assert his.post("/account/notifications", data=data | {"topics": ["secrets"]}).status_code == 422
    # The customer's own address, and those of the team who wanted a copy.
    found = [one.email for one in addressees.recipients(acme(), "payments")]
    assert found == ["acme@tegoed.example", bo.email, billing.email]


def test_a_key_is_shown_once_to_its_owner_and_revoked(app: Flask, client: FlaskClient, owner: User) -> None:
    status, page = save(client, "/account/api-keys", name="Our shop", scope="read")
    found = re.search(r"tgd_\w+_[\w-]{20,}", page)
    assert status == 200
    assert found
    assert found[0] not in client.get("/account/api-keys").text
    program = app.test_client()
    program.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {found[0]}"
    assert program.get("/v1/customers/acme/balance").status_code == 200
    assert program.post("/v1/customers/acme/top-ups", json={}).status_code == 403
    key_id = found[0].split("_")[1]
    assert "today" in client.get("/account/api-keys").text

    assert save(client, f"/account/api-keys/{key_id}/revoke", "/account/api-keys")[0] == 303

    auth.forget_api_keys()
    assert program.get("/v1/customers/acme/balance").status_code == 401
    assert save(client, "/account/api-keys", name="x", scope="full")[0] == 422


def test_a_key_that_records_usage_does_so_for_its_own_customer_alone(app: Flask, owner: User) -> None:
    customer_with_user("globex")
    customer_id = acme().customer_id
    _, text = in_unit_of_work(auth.create_customer_key, customer_id, "x", "events", created_by=owner)
    program = app.test_client()
    program.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"

    def event(number: int, subject: str) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "tests",
            "type": "nothing.counted",
            "subject": subject,
            "time": utc_now().isoformat(),
            "data": {},
        }

    both = program.post("/v1/events", json=[event(1, "globex"), event(2, "acme")])
    codes = {row["id"]: row["code"] for row in both.json["rejected"]}  # type: ignore[index]
    # One's own is refused only because nothing counts it; another's does not exist.
    assert codes == {"e1": "unknown_customer", "e2": "no_meter"}
    single = program.post("/v1/events", json=event(3, "globex"))
    assert (single.status_code, single.json["code"]) == (404, "unknown_customer")  # type: ignore[index]
    assert program.get("/v1/customers/acme/balance").status_code == 403
    void = {"source": "tests", "id": "e1"}
    assert program.post("/v1/customers/globex/events/void", json=void).status_code == 404


def test_an_owner_asks_to_be_closed_once_and_may_withdraw_it(
    client: FlaskClient, owner: User, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    for _ in range(2):
        client.post(
            "/account/closing",
            data={"csrf_token": token_of(client.get("/account/closing")), "reason": "Too dear"},
        )
    run_jobs()
    (mail,) = smtp.messages
    assert mail["To"] == "support@tegoed.example"
    assert "Too dear" in plain(mail)
    customer_id = acme().customer_id
    assert closing.wish_of(customer_id)
    staff = client.application.test_client()
    enter(staff, operator())
    assert "Too dear" in staff.get("/desk/customers/acme/close").text
    assert save(client, "/account/closing/withdraw", "/account/closing")[0] == 303
    db.session.rollback()
    assert closing.wish_of(customer_id) is None


def test_a_new_password_needs_the_current_one_and_ends_the_other_sessions(
    app: Flask, client: FlaskClient, owner: User, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    elsewhere = app.test_client()
    enter(elsewhere, owner)
    change = "/account/security/password"
    wrong = save(client, change, "/account/security", current="wrong", password=NEW)
    assert wrong[0] == 403
    assert save(client, change, "/account/security", current=PASSWORD, password="short")[0] == 422
    assert elsewhere.get("/account").status_code == 200

    assert save(client, change, "/account/security", current=PASSWORD, password=NEW)[0] == 303

    assert client.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    run_jobs()
    assert smtp.messages[-1]["Subject"] == "Your password was changed"
    assert sign_in_by_form(elsewhere, owner.email, password=NEW).status_code == 303


def test_a_session_is_ended_from_another_one(app: Flask, client: FlaskClient, owner: User) -> None:
    phone = app.test_client()
    agent = "Mozilla/5.0 (iPhone) Safari/604"
    phone.environ_base["HTTP_USER_AGENT"] = agent
    sign_in_by_form(phone, owner.email)
    page = client.get("/account/security").text
    assert "Safari, iPhone" in page
    (other,) = [d for d in user_sessions.devices(owner.user_id, None) if d.name == "Safari, iPhone"]

    assert (
        save(client, "/account/security/sessions/end", "/account/security", session=other.session_id)[0]
        == 303
    )

    assert phone.get("/account").status_code == 302
    assert client.get("/account").status_code == 200


def test_another_persons_session_cannot_be_ended(app: Flask, client: FlaskClient, owner: User) -> None:
    _, bo = customer_with_user("globex")
    his = app.test_client()
    enter(his, bo)
    (session,) = user_sessions.devices(bo.user_id, None)
    save(client, "/account/security/sessions/end", "/account/security", session=session.session_id)
    assert his.get("/account").status_code == 200


def test_signing_out_everywhere_ends_this_session_too(app: Flask, client: FlaskClient, owner: User) -> None:
    elsewhere = app.test_client()
    enter(elsewhere, owner)
    save(client, "/account/security/sessions/end-all", "/account/security")
    assert client.get("/account").status_code == 302
    assert elsewhere.get("/account").status_code == 302


def test_a_sign_out_ends_the_session_even_for_who_kept_its_cookie(client: FlaskClient, owner: User) -> None:
    with client.session_transaction() as session:
        kept = dict(session)
    save(client, "/sign-out", "/account")
    with client.session_transaction() as session:
        session.update(kept)
    assert client.get("/account").status_code == 302


def test_two_steps_with_an_app_and_recovery_codes(
    app: Flask, owner: User, client: FlaskClient, clock: Clock
) -> None:
    page = client.get("/account/security/authenticator")
    assert "data:image/svg+xml" in page.text
    row = db.session.get_one(Authenticator, owner.user_id)
    secret = authenticators.secret_of(row)
    assert secret is not None
    assert secret not in row.secret
    totp = pyotp.TOTP(secret)
    form = {"csrf_token": token_of(page)}
    assert client.post("/account/security/authenticator", data=form | {"code": "000000"}).status_code == 422
    now = utc_now()
    shown = client.post("/account/security/authenticator", data=form | {"code": totp.at(now)})
    codes = re.findall(r"<code[^>]*>([a-z2-9]{5}-[a-z2-9]{5})<", shown.text)
    assert len(codes) == authenticators.RECOVERY_CODES

    def second_step(code: str) -> int:
        browser = app.test_client()
        first = sign_in_by_form(browser, owner.email)
        assert first.location == "/sign-in/second"
        assert browser.get("/account").status_code == 302
        step = browser.post(
            "/sign-in/second", data={"csrf_token": token_of(browser.get("/sign-in/second")), "code": code}
        )
        return browser.get("/account").status_code if step.status_code == 303 else 0

    # Once it is on, nobody is shown the secret again, whatever they send.
    again = client.post("/account/security/authenticator", data=form | {"code": "000000"})
    assert (again.status_code, secret[:4] in again.text) == (303, False)
    # The code that turned it on has been used.
    assert second_step(totp.at(now)) == 0
    clock.travel_to(now + timedelta(seconds=60))
    fresh = totp.at(utc_now())
    assert second_step(fresh) == 200
    assert second_step(fresh) == 0
    assert second_step(codes[0]) == 200
    assert second_step(codes[0]) == 0
    db.session.rollback()
    assert authenticators.codes_left(owner.user_id) == 9
    off = save(client, "/account/security/authenticator/off", "/account/security", code=codes[1].upper())
    assert off[0] == 303
    browser = app.test_client()
    assert sign_in_by_form(browser, owner.email).location == "/"


def test_a_mailed_code_is_followed_by_the_second_step_too(
    app: Flask, owner: User, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    def turn_on() -> None:
        authenticators.begin(db.session.get_one(User, owner.user_id)).confirmed_at = utc_now()

    in_unit_of_work(turn_on)
    browser = app.test_client()
    page = browser.get("/sign-in/code")
    asked = browser.post("/sign-in/code", data={"csrf_token": token_of(page), "email": owner.email})
    run_jobs()
    code = str(smtp.messages[-1]["Subject"])[:6]
    entered = browser.get(asked.location)
    answer = browser.post(asked.location, data={"csrf_token": token_of(entered), "code": code})
    assert answer.location == "/sign-in/second"
    assert browser.get("/account").status_code == 302


def test_many_wrong_codes_close_the_second_step(app: Flask, owner: User) -> None:
    def turn_on() -> None:
        authenticators.begin(db.session.get_one(User, owner.user_id)).confirmed_at = utc_now()

    in_unit_of_work(turn_on)
    browser = app.test_client()
    sign_in_by_form(browser, owner.email)
    form = {"csrf_token": token_of(browser.get("/sign-in/second")), "code": "000000"}
    tries = [browser.post("/sign-in/second", data=form).status_code for _ in range(11)]
    assert tries[-1] == 429


def test_a_forgotten_password_is_chosen_anew_by_a_link_that_works_once(
    app: Flask, client: FlaskClient, owner: User, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    stranger = app.test_client()
    page = stranger.get("/password/forgotten")

    def ask(email: str) -> str:
        answer = stranger.post("/password/forgotten", data={"csrf_token": token_of(page), "email": email})
        return re.sub(r'value="[^"]*"', "", answer.text.replace(email, "…"))

    assert ask(owner.email) == ask("nobody@tegoed.example")
    run_jobs()
    (mail,) = smtp.messages
    found = re.search(r"(/password/choose/\S+)", plain(mail))
    assert found
    form = {"csrf_token": token_of(stranger.get(found[1]))}
    easy = stranger.post(
        found[1], data=form | {"password": "aaaaaaaaaaaa"}, headers={"Accept-Language": "en"}
    )
    assert "This password is too easy to guess." in easy.text
    assert stranger.post(found[1], data=form | {"password": NEW}).status_code == 303
    assert client.get("/account").status_code == 302
    assert stranger.get(found[1]).status_code == 404
    assert sign_in_by_form(stranger, owner.email, password=NEW).status_code == 303


def test_a_password_link_expires_and_falls_with_a_change(
    client: FlaskClient, owner: User, clock: Clock, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    def mailed() -> str:
        in_unit_of_work(passwords.send_link, owner.email)
        run_jobs()
        found = re.search(r"(/password/choose/\S+)", plain(smtp.messages[-1]))
        assert found
        return found[1]

    first = mailed()
    in_unit_of_work(
        lambda: passwords.change(db.session.get_one(User, owner.user_id), PASSWORD, NEW, session_id="")
    )
    assert client.get(first).status_code == 404
    second = mailed()
    clock.travel_to(utc_now() + timedelta(hours=2))
    assert client.get(second).status_code == 404


def test_without_redis_people_sign_in_and_tries_are_still_counted(
    app: Flask, client: FlaskClient, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "redis", connect("redis://127.0.0.1:9"))
    assert in_unit_of_work(sign_in.authenticate, owner.email, PASSWORD)
    page = client.application.test_client()
    answers = [sign_in_by_form(page, "bo@acme.example", password="wrong").status_code for _ in range(11)]
    assert answers[0] == 200
    assert answers[-1] == 429

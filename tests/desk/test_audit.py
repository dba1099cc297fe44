"""The audit log: written with the change, never rewritten, secrets masked, found again on its page."""

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app import audit
from app.audit import AuditEntry, Filters
from app.clock import utc_now
from app.customers import authenticators
from app.customers.auth import create_customer_key
from app.customers.service import end_api_keys, get_customer
from app.db import db, in_unit_of_work
from tests.fixtures.shop import Shop
from tests.portal.people import customer_with_user, enter, operator, sign_in, token_of
from tests.portal.test_queries import counted


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def entries(**filters: object) -> list[AuditEntry]:
    db.session.rollback()
    return audit.entries(Filters(**filters))  # type: ignore[arg-type]  # named by each test


def newest(action: str) -> AuditEntry:
    found = entries(action=action)
    assert found, f"no entry of {action}"
    return found[0]


def test_a_programs_change_says_who_what_before_and_after(app: Flask, api: FlaskClient) -> None:
    customer_with_user("acme")
    db.session.rollback()

    answer = api.patch("/v1/customers/acme", json={"name": "Acme Holding", "email": "acme@tegoed.example"})

    assert answer.status_code == 200
    entry = newest("customer.changed")
    assert (entry.actor_kind, entry.subject) == ("key", "acme")
    assert (entry.before, entry.after) == ({"name": "Acme"}, {"name": "Acme Holding"})
    assert str(entry.ip_address) == "127.0.0.1"


def test_what_rolls_back_leaves_no_entry(app: Flask) -> None:
    acme, _ = customer_with_user("acme")

    def change_and_fail() -> None:
        get_customer(acme).name = "Never"
        db.session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_unit_of_work(change_and_fail)

    assert entries(action="customer.changed") == []


def test_a_secret_is_told_of_but_not_told(app: Flask, staff: FlaskClient) -> None:
    page = staff.get("/desk/api-keys")
    staff.post("/desk/api-keys", data={"csrf_token": token_of(page), "name": "Metering"})

    entry = newest("api_key.created")

    assert entry.actor == "staff@tegoed.example"
    assert entry.after is not None
    assert (entry.after["name"], entry.after["secret_hash"]) == ("Metering", audit.HIDDEN)


def test_an_authenticator_turned_off_is_told_of(app: Flask, client: FlaskClient) -> None:
    _, anna = customer_with_user("acme")

    def turn_on() -> list[str]:
        authenticators.begin(anna).confirmed_at = utc_now()
        return authenticators.new_recovery_codes(anna)

    codes = in_unit_of_work(turn_on)
    enter(client, anna)
    form = {"csrf_token": token_of(client.get("/account/security")), "code": codes[0]}
    assert client.post("/account/security/authenticator/off", data=form).status_code == 303

    entry = newest("authenticator.removed")

    assert (entry.actor, entry.subject) == ("acme@tegoed.example", str(anna.user_id))
    assert entry.before is not None
    assert entry.before["secret"] == audit.HIDDEN


def test_billing_terms_are_told_of_with_what_they_were(shop: Shop, api: FlaskClient) -> None:
    acme = shop.customer("acme")
    for days in (30, 60):
        terms = {"subscription": {"term_days": days}}
        assert api.patch("/v1/customers/acme/billing-terms", json=terms).status_code == 200

    made, changed = newest("billing_terms.created"), newest("billing_terms.changed")

    assert (made.subject, made.customer_id, made.actor_kind) == ("subscription", acme, "key")
    assert made.after is not None
    assert made.after["term_days"] == 30
    assert (changed.before, changed.after) == ({"term_days": 30}, {"term_days": 60})
    assert api.patch("/v1/customers/acme/billing-terms", json=terms).status_code == 200
    assert len(entries(action="billing_terms.changed")) == 1


def test_keys_that_end_with_their_customer_are_told_of(app: Flask) -> None:
    acme, anna = customer_with_user("acme")
    key, _ = in_unit_of_work(create_customer_key, acme, "Shop", "read", created_by=anna)
    key_id = key.key_id

    in_unit_of_work(end_api_keys, acme)
    in_unit_of_work(end_api_keys, acme)

    (entry,) = entries(action="api_key.changed")
    assert (entry.subject, entry.customer_id) == (key_id, acme)
    assert entry.after is not None
    assert set(entry.after) == {"revoked_at"}


def test_a_command_is_named_with_who_ran_it(runner: FlaskCliRunner) -> None:
    made = runner.invoke(args=["keys", "create", "nightly"])
    assert made.exit_code == 0, made.output

    entry = newest("api_key.created")

    assert entry.actor_kind == "command"
    assert entry.actor.endswith("keys create")
    assert entry.ip_address is None


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'me'", "DELETE FROM audit_entry"])
def test_the_application_may_not_rewrite_the_log(app: Flask, statement: str) -> None:
    customer_with_user()

    with pytest.raises(ProgrammingError, match="permission denied"):
        db.session.execute(text(statement))
    db.session.rollback()


def test_the_page_finds_by_person_subject_act_and_day(app: Flask, staff: FlaskClient) -> None:
    customer_with_user("acme")
    customer_with_user("other")
    page = staff.get("/desk/customers")
    staff.post("/desk/customers/acme/suspend", data={"csrf_token": token_of(page)})

    by_subject = staff.get("/desk/audit?subject=acm&action=customer.created").text
    by_person = staff.get("/desk/audit?who=staff@").text
    by_customer = staff.get("/desk/audit?customer=acme").text
    long_ago = staff.get("/desk/audit?to=2020-01-01").text

    assert 'href="/desk/customers/acme"' in by_subject
    assert "/desk/customers/other" not in by_subject
    assert "Customer suspended" in by_person
    assert "Customer: made" not in by_person.split("</form>")[-1]
    assert "Balance suspended" in by_customer
    assert "/desk/customers/other" not in by_customer
    assert "No entry matches this." in long_ago


def test_a_long_log_is_paged_and_costs_few_statements(app: Flask, staff: FlaskClient) -> None:
    for number in range(30):
        customer_with_user(f"customer-{number}")
    staff.get("/desk/audit")

    with counted() as sent:
        first = staff.get("/desk/audit").text

    assert len(sent) <= 12
    assert "Next" in first
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "customer-0@" in staff.get(older).text

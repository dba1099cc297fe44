"""Who may do what at the desk: every route by every role; staff comes and goes; looking as a customer."""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from app import audit
from app.audit import Filters
from app.customers.models import User
from app.customers.sign_in import create_user, find_user
from app.db import db, unit_of_work
from app.mail import mail_log
from tests.portal.people import PASSWORD, customer_with_user, operator, sign_in, token_of

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SUPPORT_MAY: Final = {
    "desk.came_back",
    "desk.resend_mail",
    "desk.settle_mail",
    "desk_viewing.begin",
    "desk_viewing.end",
}
# What stands for the arguments of the addresses; only the customer exists.
NAMES: Final[dict[str, Any]] = {"reference": "acme"}
INVENTED: Final[dict[str, Any]] = {"uuid": "00000000-0000-4000-8000-000000000000", "int": 999_999}


def support() -> User:
    with unit_of_work():
        user = create_user("help@tegoed.example", "Hel P", locale="en", password=PASSWORD, is_operator=True)
        user.staff_role = "support"
        return user


class House:
    """One browser per role, and a customer, acme, with its owner."""

    def __init__(self, app: Flask) -> None:
        self.customer_id, _ = customer_with_user("acme")
        operator()
        support()
        self.anonymous, self.owner, self.support, self.operator = (app.test_client() for _ in range(4))
        sign_in(self.owner, "acme@tegoed.example")
        sign_in(self.support, "help@tegoed.example")
        sign_in(self.operator, "staff@tegoed.example")

    def post(self, client: FlaskClient, address: str, **form: Any) -> Any:
        token = token_of(client.get("/sign-in" if client is self.anonymous else "/", follow_redirects=True))
        return client.post(address, data={"csrf_token": token} | form)

    def user_id(self, email: str) -> int:
        db.session.rollback()
        user = find_user(email)
        assert user is not None
        return user.user_id


@pytest.fixture
def house(app: Flask) -> House:
    return House(app)


def desk_routes(app: Flask, *, reading: bool) -> dict[str, str]:
    """Endpoint → address of the desk's routes that read, or that change."""
    found = {}
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            methods = (rule.methods or set()) - READS if not reading else (rule.methods or set()) & {"GET"}
            if rule.endpoint.startswith("desk") and methods:
                found[rule.endpoint] = url_for(rule.endpoint, **_values(rule))
    return found


def _values(rule: Rule) -> dict[str, Any]:
    kinds = dict(rule._converters)
    values = {}
    for name in rule.arguments:
        kind = type(kinds[name]).__name__.removesuffix("Converter").lower().replace("integer", "int")
        values[name] = NAMES.get(name, INVENTED.get(kind, "nothing-such"))
    return values


def test_every_page_of_the_desk_by_every_role(app: Flask, house: House) -> None:
    wrong = []
    for endpoint, address in desk_routes(app, reading=True).items():
        seen = {
            "anonymous": house.anonymous.get(address).status_code,
            "owner": house.owner.get(address).status_code,
            "support": house.support.get(address).status_code,
            "operator": house.operator.get(address).status_code,
        }
        right = seen["anonymous"] == 302 and seen["owner"] == 404
        exists = not re.search(r"nothing-such|00000000-0000|999999", address)
        right &= seen["support"] == seen["operator"]
        # A file asks for its period.
        right &= seen["operator"] in ({200, 302, 303, 422} if exists else {404})
        if not right:
            wrong.append((endpoint, address, seen))
    assert not wrong


def test_every_act_of_the_desk_by_every_role(app: Flask, house: House) -> None:
    wrong = []
    for endpoint, address in desk_routes(app, reading=False).items():
        anonymous = house.post(house.anonymous, address)
        owner = house.post(house.owner, address).status_code
        if anonymous.status_code != 302 or "/sign-in" not in anonymous.location or owner != 404:
            wrong.append((endpoint, anonymous.status_code, owner))
        helped = house.post(house.support, address).status_code
        if (helped != 403) != (endpoint in SUPPORT_MAY):
            wrong.append((endpoint, "support", helped))
        house.post(house.support, "/desk/viewing/end")
    assert not wrong


def test_nothing_changes_while_looking_as_a_customer(app: Flask, house: House) -> None:
    assert house.post(house.operator, "/desk/customers/acme/view-as").location == "/overview"

    page = house.operator.get("/overview").text
    assert "You see what Acme sees." in page
    assert 'href="/invoices"' in page
    for address in ("/desk/customers/acme/suspend", "/language", "/auto-top-up", "/desk/api-keys", "/top-up"):
        assert house.post(house.operator, address, locale="nl").status_code == 403, address

    assert house.post(house.operator, "/desk/viewing/end").location == "/desk/customers/acme"
    assert "You see what" not in house.operator.get("/desk/customers").text
    db.session.rollback()
    acts = [entry.action for entry in audit.entries(Filters(actor="staff@tegoed.example"))]
    assert [act for act in acts if act.startswith("desk_viewing")] == [
        "desk_viewing.end",
        "desk_viewing.begin",
    ]


def test_a_customers_own_session_never_looks_as_another(app: Flask, house: House) -> None:
    other, _ = customer_with_user("other")
    with house.owner.session_transaction() as session:
        session["viewing_as"] = {"customer_id": other, "reference": "other", "name": "Other"}

    assert "other@tegoed.example" not in house.owner.get("/overview").text
    assert "Acme" not in house.owner.get("/desk/customers").text


def test_a_colleague_is_invited_by_mail_and_signs_in(
    app: Flask, house: House, run_jobs: Callable[..., int]
) -> None:
    form = {"name": "New Colleague", "email": "new@tegoed.example", "role": "support"}
    assert house.post(house.operator, "/desk/staff", **form).status_code == 303

    (mail, *_) = mail_log()
    assert mail.recipient == "new@tegoed.example"
    assert "/sign-in/code" in mail.text_body
    assert "New Colleague" in house.operator.get("/desk/staff").text
    again = house.post(house.operator, "/desk/staff", **form)
    assert again.status_code == 409
    assert "works at the desk already" in again.text


def test_who_acts_for_a_customer_does_not_become_staff(house: House) -> None:
    form = {"name": "Anna", "email": "acme@tegoed.example", "role": "operator"}

    answer = house.post(house.operator, "/desk/staff", **form)

    assert answer.status_code == 409
    assert house.owner.get("/desk/customers").status_code == 404


def test_a_role_holds_at_once_and_removal_ends_every_session(house: House) -> None:
    helper = house.user_id("help@tegoed.example")
    assert house.support.get("/desk/customers").status_code == 200

    house.post(house.operator, f"/desk/staff/{helper}/role", role="operator")
    assert house.post(house.support, "/desk/customers/acme/suspend").status_code == 303

    house.post(house.operator, f"/desk/staff/{helper}/remove")
    assert house.support.get("/desk/customers").location.startswith("/sign-in")


def test_nobody_takes_the_desk_from_themselves_nor_from_the_last(house: House) -> None:
    me = house.user_id("staff@tegoed.example")

    house.post(house.operator, f"/desk/staff/{me}/remove")
    house.post(house.operator, f"/desk/staff/{me}/role", role="support")

    assert house.operator.get("/desk/staff").status_code == 200
    assert house.post(house.operator, "/desk/customers/acme/suspend").status_code == 303

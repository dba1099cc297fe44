"""Who may open what: every route by every role, with another customer's data, against the table of routes."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.clock import utc_now
from app.customers import addressees, auth, key_scopes, team
from app.customers.models import User
from app.customers.roles import PERMISSIONS
from app.customers.sign_in import create_user
from app.db import db, in_unit_of_work, unit_of_work
from app.reference.statements import API_KEY
from tests.desk.test_staff import SUPPORT_MAY
from tests.fixtures.outside import Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.portal import stories
from tests.portal.people import customer_with_user, enter, member, operator
from tests.routes import KIND_OF
from topups import service as topups
from topups.models import PaymentMethod

EURO: Final = 1_000_000
MADE_UP: Final[dict[str, Any]] = {"string": "x_1_abcdefghij", "int": 4711, "uuid": uuid4(), "any": "up"}
FORM: Final = {"role": "viewer", "email": "new@globex.example", "name": "x", "action": "x", "invoices": "y"}
# These lead back to a page that says in a sentence that there is no such thing.
TELL_IN_A_SENTENCE: Final = {"addressees.send_again", "subscriptions.confirm", "subscriptions.resume"}
# Asked for nothing, or for a year without invoices, these find nothing.
FIND_NOTHING: Final = {"account.switch", "invoice_archive.year_zip", "paying.start"}
ROLES: Final = ("anonymous", "viewer", "billing", "owner", "support", "operator", "outsider")
STAFF: Final = ("support", "operator")
# A page of a wish; and what finds no colleague, no key of the desk's and no waiting sign-in.
NEEDS_A_WISH: Final = {"subscriptions.preview"}
NOT_THERE: Final = {"desk.revoke_api_key", "desk_people.tie", "desk_staff.change_role", "desk_staff.remove"}


@dataclass
class World:
    """acme's people ask for what is globex's; the outsider is globex's owner."""

    app: Flask
    user_ids: dict[str, int]
    acme: int
    globex: int
    globexes: dict[str, Any]

    def rules(self, *kinds: str) -> Iterator[tuple[Rule, str]]:
        """Every route of these kinds, with each method it takes."""
        for rule in self.app.url_map.iter_rules():
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                if KIND_OF.get(rule.endpoint) in kinds:
                    yield rule, method

    def arguments(self, rule: Rule) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in rule.arguments:
            kind = type(rule._converters[name]).__name__.removesuffix("Converter").lower()
            made_up = MADE_UP["int" if kind == "integer" else kind if kind in MADE_UP else "string"]
            found[name] = self.globexes.get(name, made_up)
        return found

    def ask(self, client: FlaskClient, rule: Rule, method: str, **kwargs: Any) -> TestResponse:
        with self.app.test_request_context():
            address = url_for(rule.endpoint, **self.arguments(rule))
        return client.open(address, method=method, buffered=True, **kwargs)

    def person(self, role: str) -> User:
        return db.session.get_one(User, self.user_ids[role])

    def as_(self, role: str) -> tuple[FlaskClient, dict[str, str]]:
        """A client of this role, and a form that carries its session's token."""
        client = self.app.test_client()
        if role != "anonymous":
            enter(client, self.person(role))
        raw = hashlib.sha256(os.urandom(16)).hexdigest()
        with client.session_transaction() as session:
            session["csrf_token"] = raw
        token = URLSafeTimedSerializer(self.app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(raw)
        return client, FORM | {"csrf_token": str(token)}


@pytest.fixture
def world(shop: Shop, live_app: LiveApp, sandbox: Sandbox) -> World:
    acme, owner = customer_with_user("acme")
    globex, outsider = customer_with_user("globex")
    shop.customers |= {"acme": acme, "globex": globex}
    shop.use_42_40("globex")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("globex")
    payment = topups.request_top_up(shop.account("globex"), 25 * EURO, request_key="matrix", method="ideal")
    shop.grant("globex", 200)
    charged = stories.charges(shop.api, "globex")
    hold = {"amount": {"value": "1.00", "currency": "EUR"}, "expires_in": 3600}
    held = shop.api.post("/v1/customers/globex/holds", json=hold, headers={"Idempotency-Key": "matrix"})
    assert held.status_code == 201, held.text
    with unit_of_work():
        db.session.add(mandate_of(globex))
        link = topups.make_pay_link(globex, amount_micros=25 * EURO, invoice_number=None)
        addressee = addressees.add(globex, {"email": "books@globex.example"})
        invitation = team.invite(globex, "new@globex.example", "viewer", by=outsider)
        key, _ = auth.create_customer_key(globex, "theirs", "read", created_by=outsider)
    return World(
        app=shop.app,
        user_ids={
            "owner": owner.user_id,
            "billing": member(acme, "billing", "billing@acme.example").user_id,
            "viewer": member(acme, "viewer", "viewer@acme.example").user_id,
            "operator": operator().user_id,
            "support": helper().user_id,
            "outsider": outsider.user_id,
        },
        acme=acme,
        globex=globex,
        globexes={
            "reference": "globex",
            "number": invoice.number,
            "top_up_id": payment.top_up_id,
            "pay_link_id": link.pay_link_id,
            "addressee_id": addressee.addressee_id,
            "invitation_id": invitation.invitation_id,
            "key_id": key.key_id,
            "user_id": outsider.user_id,
            "year": 2026,
            "payment_method_id": "pm_globex",
            "hold_id": held.get_json()["id"],
            **charged,
        },
    )


def mandate_of(customer_id: int) -> PaymentMethod:
    return PaymentMethod(
        customer_id=customer_id,
        payment_method_id="pm_globex",
        mollie_mandate_id="mdt_globex",
        method="directdebit",
        status="valid",
        looked_at=utc_now(),
        created_at=utc_now(),
    )


def helper() -> User:
    """Of the provider's staff too, who reads and does little."""
    with unit_of_work():
        made = create_user("help@tegoed.example", "Hetty Help", locale="en", is_operator=True)
        made.staff_role = "support"
        return made


def met(answer: TestResponse) -> str:
    """What the asker met with."""
    if answer.status_code in (302, 303) and answer.location.split("?")[0] == "/sign-in":
        return "sign in"
    known = {401: "no key", 403: "forbidden", 404: "hidden"}
    return known.get(answer.status_code, "broken" if answer.status_code >= 500 else "reached")


def test_every_route_stands_in_the_table(app: Flask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules() if not rule.endpoint.endswith("static")}

    assert sorted(routes - KIND_OF.keys()) == [], "enter these in tests/routes.py"
    assert sorted(KIND_OF.keys() - routes) == [], "these are no routes any more"


def test_each_route_enforces_what_the_table_says(app: Flask) -> None:
    """The decorator that a view really carries."""
    for rule in app.url_map.iter_rules():
        kind = KIND_OF.get(rule.endpoint)
        view: Any = app.view_functions[rule.endpoint]
        found: set[str] = set()
        while view is not None:
            found |= {str(vars(view)[auth.PERMISSION])} if auth.PERMISSION in vars(view) else set()
            found |= {"key"} if vars(view).get(API_KEY) else set()
            view = vars(view).get("__wrapped__")
        if kind in PERMISSIONS or kind == "key":
            assert found == {kind}, rule.endpoint
        else:
            assert not found, rule.endpoint


def test_a_viewers_permission_opens_no_route_that_changes_something(app: Flask) -> None:
    """But for one's own choices: which mails one gets, and which customer one acts for."""
    changing = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if KIND_OF.get(rule.endpoint) == "view" and "POST" in (rule.methods or ())
    }
    assert changing == {"account.choose_mails", "account.switch"}


def test_customers_pages_by_role(world: World) -> None:
    """With another customer's data: what a role may not is forbidden, what is not theirs is hidden."""
    wrong = []
    for rule, method in world.rules(*PERMISSIONS):
        kind = KIND_OF[rule.endpoint]
        theirs = bool(rule.arguments - {"year"})
        for role in ROLES:
            if role == "outsider":
                continue
            client, form = world.as_(role)
            found = met(world.ask(client, rule, method, data=form if method == "POST" else None))
            if role == "anonymous":
                expected = "sign in"
            elif role in STAFF or role not in PERMISSIONS[kind]:  # type: ignore[index]
                expected = "forbidden"
            elif rule.endpoint in FIND_NOTHING:
                expected = "hidden"
            else:
                expected = "hidden" if theirs and rule.endpoint not in TELL_IN_A_SENTENCE else "reached"
            if found != expected:
                wrong.append(f"{role} {method} {rule.rule}: {found}, not {expected}")
    assert not wrong, "\n".join(wrong)


def test_what_is_hidden_from_others_is_there_for_its_owner(world: World) -> None:
    """So it was hidden for whose it is, not because it does not exist."""
    client, _ = world.as_("outsider")
    wrong = []
    for rule, method in world.rules("view"):
        is_page = method == "GET" and not rule.rule.endswith((".pdf", ".xml", ".zip"))
        if rule.endpoint in NEEDS_A_WISH:
            continue
        if is_page and rule.arguments and rule.arguments <= world.globexes.keys():
            answer = world.ask(client, rule, method)
            if answer.status_code != 200:
                wrong.append(f"{rule.rule}: {answer.status}")
    assert not wrong, "\n".join(wrong)


def test_the_desk_is_for_staff_alone(world: World) -> None:
    wrong = []
    for rule, method in world.rules("staff"):
        for role in ROLES:
            if role in STAFF and method != "GET":
                continue
            client, form = world.as_(role)
            found = met(world.ask(client, rule, method, data=form if method == "POST" else None))
            if role == "anonymous":
                right = found == "sign in"
            elif role in STAFF:
                # What is made up is not there; whatever else is not found stands in the way of nobody.
                right = found == ("reached" if rule.arguments <= world.globexes.keys() else found) != "broken"
            else:
                right = found == "hidden"
            if not right:
                wrong.append(f"{role} {method} {rule.rule}: {found}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", STAFF)
def test_an_act_of_the_desk_is_an_operators_and_supports_where_it_may(world: World, role: str) -> None:
    wrong = []
    for rule, method in world.rules("staff"):
        if method == "GET":
            continue
        client, form = world.as_(role)
        found = met(world.ask(client, rule, method, data=form))
        if role == "support" and rule.endpoint not in SUPPORT_MAY:
            expected = {"forbidden"}
        elif rule.arguments <= world.globexes.keys() and rule.endpoint not in NOT_THERE:
            expected = {"reached"}
        else:
            expected = {"reached", "hidden"}
        if found not in expected:
            wrong.append(f"{method} {rule.rule}: {found}, not {expected}")
    assert not wrong, "\n".join(wrong)


def test_ones_own_security_is_for_everybody_who_signed_in(world: World) -> None:
    wrong = []
    for rule, method in world.rules("person"):
        for role in ROLES:
            client, form = world.as_(role)
            answer = world.ask(client, rule, method, data=form if method == "POST" else None)
            found = met(answer)
            ended = rule.endpoint == "security.end_everywhere"
            expected = {"sign in"} if role == "anonymous" or ended else {"reached", "hidden"}
            if found not in expected:
                wrong.append(f"{role} {method} {rule.rule}: {found}")
    assert not wrong, "\n".join(wrong)


def test_public_pages_send_nobody_away(world: World) -> None:
    wrong = []
    for rule, method in world.rules("public"):
        for role in ROLES:
            client, form = world.as_(role)
            found = met(world.ask(client, rule, method, data=form if method == "POST" else None))
            if found in ("broken", "forbidden", "no key"):
                wrong.append(f"{role} {method} {rule.rule}: {found}")
    assert not wrong, "\n".join(wrong)


def test_the_api_knows_no_session(world: World) -> None:
    """A signed-in owner or operator without a key gets as far as a stranger."""
    wrong = []
    for rule, method in world.rules("key"):
        for role in ROLES:
            client, _ = world.as_(role)
            found = met(world.ask(client, rule, method, json={} if method != "GET" else None))
            if found != "no key":
                wrong.append(f"{role} {method} {rule.rule}: {found}")
    assert not wrong, "\n".join(wrong)


def test_a_webhook_needs_no_session_and_tells_nothing(world: World) -> None:
    for rule, method in world.rules("hook"):
        for role in ROLES:
            client, _ = world.as_(role)
            answer = world.ask(client, rule, method, data={"id": "tr_unknown"})
            assert met(answer) in ("reached", "hidden"), f"{rule.rule}: {answer.status}"
            assert not answer.data.strip() or b"globex" not in answer.data


@pytest.mark.parametrize("scope", ["read", "events"])
def test_a_customers_key_opens_nothing_of_another_customer(world: World, scope: str) -> None:
    with unit_of_work():
        _, text = auth.create_customer_key(world.acme, "ours", scope, created_by=world.person("owner"))
    client = world.app.test_client()
    headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "matrix"}
    wrong = []
    for rule, method in world.rules("key"):
        found = met(world.ask(client, rule, method, headers=headers, json={} if method != "GET" else None))
        if {"reference", "number", "top_up_id", "hold_id", "pay_link_id"} & rule.arguments:
            expected = "hidden"
        else:
            expected = "reached" if rule.endpoint in key_scopes.SCOPES[scope] else "forbidden"
        if found != expected and not (rule.arguments and found == "hidden"):
            wrong.append(f"{method} {rule.rule}: {found}, not {expected}")
    assert not wrong, "\n".join(wrong)


def test_a_customers_key_opens_what_its_scope_says_of_its_own(world: World) -> None:
    with unit_of_work():
        keys = {
            scope: auth.create_customer_key(world.globex, scope, scope, created_by=world.person("outsider"))[
                1
            ]
            for scope in auth.CUSTOMER_SCOPES
        }
    client = world.app.test_client()
    wrong = []
    for rule, method in world.rules("key"):
        if method != "GET" or not rule.arguments <= world.globexes.keys() | {"code"}:
            continue
        for scope, text in keys.items():
            answer = world.ask(client, rule, method, headers={"Authorization": f"Bearer {text}"})
            open_ = rule.endpoint in key_scopes.SCOPES[scope]
            # What is not printed yet, or not asked for rightly, is no matter of the key's.
            if open_ != (met(answer) != "forbidden"):
                wrong.append(f"{scope} {rule.rule}: {answer.status}")
    assert not wrong, "\n".join(wrong)


def test_the_scopes_name_routes_that_exist(app: Flask) -> None:
    named = set().union(*key_scopes.SCOPES.values())
    assert {name for name in named if KIND_OF.get(name) != "key"} == set()


def test_the_roles_end_with_the_membership(world: World) -> None:
    client, _ = world.as_("viewer")
    assert client.get("/overview").status_code == 200
    in_unit_of_work(team.remove, world.acme, world.user_ids["viewer"])
    assert client.get("/overview").status_code == 403

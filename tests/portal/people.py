"""People and customers for the tests of pages."""

import re
from email.message import EmailMessage

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.customers import user_sessions
from app.customers.models import User
from app.customers.sign_in import add_member, create_user
from app.db import unit_of_work
from app.ledger.accounts import open_account

PASSWORD = "correct horse battery staple"


def customer_with_user(reference: str = "acme", *, locale: str = "en") -> tuple[int, User]:
    """A customer and its owner, <reference>@tegoed.example."""
    email = f"{reference}@tegoed.example"
    with unit_of_work():
        customer = open_account(
            {"reference": reference, "name": reference.title(), "email": email, "locale": locale}
        )
        user = create_user(email, "Anna de Vries", locale=locale, password=PASSWORD)
        add_member(customer.customer_id, user)
        return customer.customer_id, user


def operator() -> User:
    with unit_of_work():
        return create_user(
            "staff@tegoed.example", "Sam Staff", locale="en", password=PASSWORD, is_operator=True
        )


def member(customer_id: int, role: str, email: str, *, locale: str = "en") -> User:
    """Somebody else of the customer's team."""
    with unit_of_work():
        user = create_user(email, "Bo Bakker", locale=locale, password=PASSWORD)
        add_member(customer_id, user, role)
        return user


def enter(client: FlaskClient, user: User) -> None:
    """Signed in, without the sign-in's page."""
    with unit_of_work():
        secret = user_sessions.begin(user, "password", user_agent="", ip_address="192.0.2.7")
        name = user.get_id()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"], session["session"] = name, True, secret


def plain(message: EmailMessage) -> str:
    """The text of a mail."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found, "the page has no form"
    return found[1]


def sign_in(client: FlaskClient, email: str, *, password: str = PASSWORD, target: str = "") -> TestResponse:
    page = client.get("/sign-in", query_string={"next": target})
    return client.post(
        "/sign-in",
        data={"csrf_token": token_of(page), "email": email, "password": password, "next": target},
    )

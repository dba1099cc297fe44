"""The desk's page of sign-ins without a customer: whom staff may link, and what a refusal leaves."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clock import utc_now
from app.customers import team
from app.customers.people_models import SignInIdentity
from app.db import db, unit_of_work
from tests.portal.people import customer_with_user, operator, sign_in, token_of

PAGE = "/desk/people"
ISSUER = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    """An operator; Jan's address is proved by who sent him, Nobody's is not."""
    operator()
    with unit_of_work():
        for subject, name, proved in (("1", "Jan", True), ("2", "Nobody", False)):
            db.session.add(
                SignInIdentity(
                    issuer=ISSUER,
                    subject=subject,
                    user_id=None,
                    email=f"{name.lower()}@acme.example",
                    email_verified=proved,
                    name=name,
                    created_at=utc_now(),
                    last_used_at=utc_now(),
                )
            )
    sign_in(client, "staff@tegoed.example")
    return client


def test_a_number_that_is_not_known_stays_in_its_row(staff: FlaskClient) -> None:
    page = staff.get(PAGE)
    assert "login.microsoftonline.com" in page.text
    assert page.text.count('name="reference"') == 1
    form = {"csrf_token": token_of(page), "issuer": ISSUER, "subject": "1", "role": "viewer"}

    refused = staff.post(PAGE, data=form | {"reference": "nowhere"})

    assert refused.status_code == 404
    assert 'value="nowhere"' in refused.text
    assert '<option value="viewer" selected>' in refused.text

    customer_id, _ = customer_with_user("acme")
    assert staff.post(PAGE, data=form | {"reference": "acme"}).status_code == 303
    assert ("jan@acme.example", "viewer") in [(one.email, one.role) for one in team.members(customer_id)]

"""The desk after years: lists and their texts are as long as they may be; its pages stay small and cheap."""

from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clock import utc_now
from app.customers.people_models import SignInIdentity
from app.customers.sign_in import create_user
from app.db import db, in_unit_of_work, unit_of_work
from app.ledger import adjustments
from app.ledger.accounts import open_account
from app.ledger.adjustments import Wish
from app.mail import send
from tests.portal.people import operator, sign_in
from tests.portal.test_queries import LARGEST_BYTES, LIMIT, counted
from topups.models import TopUp
from topups.states import Status

MANY = 120
EURO = 1_000_000
PAGES = (
    "/desk/customers",
    "/desk/approvals",
    "/desk/payments?show=unclear",
    "/desk/payments?show=under_way",
    "/desk/payments?show=failed",
    "/desk/mails",
    "/desk/people",
    "/desk/audit",
    "/desk/figures",
    "/desk/customers/c0",
    "/desk/customers/c0/adjust",
    "/desk/customers/c0/payments",
    "/desk/customers/c0/people",
)


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    me = operator().user_id
    with unit_of_work():
        colleague = create_user("mo@tegoed.example", "M" * 200, locale="en", is_operator=True).user_id
    ids = [in_unit_of_work(_customer, number) for number in range(MANY)]
    for number in range(MANY):
        wish = Wish(
            customer_id=ids[0],
            kind="balance",
            amount_micros=5_000 * EURO,
            reason="x" * 200,
            request_key=f"wish-{number}",
        )
        in_unit_of_work(adjustments.request, wish, by_user_id=colleague if number % 2 else me)
    with unit_of_work():
        for number in range(MANY):
            db.session.add(_payment(ids[0], number))
            db.session.add(_sign_in(number))
            send(
                "sign_in_code",
                to=f"{'a' * 60}{number}@{'b' * 60}.example",
                locale="en",
                customer_id=ids[0],
                context={"code": "1", "minutes": 1},
                dedupe_key=f"mail-{number}",
            )
    sign_in(client, "staff@tegoed.example")
    return client


def _customer(number: int) -> int:
    facts = {"reference": f"c{number}", "name": "W" * 200, "email": f"{'a' * 60}{number}@acme.example"}
    return open_account(facts).customer_id


def _payment(customer_id: int, number: int) -> TopUp:
    """A third each: failed, without an answer, not matching."""
    failed = number % 3 == 0
    now = utc_now() - timedelta(minutes=number)
    return TopUp(
        customer_id=customer_id,
        top_up_id=f"tu_{customer_id}_{number}",
        origin="manual",
        purpose="balance",
        amount_micros=25 * EURO,
        currency="EUR",
        method="ideal",
        sequence_type="oneoff",
        request_key=f"key-{number}",
        status=Status.FAILED if failed else Status.UNKNOWN if number % 3 == 1 else Status.OPEN,
        problem=None if failed else "other_amount",
        idempotency_key=uuid4(),
        created_at=now,
        ended_at=now if failed else None,
    )


def _sign_in(number: int) -> SignInIdentity:
    return SignInIdentity(
        issuer=f"https://login.example/{'t' * 200}",
        subject=str(number),
        user_id=None,
        email=f"{'a' * 60}{number}@acme.example",
        email_verified=True,
        name="N" * 200,
        created_at=utc_now(),
        last_used_at=utc_now(),
    )


def test_long_lists_stay_small_and_cheap(staff: FlaskClient) -> None:
    wrong = []
    for page in PAGES:
        assert staff.get(page).status_code == 200, page
        with counted() as sent:
            answer = staff.get(page)
        if len(sent) > LIMIT or len(answer.data) > LARGEST_BYTES:
            wrong.append(f"{page}: {len(sent)} statements, {len(answer.data)} bytes")
    assert not wrong, "\n".join(wrong)

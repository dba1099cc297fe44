"""Every act at the desk leaves an entry: no POST of its pages is without words, and none goes unnoted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import audit
from app.audit import Filters
from app.clock import utc_now
from app.customers.auth import create_api_key
from app.customers.people_models import UserSession
from app.db import db, unit_of_work
from app.desk.acts import ACTS
from app.jobs import enqueue
from app.mail import mail_log, send
from tests.fixtures.product import Clock
from tests.portal.people import customer_with_user, operator, sign_in, token_of


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def desk_posts(app: Flask) -> set[str]:
    """The endpoints of the desk that answer POST."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("desk") and "POST" in (rule.methods or ())
    }


def test_every_post_of_the_desk_has_words(app: Flask) -> None:
    assert desk_posts(app) - set(ACTS) == set()


def _post(staff: FlaskClient, address: str, **form: Any) -> int:
    token = token_of(staff.get("/desk/customers"))
    return staff.post(address, data={"csrf_token": token} | form).status_code


def _job(staff: FlaskClient, run_jobs: Callable[..., int]) -> int:
    enqueue("app.mail.no_such_job", 7, retry_seconds=(), job_id="given-up")
    run_jobs(failures_expected=True)
    return _post(staff, "/desk/jobs/given-up/retry")


def _mail(staff: FlaskClient, _run_jobs: object) -> int:
    with unit_of_work():
        send(
            "sign_in_code",
            to="a@tegoed.example",
            locale="en",
            customer_id=None,
            context={"code": "1", "minutes": 1},
            dedupe_key="once",
        )
    (written,) = mail_log()
    return _post(staff, f"/desk/mails/{written.customer_id}/{written.mail_id}/send-again")


def _unsure_mail(staff: FlaskClient, run_jobs: object) -> int:
    _mail(staff, run_jobs)
    with unit_of_work():
        (written,) = mail_log()
        written.status = "unsure"
        customer_id, mail_id = written.customer_id, written.mail_id
    return _post(staff, f"/desk/mails/{customer_id}/{mail_id}/sent")


def _mail_that_came_back(staff: FlaskClient, run_jobs: object) -> int:
    """Also after an empty form was refused: it is noted once, with its reason."""
    _unsure_mail(staff, run_jobs)
    (written,) = mail_log()
    address = f"/desk/mails/{written.customer_id}/{written.mail_id}/came-back"
    assert address in staff.get("/desk/mails").text
    assert _post(staff, address, reason=" ") == 422
    status = _post(staff, address, reason="no such mailbox")
    db.session.rollback()
    (known,) = mail_log()
    assert (known.bounced_at is not None, known.bounce_reason) == (True, "no such mailbox")
    page = staff.get("/desk/mails").text
    assert "no such mailbox" in page
    assert address not in page
    return status


def _key(staff: FlaskClient, _run_jobs: object) -> int:
    with unit_of_work():
        key_id = create_api_key("old")[0].key_id
    return _post(staff, f"/desk/api-keys/{key_id}/revoke")


def _endpoint(act: str) -> Callable[[FlaskClient, object], int]:
    def do(staff: FlaskClient, _run_jobs: object) -> int:
        _post(staff, "/desk/webhooks", url="https://example.com/hook")
        page = staff.get("/desk/webhooks").text
        endpoint_id = page.split("/desk/webhooks/")[1].split("/")[0]
        return _post(staff, f"/desk/webhooks/{endpoint_id}/{act}")

    return do


def _at(address: str, **form: Any) -> Callable[[FlaskClient, object], int]:
    return lambda staff, _run_jobs: _post(staff, address, **form)


DOING: dict[str, Callable[[FlaskClient, Any], int]] = {
    "desk.suspend": _at("/desk/customers/acme/suspend"),
    "desk.unsuspend": _at("/desk/customers/acme/unsuspend"),
    "desk.retry_job": _job,
    "desk.resend_mail": _mail,
    "desk.settle_mail": _unsure_mail,
    "desk.came_back": _mail_that_came_back,
    "desk.api_keys": _at("/desk/api-keys", name="new"),
    "desk.revoke_api_key": _key,
    "desk_closing.close": _at("/desk/customers/acme/close"),
    "desk_webhooks.register": _at("/desk/webhooks", url="https://example.com/hook"),
    "desk_webhooks.delete": _endpoint("delete"),
    "desk_webhooks.rotate": _endpoint("rotate"),
}


@pytest.mark.parametrize("act", sorted(DOING))
def test_an_act_leaves_one_entry_with_its_person(
    staff: FlaskClient, run_jobs: Callable[..., int], act: str
) -> None:
    customer_with_user("acme")

    status = DOING[act](staff, run_jobs)

    db.session.rollback()
    assert status in {200, 303}
    (entry,) = audit.entries(Filters(action=act))
    assert entry.actor == "staff@tegoed.example"


def test_a_refused_act_leaves_none(staff: FlaskClient) -> None:
    customer_with_user("acme")

    assert _post(staff, "/desk/api-keys", name=" ") == 422
    assert _post(staff, "/desk/customers/nobody/suspend") == 404

    db.session.rollback()
    assert audit.entries(Filters(action="desk.api_keys")) == []
    assert audit.entries(Filters(action="desk.suspend")) == []


@pytest.mark.parametrize(
    ("act", "address", "status"),
    [
        ("desk.api_keys", "/desk/api-keys", 422),
        ("desk.suspend", "/desk/customers/nobody/suspend", 404),
        # Refused in words on the page that it goes on to.
        ("desk_adjustments.approve", "/desk/approvals/nobody/approve", 303),
    ],
)
def test_a_refused_act_leaves_none_after_a_pause_either(
    staff: FlaskClient, clock: Clock, act: str, address: str, status: int
) -> None:
    """That the person was seen again is noted then, whatever the answer; it makes no act of it."""
    token = token_of(staff.get("/desk/customers"))
    later = utc_now() + timedelta(minutes=6)
    clock.travel_to(later)

    assert staff.post(address, data={"csrf_token": token, "name": " "}).status_code == status

    db.session.rollback()
    assert audit.entries(Filters(action=act)) == []
    assert db.session.scalars(select(UserSession.last_seen_at)).one() >= later

"""The desk: for operators alone; customers and balances, failed jobs, mails, API keys."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.db import db, unit_of_work
from app.jobs import enqueue
from app.ledger.service import grant
from app.mail import mail_log
from tests.fixtures.outside import Mailbox
from tests.portal.people import customer_with_user, operator, sign_in, token_of
from tests.portal.test_queries import LIMIT, counted

PAGES = ["/desk/customers", "/desk/customers/acme", "/desk/jobs", "/desk/mails", "/desk/api-keys"]


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    """The browser of an operator who is signed in."""
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


@pytest.mark.parametrize("page", PAGES)
def test_nobody_but_an_operator_sees_the_desk(app: Flask, client: FlaskClient, page: str) -> None:
    customer_with_user()
    assert client.get(page).location.startswith("/sign-in")

    sign_in(client, "acme@tegoed.example")

    assert client.get(page).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_an_operator_sees_every_page_of_it(staff: FlaskClient, page: str) -> None:
    customer_with_user()

    assert staff.get(page).status_code == 200


def test_customers_are_found_with_their_balances(staff: FlaskClient) -> None:
    acme, _ = customer_with_user("acme")
    customer_with_user("other")
    with unit_of_work():
        grant(acme, 12_340_000, reason="Welcome", reference="welcome")

    page = staff.get("/desk/customers?search=acm").text

    assert "€12.34" in page
    assert "acme@tegoed.example" in page
    assert "other@tegoed.example" not in page


def test_an_operator_who_signs_in_begins_at_the_customers(staff: FlaskClient) -> None:
    assert staff.get("/").location == "/desk/customers"


def test_a_new_key_is_shown_once_works_and_can_be_revoked(app: Flask, staff: FlaskClient) -> None:
    customer_with_user()
    token = token_of(staff.get("/desk/api-keys"))

    made = staff.post("/desk/api-keys", data={"csrf_token": token, "name": "Metering"})

    found = re.search(r"tgd_([a-z0-9]+)_[\w-]{20,}", made.text)
    assert found
    assert found[0] not in staff.get("/desk/api-keys").text
    headers = {"Authorization": f"Bearer {found[0]}"}
    program = app.test_client()
    assert program.get("/v1/customers/acme/balance", headers=headers).status_code == 200

    staff.post(f"/desk/api-keys/{found[1]}/revoke", data={"csrf_token": token})

    assert "Revoked on" in staff.get("/desk/api-keys").text


def test_a_key_without_a_name_is_not_made(staff: FlaskClient) -> None:
    token = token_of(staff.get("/desk/api-keys"))

    page = staff.post("/desk/api-keys", data={"csrf_token": token, "name": " "}).text

    assert "Give the key a name." in page
    assert "tgd_" not in page


def test_a_job_that_gave_up_is_listed_with_its_reason_and_sent_again(
    staff: FlaskClient, run_jobs: Callable[..., int]
) -> None:
    enqueue("app.mail.no_such_job", 7, retry_seconds=())
    run_jobs(failures_expected=True)

    page = staff.get("/desk/jobs")
    assert "app.mail.no_such_job(7)" in page.text
    job = re.search(r'action="(/desk/jobs/[^"]+/retry)"', page.text)
    assert job
    answer = staff.post(job[1], data={"csrf_token": token_of(page)})

    assert answer.status_code == 303
    assert "The job is on its way again." in staff.get("/desk/jobs").text
    gone = staff.post("/desk/jobs/no-such-job/retry", data={"csrf_token": token_of(page)})
    assert gone.status_code == 404


def test_a_mail_is_in_the_log_and_can_be_sent_again(
    app: Flask, staff: FlaskClient, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    customer_with_user()
    other = app.test_client()
    other.post(
        "/sign-in/code",
        data={"csrf_token": token_of(other.get("/sign-in/code")), "email": "acme@tegoed.example"},
    )
    run_jobs()
    page = staff.get("/desk/mails")
    (written,) = mail_log()
    assert "Your sign-in code" in page.text
    assert written.subject[:6] not in page.text, "whoever reads the log cannot sign in with it"

    staff.post(
        f"/desk/mails/{written.customer_id}/{written.mail_id}/send-again",
        data={"csrf_token": token_of(page)},
    )
    run_jobs()

    assert len(smtp.messages) == 2


def test_customers_are_sorted_by_their_balance_and_the_search_stays(staff: FlaskClient) -> None:
    for euros, reference in enumerate(("beta", "alpha", "gamma")):
        customer_id, _ = customer_with_user(reference)
        with unit_of_work():
            grant(customer_id, (euros + 1) * 1_000_000, reason="Welcome", reference="welcome")

    page = staff.get("/desk/customers?search=a&sort=-available").text

    assert re.findall(r"/desk/customers/(\w+)\"", page) == ["gamma", "alpha", "beta"]
    assert 'aria-sort="descending"' in page
    assert 'href="/desk/customers?search=a&amp;sort=available"' in page
    by_name = staff.get("/desk/customers").text
    assert re.findall(r"/desk/customers/(\w+)\"", by_name) == ["alpha", "beta", "gamma"]


def test_mails_are_sorted_and_paged_in_every_order(app: Flask, staff: FlaskClient) -> None:
    customer_id, _ = customer_with_user()
    row = """
    INSERT INTO mail_message (customer_id, template, locale, recipient, subject, text_body, html_body, status,
        attempts, created_at)
    SELECT :customer_id, 'invoice_ready', 'en', 'reader' || n % 7 || '@tegoed.example', 'Mail ' || n, '', '',
        'sent', 1, now() FROM generate_series(1, 120) AS n
    """
    with unit_of_work():
        db.session.execute(text(row), {"customer_id": customer_id})

    for asked in ("", "?sort=recipient", "?sort=-subject", "?sort=status"):
        address, seen = f"/desk/mails{asked}", []
        while address:
            with counted() as sent:
                page = staff.get(address).text
            assert len(sent) <= LIMIT
            seen += re.findall(r'class="lead">(Mail \d+)', page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            address = unescape(following[1]) if following else ""
        assert len(seen) == len(set(seen)) == 120, asked
        if "subject" in asked:
            assert seen == sorted(seen, reverse=True)

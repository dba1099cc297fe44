"""The desk's page of invoice runs: numbers of a run, what failed, and trying it again."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.db import db
from invoicing import closing, run_progress, service
from tests.fixtures.shop import AFTER_OCTOBER, OCTOBER, Shop
from tests.portal.people import operator, sign_in, token_of
from tests.portal.test_queries import counted

PAGE = "/desk/invoice-runs"


@pytest.fixture
def staff(shop: Shop, client: FlaskClient) -> FlaskClient:
    """An operator after October, in which four customers used something."""
    for number in range(4):
        shop.customer(f"c{number}")
        shop.use_42_40(f"c{number}")
    shop.clock.travel_to(AFTER_OCTOBER)
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def test_a_run_is_followed_in_numbers(
    shop: Shop, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "CHUNK_SIZE", 3)
    service.start_close(OCTOBER)

    page = staff.get(PAGE).text
    assert "October 2026: 0 of 4 customers done, 4 to go." in page
    etag = staff.get(f"{PAGE}/live").headers["ETag"]
    assert staff.get(f"{PAGE}/live", headers={"If-None-Match": etag}).status_code == 304

    shop.run_jobs()

    fresh = staff.get(f"{PAGE}/live", headers={"If-None-Match": etag})
    assert fresh.status_code == 200
    assert "No run is under way." in fresh.text
    assert "4 of 4" in fresh.text
    (run,) = run_progress.latest()
    assert (run.customers, run.issued, run.failed, run.to_go) == (4, 4, 0, 0)


def test_what_failed_is_listed_with_its_reason_and_made_again(
    shop: Shop, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = closing._settle

    def fail_for_one(prepared: Any, *more: Any) -> Any:
        if prepared.facts.customer_id == shop.customers["c2"]:
            raise RuntimeError("out of paper")
        return settle(prepared, *more)

    monkeypatch.setattr(closing, "_settle", fail_for_one)
    service.start_close(OCTOBER)
    shop.run_jobs()
    page = staff.get(PAGE)
    assert "C2" in page.text
    assert "out of paper" in page.text
    assert "Finished, some failed" in page.text

    monkeypatch.setattr(closing, "_settle", settle)
    form = {"csrf_token": token_of(page)}
    assert staff.post(f"{PAGE}/2026-10/c2/retry", data=form).status_code == 303
    shop.run_jobs()

    db.session.rollback()
    assert run_progress.open_failures() == []
    assert len(service.page(service.Filters(), limit=10)[0]) == 4
    assert "Nothing has failed." in staff.get(PAGE).text


def test_a_month_that_runs_cannot_be_closed_from_here(staff: FlaskClient) -> None:
    form = {"csrf_token": token_of(staff.get(PAGE))}

    answer = staff.post(f"{PAGE}/2026-11/c1/retry", data=form, follow_redirects=True)

    assert "The invoice is being made again" not in answer.text


def test_a_run_is_started_once_and_says_when_nothing_is_left(shop: Shop, staff: FlaskClient) -> None:
    page = staff.get(PAGE)
    assert '<option value="2026-10">October 2026</option>' in page.text
    assert "2026-11" not in page.text
    form = {"csrf_token": token_of(page), "month": "2026-10"}

    assert "The run of October 2026 has begun." in staff.post(PAGE, data=form, follow_redirects=True).text
    again = staff.post(PAGE, data=form, follow_redirects=True).text

    assert "A run of October 2026 is under way already." in again
    shop.run_jobs()
    assert len(service.page(service.Filters(), limit=10)[0]) == 4
    late = staff.post(PAGE, data=form, follow_redirects=True).text
    assert "Nothing is left to invoice of October 2026." in late
    assert len(run_progress.latest()) == 1


@pytest.mark.parametrize("month", ["", "2026-11", "2026-13", "soon", "9999-12"])
def test_a_month_that_has_not_ended_starts_no_run(staff: FlaskClient, month: str) -> None:
    form = {"csrf_token": token_of(staff.get(PAGE)), "month": month}

    answer = staff.post(PAGE, data=form, follow_redirects=True)

    assert "has begun" not in answer.text
    assert 'class="say lost"' in answer.text
    assert run_progress.latest() == []


def test_many_runs_cost_few_statements(shop: Shop, staff: FlaskClient) -> None:
    for _ in range(3):
        service.start_close(OCTOBER)
    staff.get(PAGE)

    with counted() as sent:
        staff.get(PAGE)

    assert len(sent) <= 12

"""What an operator, or the provider's program, sees of unpaid invoices and decides about them."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.db import db, in_unit_of_work
from invoicing import dunning_jobs, service
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import Shop
from tests.invoicing.payers import Payer, hidden, payer
from tests.portal.people import operator, sign_in
from topups import methods

DUE = datetime(2026, 11, 15, 9, tzinfo=UTC)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    object.__setattr__(settings, "late_fee_business", "15")
    return settings


@pytest.fixture
def acme(
    shop: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> Payer:
    for module in ("invoicing.notices", "invoicing.paid_copies"):
        monkeypatch.setattr(f"{module}.render_pdf", lambda html: b"%PDF " + html.encode(), raising=False)
    methods.forget()
    acme = payer(shop, sandbox)
    shop.run_jobs()
    return acme


@pytest.fixture
def staff(acme: Payer) -> FlaskClient:
    operator()
    client = acme.shop.app.test_client()
    sign_in(client, "staff@tegoed.example")
    return client


def pass_days(shop: Shop, *days: int) -> None:
    for day in days:
        shop.clock.travel_to(DUE + timedelta(days=day))
        db.session.rollback()
        dunning_jobs.chase_due()
        shop.run_jobs()


def test_the_desk_lists_who_has_not_paid_and_pauses_and_resumes(acme: Payer, staff: FlaskClient) -> None:
    number = acme.numbers[0]
    assert "Everything that was due has been paid." in staff.get("/desk/dunning").text
    pass_days(acme.shop, 7)
    listed = staff.get("/desk/dunning").text
    assert number in listed
    assert "Reminder sent" in listed
    path = f"/desk/dunning/{number}"
    page = staff.get(path).text.replace("\xa0", " ")
    assert "Second reminder sent, 6 December 2026" in page
    token = {"csrf_token": hidden(page, "pause-csrf_token")}
    form = {"pause-csrf_token": hidden(page, "pause-csrf_token"), "csrf_token": token["csrf_token"]}
    refused = staff.post(f"{path}/pause", data=form | {"pause-about": "invoice", "pause-reason": ""})
    assert refused.status_code == 422
    late = form | {"pause-about": "invoice", "pause-reason": "x", "pause-until": "2026-01-01"}
    assert "still to come" in staff.post(f"{path}/pause", data=late).text
    wish = form | {"pause-about": "customer", "pause-reason": "They dispute it"}
    assert staff.post(f"{path}/pause", data=wish).status_code == 303
    page = staff.get(path).text
    assert "They dispute it" in page
    assert "Paused" in staff.get("/desk/dunning").text
    resume = page.split(f'action="{path}/resume/')[1].split('"')[0]
    assert staff.post(f"{path}/resume/{resume}", data=token).status_code == 303
    assert "They dispute it" not in staff.get(path).text


def test_the_desk_waives_a_fee_and_gives_up_with_a_reason(acme: Payer, staff: FlaskClient) -> None:
    number = acme.numbers[0]
    pass_days(acme.shop, 7, 21, 35)
    path = f"/desk/dunning/{number}"
    page = staff.get(path).text
    assert "Waive €15.00" in page.replace("\xa0", " ")
    form = {"csrf_token": hidden(page, "waive-csrf_token")}
    form["waive-csrf_token"] = form["give_up-csrf_token"] = form["csrf_token"]
    assert staff.post(f"{path}/waive", data=form | {"waive-reason": "Our mistake"}).status_code == 303
    assert acme.outstanding == [4240]
    assert staff.post(f"{path}/uncollectible", data=form).status_code == 422
    given = staff.post(f"{path}/uncollectible", data=form | {"give_up-reason": "Bankrupt"})
    assert given.status_code == 303
    page = staff.get(path).text
    assert "Uncollectible" in page
    assert "Bankrupt" in page
    assert "Uncollectible" in staff.get(f"/desk/invoices/{number}").text
    again = staff.post(f"{path}/uncollectible", data=form | {"give_up-reason": "Bankrupt"})
    assert again.status_code == 409
    exported = acme.shop.runner.invoke(
        args=["invoicing", "export", "declaration", "uncollectible", "--quarter", "2026-Q4"]
    )
    assert f"{number},2026-11-01,NL,Acme B.V.,42.40,7.36,Bankrupt" in exported.output


def test_a_customer_has_no_business_at_the_desk(acme: Payer) -> None:
    client = acme.signs_in()
    assert client.get("/desk/dunning").status_code in {302, 403, 404}
    assert client.get(f"/desk/dunning/{acme.numbers[0]}").status_code in {302, 403, 404}


def test_a_program_sees_the_steps_pauses_and_gives_up(acme: Payer) -> None:
    number, api = acme.numbers[0], acme.shop.api
    pass_days(acme.shop, 7, 21)
    seen = api.get(f"/v1/invoices/{number}/dunning").get_json()
    assert [step["step"] for step in seen["steps"]] == ["reminder", "second_reminder"]
    assert seen["steps"][1]["fee"] == {"value": "15.00", "currency": "EUR"}
    assert seen["next"] == {"step": "late_fee", "on": "2026-12-20"}
    path = "/v1/customers/acme/dunning-pauses"
    wish = {"reason": "Complaint", "invoice": number, "until": "2027-01-31"}
    made = api.post(path, json=wish, headers={"Idempotency-Key": "a"})
    assert made.status_code == 201
    (pause,) = made.get_json()["data"]
    assert (pause["invoice"], pause["until"]) == (number, "2027-01-31")
    assert api.get(f"/v1/invoices/{number}/dunning").get_json()["next"] is None
    assert api.post(path, json={}, headers={"Idempotency-Key": "b"}).status_code == 422
    odd = {"reason": "x", "until": "soon"}
    assert api.post(path, json=odd, headers={"Idempotency-Key": "c"}).status_code == 422
    assert api.delete(f"{path}/{pause['id']}").get_json() == {"data": []}
    pass_days(acme.shop, 36)
    waive = f"/v1/invoices/{number}/late-fee/waive"
    waived = api.post(waive, json={"reason": "Kind"}, headers={"Idempotency-Key": "d"}).get_json()
    assert waived["late_fee"]["value"] == "0.00"
    gone = api.post(
        f"/v1/invoices/{number}/uncollectible", json={"reason": "Gone"}, headers={"Idempotency-Key": "e"}
    )
    assert gone.get_json()["status"] == "uncollectible"
    listed = api.get("/v1/invoices?status=uncollectible").get_json()["data"]
    assert [invoice["number"] for invoice in listed] == [number]
    assert service.due(acme.customer_id) == []


def test_lifting_the_operators_suspension_says_when_dunning_still_suspends(
    acme: Payer, staff: FlaskClient
) -> None:
    from app.ledger import suspension

    in_unit_of_work(suspension.suspend, acme.customer_id)
    in_unit_of_work(suspension.suspend, acme.customer_id, "dunning")
    page = staff.get("/desk/customers/acme").text
    form = {"csrf_token": hidden(page, "csrf_token")}
    said = staff.post("/desk/customers/acme/unsuspend", data=form, follow_redirects=True).text
    assert "still suspended, because an invoice is unpaid" in said

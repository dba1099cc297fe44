"""VAT numbers: their form at once, their existence by VIES later; a register that is down stops nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app.db import db
from invoicing import vat_jobs, vat_numbers, vies
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, IN_OCTOBER, Shop
from tests.invoicing.vies_stand_in import Vies, serving
from tests.portal.people import enter, member, operator, sign_in, token_of

NUMBER = "BE0403019261"
OURS = "NL123456782B12"


@pytest.fixture
def register(shop: Shop) -> Iterator[Vies]:
    """VIES, which knows nobody yet; Brussel, a Belgian business, is a customer."""
    with serving() as found:
        settings = shop.app.extensions["settings"]
        provider = replace(settings.provider, vat_number=OURS)
        shop.app.extensions["settings"] = replace(settings, vies_url=found.url, provider=provider)
        shop.customer("brussel", country="BE", vat_number=NUMBER, locale="en")
        yield found


def sweep(shop: Shop) -> None:
    vat_jobs.sweep()
    shop.run_jobs()
    db.session.rollback()
    db.session.expire_all()


def standing(shop: Shop) -> vat_numbers.Standing:
    found = vat_numbers.standing_of(shop.account("brussel"))
    assert found is not None
    return found


def category(shop: Shop, period: str) -> tuple[str, str]:
    """How the invoice of a period taxes its usage."""
    shop.close(period)
    tax = shop.invoices("brussel")[-1].taxes[0]
    return tax.category, f"{tax.percent:.0f}"


@pytest.mark.parametrize("number", ["BE0403019262", "NL1", "XX123", "BE 04030192", 7])
@pytest.mark.parametrize(
    ("language", "text"), [("en", "This is not a valid VAT number"), ("nl", "Dit is geen geldig btw-nummer")]
)
def test_a_number_of_the_wrong_form_is_refused_at_once(
    shop: Shop, number: Any, language: str, text: str
) -> None:
    shop.customer("acme")
    answer = shop.api.patch(
        "/v1/customers/acme", json={"vat_number": number}, headers={"Accept-Language": language}
    )
    assert (answer.status_code, answer.get_json()["field"]) == (422, "vat_number")
    assert text in answer.get_json()["detail"]


def test_a_number_that_exists_is_confirmed_with_its_evidence(shop: Shop, register: Vies) -> None:
    register.known[NUMBER] = {"name": "BRUSSEL NV", "address": "Wetstraat 1\n1000 Brussel"}
    assert standing(shop).status == "unconfirmed"
    sweep(shop)
    assert standing(shop).status == "valid"
    assert register.asked == [
        {
            "countryCode": "BE",
            "vatNumber": "0403019261",
            "requesterMemberStateCode": "NL",
            "requesterNumber": "123456782B12",
        }
    ]
    told = shop.api.get("/v1/customers/brussel/vat-number").get_json()
    assert told.pop("checked_at") is not None
    assert told == {
        "vat_number": NUMBER,
        "status": "valid",
        "consultation_number": "WAPIAAAAY",
        "name": "BRUSSEL NV",
        "address": "Wetstraat 1\n1000 Brussel",
    }


def test_it_is_asked_once_and_again_after_a_month(shop: Shop, register: Vies) -> None:
    register.known[NUMBER] = {}
    for _ in range(3):
        sweep(shop)
    vat_numbers.check(shop.customers["brussel"])
    assert len(register.asked) == 1
    shop.clock.travel_to(IN_OCTOBER + timedelta(days=40))
    sweep(shop)
    assert len(register.asked) == 2
    assert len(vat_numbers.checks_of(shop.customers["brussel"])) == 2


def test_a_new_number_is_asked_about_anew(shop: Shop, register: Vies) -> None:
    register.known[NUMBER] = {}
    sweep(shop)
    assert shop.api.patch("/v1/customers/brussel", json={"vat_number": "BE0417497106"}).status_code == 200
    db.session.rollback()
    assert standing(shop).status == "unconfirmed"
    sweep(shop)
    assert (standing(shop).status, standing(shop).vat_number) == ("invalid", "BE0417497106")


@pytest.mark.parametrize(
    "fault",
    ["MS_UNAVAILABLE", "MS_MAX_CONCURRENT_REQ", "SERVICE_UNAVAILABLE", "INVALID_REQUESTER_INFO", "HTML"],
)
def test_a_register_that_is_down_is_asked_again_later_and_stops_no_invoice(
    shop: Shop, register: Vies, fault: str
) -> None:
    register.faults = [fault] * 2
    sweep(shop)
    found = standing(shop)
    assert (found.status, found.tries, found.fault) == (
        "unconfirmed",
        1,
        "HTTP_502" if fault == "HTML" else fault,
    )
    sweep(shop)
    assert len(register.asked) == 1
    shop.use_42_40("brussel")
    register.known[NUMBER] = {}
    for wait in (vat_numbers.retry_after(1), vat_numbers.retry_after(2)):
        shop.clock.travel_to(shop.clock.now() + wait + timedelta(seconds=1))
        sweep(shop)
    assert (len(register.asked), standing(shop).status, standing(shop).tries) == (3, "valid", 0)
    shop.clock.travel_to(AFTER_OCTOBER)
    assert category(shop, "2026-10") == ("AE", "0")


def test_a_register_that_cannot_be_reached_is_no_answer(shop: Shop, register: Vies) -> None:
    settings = shop.app.extensions["settings"]
    shop.app.extensions["settings"] = replace(settings, vies_url="http://127.0.0.1:9")
    sweep(shop)
    assert (standing(shop).status, standing(shop).fault) == ("unconfirmed", "ConnectionRefusedError")


def test_a_number_that_does_not_exist_is_told_once_and_taxed_from_the_next_period(
    shop: Shop, register: Vies, smtp: Mailbox
) -> None:
    sweep(shop)
    assert standing(shop).status == "invalid"
    (message,) = smtp.to("brussel@example.nl")
    assert message["Subject"] == f"Your VAT number {NUMBER} is not known to VIES"
    # The period that runs keeps its treatment, also when its first usage comes after the answer.
    shop.use_42_40("brussel")
    shop.clock.travel_to(AFTER_OCTOBER)
    sweep(shop)
    assert len(smtp.to("brussel@example.nl")) == 1
    assert category(shop, "2026-10") == ("AE", "0")
    shop.use_42_40("brussel", at=AFTER_OCTOBER)
    # Known from now on: that, too, counts from the next period on.
    register.known[NUMBER] = {}
    shop.clock.travel_to(AFTER_OCTOBER + timedelta(days=15))
    sweep(shop)
    assert standing(shop).status == "valid"
    shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
    assert category(shop, "2026-11") == ("S", "21")
    shop.use_42_40("brussel", at=AFTER_OCTOBER.replace(month=12))
    shop.clock.travel_to(AFTER_OCTOBER.replace(year=2027, month=1))
    assert category(shop, "2026-12") == ("AE", "0")


def test_without_a_register_nothing_is_asked_and_that_is_said(shop: Shop, register: Vies) -> None:
    settings = shop.app.extensions["settings"]
    shop.app.extensions["settings"] = replace(settings, vies_url="")
    sweep(shop)
    assert (register.asked, standing(shop).status) == ([], "not_checked")
    operator()
    staff = shop.app.test_client()
    sign_in(staff, "staff@tegoed.example")
    assert "VAT numbers are not checked" in staff.get("/desk/vat-numbers").text
    assert "Not checked" in staff.get("/desk/customers/brussel/vat-number").text


@pytest.fixture
def staff(shop: Shop, register: Vies) -> FlaskClient:
    operator()
    client = shop.app.test_client()
    sign_in(client, "staff@tegoed.example")
    return client


def test_the_operator_sees_what_is_wrong_and_asks_again(
    shop: Shop, register: Vies, staff: FlaskClient
) -> None:
    register.faults = ["MS_UNAVAILABLE"]
    sweep(shop)
    page = staff.get("/desk/vat-numbers?show=waiting").text
    assert "Brussel B.V." in page
    assert "asked in vain: MS_UNAVAILABLE" in page
    one = "/desk/customers/brussel/vat-number"
    for expected in ("Not in the register", "Confirmed"):
        staff.post(f"{one}/check", data={"csrf_token": token_of(staff.get(one))})
        shop.run_jobs()
        assert expected in staff.get(one).text
        register.known[NUMBER] = {"name": "BRUSSEL NV"}
    assert "Brussel B.V." in staff.get("/desk/vat-numbers?show=valid").text
    assert "WAPIAAAAY" in staff.get(one).text
    assert staff.get("/desk/vat-numbers?show=x").status_code == 404
    assert shop.app.test_client().get("/desk/vat-numbers").status_code == 302


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"valid": true, "name": "---"}', "valid"),
        (b'{"valid": false}', "invalid"),
        (b'{"actionSucceed": false, "errorWrappers": [{"error": "INVALID_INPUT"}]}', "invalid"),
        (b'{"actionSucceed": false, "errorWrappers": [{"error": "VAT_BLOCKED"}]}', "unavailable"),
        (b'{"actionSucceed": false}', "unavailable"),
        (b'{"valid": "yes"}', "unavailable"),
        (b"[]", "unavailable"),
        (b"", "unavailable"),
        (b"\xff", "unavailable"),
    ],
)
def test_only_a_clear_answer_is_one(body: bytes, status: str) -> None:
    answer = vies.answer_of(200, body)
    assert (answer.status, answer.name) == (status, "")


@given(st.integers(1, 10_000))
def test_the_wait_grows_and_stays_below_half_a_day(tries: int) -> None:
    assert vat_numbers.retry_after(tries) <= vat_numbers.retry_after(tries + 1) <= timedelta(hours=12)


@pytest.mark.parametrize(
    ("known", "before", "after"),
    [
        (True, "Being checked", "In the European VAT register, asked today"),
        (False, "Being checked", "The European VAT register does not know this number."),
    ],
)
def test_a_customer_sees_how_its_own_number_stands(
    shop: Shop, register: Vies, client: FlaskClient, *, known: bool, before: str, after: str
) -> None:
    if known:
        register.known[NUMBER] = {}
    enter(client, member(shop.customers["brussel"], "owner", "anna@brussel.example"))
    assert before in client.get("/account").text
    sweep(shop)
    assert after in client.get("/account").text

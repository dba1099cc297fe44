"""The series of documents: chosen at the desk, without gaps, and found again from what a bank says."""

import pytest
from flask.testing import FlaskClient

from app import provider_settings
from app.config import is_series
from app.db import in_unit_of_work
from app.provider_settings import of_environment, value_of
from invoicing.bank_matching import Incoming, clues_of
from invoicing.references import invoice_number_of, reference_of, spaced
from tests.desk.test_settings import PAGE, fields, save
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.portal.people import operator, sign_in


def choose(**chosen: str) -> None:
    values = {name: value_of(of_environment(), name) for name in provider_settings.SETTING_NAMES} | chosen
    in_unit_of_work(provider_settings.save, values, seen_version=provider_settings.version(), by_user_id=1)


def credit(shop: Shop, number: str) -> str:
    answer = shop.api.post(
        f"/v1/invoices/{number}/credit", json={"reason": "Goodwill"}, headers={"Idempotency-Key": number}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["number"])


def test_another_prefix_holds_from_the_next_number_in_a_series_of_its_own(shop: Shop) -> None:
    for reference in ("acme", "bravo", "coda"):
        shop.customer(reference)
        shop.use_42_40(reference)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close("2026-10", "--customer", "acme")
    choose(invoice_prefix="INV", credit_note_prefix="CN")
    shop.close("2026-10", "--customer", "bravo")
    first = shop.invoice("bravo").number
    assert credit(shop, first) == "CN2026-000001"
    choose(invoice_prefix="F", credit_note_prefix="C")
    shop.close("2026-10", "--customer", "coda")

    numbers = [shop.invoices(reference)[0].number for reference in ("acme", "bravo", "coda")]
    assert numbers == ["F2026-000001", "INV2026-000001", "F2026-000002"]
    assert credit(shop, numbers[0]) == "C2026-000001"
    assert shop.api.get("/v1/invoices/INV2026-000001").status_code == 200


def test_a_transfer_finds_an_invoice_of_any_series() -> None:
    for number in ("F2026-000001", "INV2026-000001", "AB2026-1234567"):
        for country in ("NL", "BE"):
            assert invoice_number_of(reference_of(number, country)) == number
        told = Incoming(amount_micros=1, text=f"betaling {spaced(reference_of(number, 'NL'))}")
        assert number in clues_of(told).references
        assert number in clues_of(Incoming(amount_micros=1, text=f"Factuur {number.lower()}, dank")).numbers


@pytest.mark.parametrize("prefix", ["", "f", "ABCDE", "B", "BX", "T", "TA", "O", "RF", "F1", "F\n", "É"])
def test_a_prefix_that_would_name_something_else_is_refused(prefix: str) -> None:
    assert not is_series(prefix)


def test_the_page_says_what_the_next_number_is_and_refuses_what_cannot_be(
    shop: Shop, client: FlaskClient
) -> None:
    operator()
    sign_in(client, "staff@tegoed.example")
    shop.customer("acme")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()

    shown = client.get(PAGE).text
    assert "The next number is F2026-000002." in shown
    assert "The next number is C2026-000001." in shown
    for wrong in ({"invoice_prefix": "inv"}, {"invoice_prefix": "T"}, {"credit_note_prefix": "F"}):
        answer = save(client, **wrong)
        assert answer.status_code == 422
        assert f'id="{next(iter(wrong))}-errors"' in answer.text or "is-invalid" in answer.text
    assert save(client, invoice_prefix="INV").status_code == 303
    shown = client.get(PAGE).text
    assert "The next number is INV2026-000001." in shown
    assert fields(shown)["invoice_prefix"] == "INV"

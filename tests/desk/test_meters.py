"""The desk's pages of meters: making, changing, pricing; a price is tried for all or in one list."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from metering import service as metering
from metering.jobs import roll_up
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, bare_provider, provider, vat
from tests.portal.people import operator, sign_in, token_of

__all__ = ["bare_provider", "provider", "vat"]
PRICES = "/desk/meters/tokens/prices"
METER = {
    "code": "pages",
    "name_nl": "Pagina's",
    "name_en": "Pages",
    "event_type": "page.printed",
    "aggregation": "sum",
    "value_property": "count",
    "unit": "page",
    "dimensions": "paper, colour",
    "tax_category": "standard",
}


@pytest.fixture
def staff(provider: Provider, client: FlaskClient, clock: Clock) -> FlaskClient:
    """An operator in November; acme used 1000 tokens in October, other 100."""
    clock.travel_to(datetime(2026, 10, 12, 9, tzinfo=UTC))
    provider.customer("other")
    provider.send(provider.event(1000), provider.event(100, subject="other"))
    roll_up()
    clock.travel_to(datetime(2026, 11, 12, 9, tzinfo=UTC))
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def post(staff: FlaskClient, address: str, page: str, form: dict[str, Any]) -> tuple[int, str]:
    answer = staff.post(address, data={"csrf_token": token_of(staff.get(page))} | form)
    return answer.status_code, answer.text


def price(**fields: str) -> dict[str, str]:
    return {"model": "per_unit", "month": "2026-10-01"} | fields


def test_a_meter_is_made_changed_and_priced(staff: FlaskClient) -> None:
    assert post(staff, "/desk/new-meter", "/desk/new-meter", METER)[0] == 303
    made = metering.find_meter("pages")
    assert (made["dimensions"], made["name"]["nl"]) == (["paper", "colour"], "Pagina's")

    address = "/desk/meters/pages/facts"
    assert 'value="page.printed"' in staff.get(address).text
    assert post(staff, address, address, METER | {"unit": "sheet"})[0] == 303
    assert metering.find_meter("pages")["unit"] == "sheet"

    address = "/desk/meters/pages/prices"
    tiers = price(model="graduated", tiers="1000; 0,01\n-; 0.005; 5", when="paper=A4")
    assert post(staff, address, address, tiers)[0] == 303
    shown = staff.get(address).text
    assert "€0.005" in shown
    assert "paper=A4" in shown
    (kept,) = metering.list_prices("pages")
    assert kept["tiers"] == [
        {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "0"},
        {"up_to": None, "unit_amount": "0.005", "flat_amount": "5"},
    ]


@pytest.mark.parametrize(
    ("wrong", "field", "status"),
    [
        ({"code": "with space"}, "code", 422),
        ({"code": "tokens"}, "code", 409),
        ({"unit": ""}, "unit", 422),
        ({"value_property": ""}, "value_property", 422),
        ({"dimensions": "a,a"}, "dimensions", 422),
        ({"event_type": "with space"}, "event_type", 422),
    ],
)
def test_what_is_wrong_with_a_meter_is_said_at_its_field(
    staff: FlaskClient, wrong: dict[str, str], field: str, status: int
) -> None:
    got, page = post(staff, "/desk/new-meter", "/desk/new-meter", METER | wrong)
    assert got == status
    assert f'id="{field}-wrong"' in page


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"unit_amount": ""}, "unit_amount"),
        ({"unit_amount": "cheap"}, "unit_amount"),
        ({"unit_amount": "-1"}, "unit_amount"),
        ({"model": "volume", "tiers": "10; 1"}, "tiers"),
        ({"model": "volume", "tiers": "10"}, "tiers"),
        ({"unit_amount": "1", "when": "colour=red"}, "when"),
        ({"unit_amount": "1", "when": "colour"}, "when"),
        ({"unit_amount": "1", "customer": "nobody"}, "customer"),
        ({"model": "package", "package_size": "0", "package_amount": "1"}, "package_size"),
    ],
)
def test_what_is_wrong_with_a_price_is_said_at_its_field(
    staff: FlaskClient, wrong: dict[str, str], field: str
) -> None:
    for address in (PRICES, f"{PRICES}/try"):
        status, page = post(staff, address, PRICES, price(**wrong))
        assert status in {400, 404, 422}, address
        assert f'id="{field}-wrong"' in page
    assert len(metering.list_prices("tokens")) == 1


def test_a_price_is_tried_before_it_is_published(staff: FlaskClient) -> None:
    status, page = post(staff, f"{PRICES}/try", PRICES, price(unit_amount="0.005"))

    assert status == 200
    for shown in ("2 customers together", "€1.21", "€6.05", "€4.84"):
        assert shown in page
    assert len(metering.list_prices("tokens")) == 1


def test_a_price_tried_in_a_customers_own_list_touches_that_customer_alone(staff: FlaskClient) -> None:
    own = price(unit_amount="0.002", customer="acme")

    _, page = post(staff, f"{PRICES}/try", PRICES, own)
    assert "1 customer together: €2.42 instead of €1.21." in page
    assert "/desk/customers/other" not in page

    assert post(staff, PRICES, PRICES, own)[0] == 303
    assert len(metering.list_prices("tokens")) == 1
    (kept,) = metering.own_prices_of("tokens")
    assert kept["unit_amount"] == "0.002"
    assert 'href="/desk/customers/acme"' in staff.get(PRICES).text

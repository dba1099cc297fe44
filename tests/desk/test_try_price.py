"""The desk tries a price on a past month: what each customer would have paid, and nothing changes."""

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from metering.jobs import roll_up
from tests.fixtures.product import Clock
from tests.metering.conftest import Provider, bare_provider, provider, vat
from tests.portal.people import operator, sign_in, token_of

__all__ = ["bare_provider", "provider", "vat"]
PAGE = "/desk/prices/try"


@pytest.fixture
def staff(provider: Provider, client: FlaskClient, clock: Clock) -> FlaskClient:
    """An operator in November; acme used 1000 tokens in October."""
    clock.travel_to(datetime(2026, 10, 12, 9, tzinfo=UTC))
    provider.send(provider.event(1000))
    roll_up()
    clock.travel_to(datetime(2026, 11, 12, 9, tzinfo=UTC))
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def tried(staff: FlaskClient, price: str) -> tuple[int, str]:
    form = {
        "csrf_token": token_of(staff.get(PAGE)),
        "meter": "tokens",
        "month": "2026-10-01",
        "price": price,
    }
    answer = staff.post(PAGE, data=form)
    return answer.status_code, answer.text.replace("\u00a0", " ")


def test_the_page_shows_what_a_price_would_have_changed(staff: FlaskClient, provider: Provider) -> None:
    status, page = tried(staff, '{"model": "per_unit", "unit_amount": "0.005"}')
    assert status == 200
    for shown in ("acme", "€1.21", "€6.05", "€4.84"):
        assert shown in page
    assert len(provider.api.get("/v1/meters/tokens/prices").json["data"]) == 1  # type: ignore[index]  # JSON


@pytest.mark.parametrize("price", ["", "cheap", "[]", '{"model": "per_unit", "unit_amount": "-1"}'])
def test_a_price_that_could_not_be_published_is_said_to_be_wrong(staff: FlaskClient, price: str) -> None:
    status, page = tried(staff, price)
    assert status in {400, 422}
    assert "is-invalid" in page

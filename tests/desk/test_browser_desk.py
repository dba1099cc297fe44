"""The desk's pages in a real browser: for everybody, in both languages, on a phone and in the dark."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from app.customers.sign_in import create_user, find_user
from app.db import db, unit_of_work
from app.ledger import adjustments
from app.ledger.adjustments import Wish
from metering.jobs import roll_up
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.portal.people import PASSWORD, operator

PAGES = {
    "figures": "/desk/figures",
    "audit": "/desk/audit",
    "approvals": "/desk/approvals",
    "adjust": "/desk/customers/acme/adjust",
    "staff": "/desk/staff",
    "meters": "/desk/meters",
    "new-meter": "/desk/new-meter",
    "prices": "/desk/meters/prompt_tokens/prices",
    "runs": "/desk/invoice-runs",
    "settings": "/desk/settings",
}


def _sign_in(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill("staff@tegoed.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/desk/customers")


@pytest.fixture
def october(shop: Shop) -> Shop:
    """A closed month of two customers, and an adjustment that waits."""
    for name in ("acme", "other"):
        shop.customer(name)
        shop.use_42_40(name)
    shop.top_up("acme", 100)
    shop.clock.travel_to(AFTER_OCTOBER)
    roll_up()
    shop.close()
    me = operator().user_id
    with unit_of_work():
        colleague = create_user("mo@tegoed.example", "Mo", locale="en", is_operator=True).user_id
    for number, (by, amount) in enumerate(((colleague, 250), (me, 400), (me, 5))):
        wish = Wish(
            customer_id=shop.customers["acme"],
            kind="balance",
            amount_micros=amount * EURO,
            reason="Outage of the first week of October",
            request_key=f"wish-{number}",
        )
        with unit_of_work():
            adjustments.request(wish, by_user_id=by)
    return shop


# In Dutch every page is read by tests/test_screens.py.
@pytest.mark.parametrize("locale", ["en"])
def test_every_page_is_accessible_light_and_dark_wide_and_narrow(
    october: Shop,
    page: Page,
    accessible: Callable[[Page], None],
    screens: Callable[[Page, str], None],
    locale: str,
) -> None:
    _sign_in(page)
    with unit_of_work():
        user: Any = find_user("staff@tegoed.example")
        user.locale = locale
    for name, address in PAGES.items():
        page.goto(address)
        accessible(page)
        screens(page, f"desk-{name}-{locale}")


def test_looking_as_a_customer_and_back_again(
    october: Shop, page: Page, accessible: Callable[[Page], None], screens: Callable[[Page, str], None]
) -> None:
    _sign_in(page)
    page.goto("/desk/customers/acme")
    page.get_by_role("button", name="See as the customer").click()
    page.get_by_text("Nothing can be changed.").wait_for()
    accessible(page)
    screens(page, "desk-viewing")

    page.get_by_role("button", name="Stop looking").click()

    page.get_by_text("You no longer look as a customer.").wait_for()
    assert page.url.endswith("/desk/customers/acme")
    db.session.rollback()

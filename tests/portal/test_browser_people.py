"""The people's pages as a browser shows them: light and dark, desk and phone, both languages."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from app.customers import auth, team
from app.db import unit_of_work
from tests.fixtures.outside import Mailbox
from tests.fixtures.product import LiveApp
from tests.fixtures.single_sign_on import SignOnProvider
from tests.portal.people import PASSWORD, customer_with_user, member, plain

PAGES = {
    "account": "/account",
    "account-closing": "/account/closing",
    "account-keys": "/account/api-keys",
    "security": "/account/security",
    "authenticator": "/account/security/authenticator",
    "team": "/team",
}
BEFORE = {"sign-in": "/sign-in", "password-forgotten": "/password/forgotten"}


# In Dutch every page is read by tests/test_screens.py.
@pytest.mark.parametrize("locale", ["en"])
def test_the_peoples_pages_are_readable_everywhere(
    live_app: LiveApp,
    sign_on: SignOnProvider,
    page: Page,
    accessible: Callable[[Page], None],
    screens: Callable[[Page, str], None],
    smtp: Mailbox,
    run_jobs: Callable[..., int],
    locale: str,
) -> None:
    acme, anna = customer_with_user("acme", locale=locale)
    member(acme, "billing", "bo.bakker@administratiekantoor-de-vries.example")
    with unit_of_work():
        auth.create_customer_key(acme, "Our shop", "read", created_by=anna)
        team.invite(acme, "nina@acme.example", "viewer", by=anna)
    run_jobs()
    text = plain(smtp.messages[-1])
    invitation = "/invitation/" + text.split("/invitation/", 2)[1].split(maxsplit=1)[0]
    page.goto("/sign-in")
    page.click(f"button[name=locale][value={locale}]")
    for name, path in (BEFORE | {"invitation": invitation}).items():
        page.goto(path)
        accessible(page)
        screens(page, f"{name}-{locale}")
    page.goto("/sign-in")
    page.fill("#email", anna.email)
    page.fill("#password", PASSWORD)
    page.click("main form button.btn-primary")
    page.wait_for_url("**/overview")
    for name, path in PAGES.items():
        page.goto(path)
        accessible(page)
        screens(page, f"{name}-{locale}")

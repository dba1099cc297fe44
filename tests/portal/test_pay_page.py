"""The pay page: whoever has the link pays, sees no more than that takes, and nobody guesses it."""

import re
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from types import MappingProxyType

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from app.config import MethodFee, Settings
from app.customers.sign_in import add_member, create_user
from app.db import db, unit_of_work
from app.portal import pay
from tests.fixtures.outside import Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.portal.people import enter
from topups import methods
from topups import service as topups


class Person:
    """Somebody with a browser, signed in or not."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.page = ""

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path, headers={"Accept-Language": "en"})
        assert answer.status_code == status, answer.text
        self.page = unescape(answer.text)
        return self.page

    def post(self, path: str, **fields: str) -> TestResponse:
        answer = self.client.post(
            path,
            data={"csrf_token": self.hidden("csrf_token"), **fields},
            headers={"Accept-Language": "en"},
        )
        if answer.status_code != 302:
            self.page = unescape(answer.text)
        return answer

    def hidden(self, name: str) -> str:
        found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', self.page)
        assert found is not None, name
        return found.group(1)

    @property
    def link(self) -> str:
        """The address of the newest link on the page."""
        found = re.search(r'value="http://[^/"]+(/pay/[^"]+)"', self.page)
        assert found is not None
        return found.group(1)


@pytest.fixture
def acme(shop: Shop, live_app: LiveApp, sandbox: Sandbox) -> int:
    methods.forget()
    return shop.customer("acme", locale="en")


def member(app: Flask, customer_id: int, role: str = "owner") -> Person:
    with unit_of_work():
        user = create_user(f"{role}-{customer_id}@acme.example", "Jan", locale="en")
        add_member(customer_id, user, role)
    client = app.test_client()
    enter(client, user)
    return Person(client)


@pytest.fixture
def jan(app: Flask, acme: int) -> Person:
    return member(app, acme)


@pytest.fixture
def payer(app: Flask) -> Person:
    return Person(app.test_client())


def made(jan: Person, **what: str) -> str:
    jan.get("/pay-links")
    assert jan.post("/pay-links", **what).status_code == 302
    jan.get("/pay-links")
    return jan.link


def settle(shop: Shop, sandbox: Sandbox, status: str = "paid") -> topups.TopUp:
    db.session.rollback()
    payment = topups.top_ups(shop.customers["acme"])[0]
    sandbox.control(f"payments/{payment.mollie_payment_id}/state", {"status": status})
    shop.run_jobs()
    db.session.rollback()
    return topups.find_top_up(payment.top_up_id)


def test_somebody_without_an_account_tops_up_by_a_link(
    shop: Shop, sandbox: Sandbox, jan: Person, payer: Person
) -> None:
    link = made(jan, amount="50")
    page = payer.get(link)
    assert "Acme B.V." in page
    assert "€50.00" in page
    token = payer.hidden("token")
    first = payer.post(link, token=token, method="ideal")
    second = payer.post(link, token=token, method="ideal")
    assert first.status_code == second.status_code == 302
    assert first.location == second.location
    assert "/checkout/" in first.location
    assert "We are waiting for your bank" in payer.get(f"{link}/result")
    settle(shop, sandbox)
    page = payer.get(f"{link}/result")
    assert "Payment of €50.00 received" in page
    assert "The balance of Acme B.V. has gone up by this amount." in page
    assert shop.balance("acme").prepaid_micros == 50 * EURO
    assert "There is nothing left to do" in payer.get(link)
    assert 'name="method"' not in payer.page
    assert "paid" in jan.get("/pay-links")


def test_an_invoice_is_paid_by_a_link_for_what_is_outstanding(
    shop: Shop, sandbox: Sandbox, acme: int, jan: Person, payer: Person
) -> None:
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    number = shop.invoice("acme").number
    link = made(jan, invoice=number)
    page = payer.get(link)
    assert number in page
    assert "€42.40" in page
    payer.post(link, token=payer.hidden("token"), method="ideal")
    settle(shop, sandbox)
    assert f"Invoice {number} is paid." in payer.get(f"{link}/result")
    assert shop.invoice("acme").outstanding_micros == 0
    assert "There is nothing left to do" in payer.get(link)


@pytest.fixture
def paypal_costs(settings: Settings) -> None:
    fee = MethodFee(fixed=Decimal("0.35"), percentage=Decimal("3.4"))
    object.__setattr__(settings, "fees", MappingProxyType({"paypal": fee}))


@pytest.mark.usefixtures("paypal_costs")
def test_a_fee_is_shown_and_accepted_before_anything_is_paid(
    shop: Shop, sandbox: Sandbox, jan: Person, payer: Person
) -> None:
    link = made(jan, amount="50")
    assert "PayPal (costs a fee)" in payer.get(link)
    token = payer.hidden("token")
    shown = payer.post(link, token=token, method="paypal")
    # 0.35 + 3.4% of 50 = 2.05; 21% VAT of it is 0.43.
    assert shown.status_code == 200
    assert all(amount in payer.page for amount in ("€2.48", "€0.43", "€52.48"))
    assert topups.top_ups(shop.customers["acme"]) == []
    fields = {name: payer.hidden(name) for name in ("token", "method", "accepted_fee")}
    assert "/checkout/" in payer.post(link, **fields).location
    paid = settle(shop, sandbox)
    assert (paid.amount_micros, paid.fee_micros) == (50 * EURO, 2_480_000)
    assert shop.balance("acme").prepaid_micros == 50 * EURO
    page = payer.get(f"{link}/result")
    assert "Payment of €52.48 received" in page
    assert "and €2.48 for paying by PayPal" in page


@pytest.mark.usefixtures("paypal_costs")
def test_an_invoice_is_paid_by_a_link_with_a_fee_that_settles_nothing(
    shop: Shop, sandbox: Sandbox, acme: int, jan: Person, payer: Person
) -> None:
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    link = made(jan, invoice=shop.invoice("acme").number)
    payer.get(link)
    # Who leaves the accepted fee out, or names another, is shown it again.
    for accepted in ("", "0", "1"):
        refused = payer.post(link, token=payer.hidden("token"), method="paypal", accepted_fee=accepted)
        assert refused.status_code == 200
        assert topups.top_ups(acme) == []
    payer.post(link, **{name: payer.hidden(name) for name in ("token", "method", "accepted_fee")})
    paid = settle(shop, sandbox)
    assert (paid.amount_micros, paid.fee_micros) == (42_400_000, 2_170_000)
    assert shop.invoice("acme").outstanding_micros == 0
    sandbox.control(f"payments/{paid.mollie_payment_id}/chargeback", {})
    shop.run_jobs()
    assert shop.invoice("acme").outstanding_micros == 42_400_000
    assert shop.balance("acme").prepaid_micros == 0


def test_an_open_invoice_is_shared_from_its_own_page(
    shop: Shop, sandbox: Sandbox, acme: int, jan: Person, payer: Person
) -> None:
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    number = shop.invoice("acme").number
    assert "Share a pay link" in jan.get(f"/invoices/{number}")
    assert jan.post("/pay-links", invoice=number).location == "/pay-links"
    jan.get("/pay-links")
    payer.get(jan.link)
    payer.post(jan.link, token=payer.hidden("token"), method="ideal")
    settle(shop, sandbox)
    assert "Share a pay link" not in jan.get(f"/invoices/{number}")


def test_a_program_makes_lists_and_withdraws_links(
    shop: Shop, sandbox: Sandbox, acme: int, payer: Person
) -> None:
    path = "/v1/customers/acme/pay-links"
    amount = {"value": "50.00", "currency": "EUR"}
    answer = shop.api.post(path, json={"amount": amount}, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 201, answer.text
    link = answer.get_json()
    assert (link["amount"], link["invoice"], link["paid"]) == (amount, None, False)
    same = shop.api.post(path, json={"amount": amount}, headers={"Idempotency-Key": "two"})
    assert same.get_json()["id"] == link["id"]
    address = link["url"].partition("//")[2].partition("/")[2]
    payer.get(f"/{address}")
    payer.post(f"/{address}", token=payer.hidden("token"), method="ideal")
    settle(shop, sandbox)
    (listed,) = shop.api.get(path).get_json()["data"]
    assert (listed["id"], listed["paid"]) == (link["id"], True)
    for _ in range(2):
        revoked = shop.api.post(f"/v1/pay-links/{link['id']}/revoke")
        assert revoked.status_code == 200, revoked.text
        assert revoked.get_json()["revoked_at"] is not None
    assert shop.api.get(path).get_json()["data"] == []
    payer.get(f"/{address}", 404)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "amount_or_invoice"),
        (
            {"amount": {"value": "50.00", "currency": "EUR"}, "invoice": "F2026-000001"},
            422,
            "amount_or_invoice",
        ),
        ({"amount": {"value": "0.50", "currency": "EUR"}}, 422, "amount_outside_limits"),
        ({"invoice": "F2026-000009"}, 404, "unknown_invoice"),
        ({"invoice": 7}, 404, "unknown_invoice"),
        ({"amount": None, "customer": "other"}, 422, "invalid_request"),
    ],
)
def test_a_link_that_cannot_be_is_explained(
    shop: Shop, acme: int, body: dict[str, object], status: int, code: str
) -> None:
    answer = shop.api.post("/v1/customers/acme/pay-links", json=body, headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)


def test_no_program_learns_of_a_link_by_guessing(shop: Shop, acme: int) -> None:
    for guess in ("pay_rs_aaaaaaaaaaaaaaaaaaaa", "nothing", "pay_zzz_x"):
        assert shop.api.post(f"/v1/pay-links/{guess}/revoke").status_code == 404


def test_a_wrong_a_withdrawn_and_an_expired_link_look_the_same(
    shop: Shop, jan: Person, payer: Person
) -> None:
    link = made(jan, amount="50")
    other = made(jan, amount="25")
    jan.post(f"/pay-links/{link.removeprefix('/pay/')}/revoke")
    shop.clock.travel_to(shop.clock.now().replace(year=shop.clock.now().year + 1))
    pages = [payer.get(path, 404) for path in (link, other, f"{link[:-1]}z", "/pay/nothing", "/pay/a_b_c")]
    assert all("Ask for a new one" in page for page in pages)
    assert not any("Acme" in page for page in pages)


def test_a_failed_payment_may_be_tried_again(
    shop: Shop, sandbox: Sandbox, jan: Person, payer: Person
) -> None:
    link = made(jan, amount="50")
    payer.get(link)
    payer.post(link, token=payer.hidden("token"), method="ideal")
    settle(shop, sandbox, "canceled")
    assert "Try again" in payer.get(f"{link}/result")
    payer.get(link)
    payer.post(link, token=payer.hidden("token"), method="ideal")
    settle(shop, sandbox)
    assert shop.balance("acme").prepaid_micros == 50 * EURO


def test_the_page_is_kept_from_search_engines_and_other_sites(jan: Person, payer: Person) -> None:
    answer = payer.client.get(made(jan, amount="50"))
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "@acme.example" not in answer.text


def test_many_requests_of_one_address_are_refused_for_a_while(
    jan: Person, payer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = made(jan, amount="50")
    monkeypatch.setattr(pay, "VIEWS_A_MINUTE", 3)
    codes = [payer.client.get(link).status_code for _ in range(8)]
    assert codes[0] == 200
    assert codes[-1] == 429


def test_a_viewer_makes_no_link_and_another_customer_withdraws_none(
    app: Flask, shop: Shop, acme: int, jan: Person
) -> None:
    link = made(jan, amount="50")
    viewer = member(app, acme, "viewer")
    viewer.get("/pay-links")
    assert viewer.post("/pay-links", amount="50").status_code == 403
    stranger = member(app, shop.customer("other"))
    stranger.get("/pay-links")
    assert stranger.post(f"/pay-links/{link.removeprefix('/pay/')}/revoke").status_code == 404
    assert jan.client.get(link).status_code == 200


def test_a_wrong_amount_is_explained_and_the_same_link_is_not_made_twice(jan: Person) -> None:
    jan.get("/pay-links")
    assert jan.post("/pay-links", amount="ten").status_code == 422
    assert "Enter an amount from €10 to €250." in jan.page
    assert made(jan, amount="50") == made(jan, amount="50")


def test_the_pages_read_well_on_a_desk_and_a_phone(
    shop: Shop,
    sandbox: Sandbox,
    jan: Person,
    page: Page,
    accessible: Callable[[Page], None],
    screens: Callable[[Page, str], None],
) -> None:
    link = made(jan, amount="50")
    page.goto(link)
    expect(page.get_by_role("button", name="Pay €50.00")).to_be_visible()
    accessible(page)
    screens(page, "pay-link-en")
    page.get_by_role("button", name="Pay €50.00").click()
    page.locator("#status-paid").click()
    page.wait_for_url("**/result*")
    shop.run_jobs()
    expect(page.get_by_text("Payment of €50.00 received.")).to_be_visible()
    accessible(page)
    screens(page, "pay-link-paid-en")
    page.get_by_role("button", name="NL, Nederlands").click()
    expect(page.get_by_text("We hebben je betaling van €\u00a050,00 ontvangen.")).to_be_visible()
    screens(page, "pay-link-paid-nl")
    page.goto(made(jan, amount="25"))
    expect(page.get_by_role("button", name="€\u00a025,00 betalen")).to_be_visible()
    accessible(page)
    screens(page, "pay-link-nl")

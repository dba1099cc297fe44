"""The customer's pages: what a person sees and does, and what another person does not."""

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.customers.sign_in import add_member, create_user
from app.db import unit_of_work
from app.ledger.accounts import open_account
from tests.portal.people import enter
from tests.topups.conftest import EURO, Story
from topups import service


class Browser:
    """A signed-in person; forms are sent with what their page holds."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.page = ""

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        self.page = unescape(answer.text)
        return self.page

    def hidden(self, name: str) -> str:
        found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', self.page)
        assert found is not None, name
        return found.group(1)

    def post(self, path: str, **fields: str) -> TestResponse:
        answer = self.client.post(path, data={"csrf_token": self.hidden("csrf_token"), **fields})
        if answer.mimetype == "text/html" and answer.status_code != 302:
            self.page = unescape(answer.text)
        return answer


def signed_in(app: Flask, customer_id: int, email: str, role: str = "owner", locale: str = "en") -> Browser:
    with unit_of_work():
        user = create_user(email, "Jan", locale=locale)
        add_member(customer_id, user, role)
    client = app.test_client()
    enter(client, user)
    return Browser(client)


@pytest.fixture
def browser(app: Flask, story: Story) -> Browser:
    return signed_in(app, story.customer_id, "jan@acme.example")


def test_a_person_tops_up_and_comes_back_to_the_new_balance(story: Story, browser: Browser) -> None:
    page = browser.get("/top-up")
    assert "iDEAL" in page
    assert 'name="save_method"' in page
    assert "checked" not in re.findall(r"<input[^>]*save_method[^>]*>", page)[0]
    answer = browser.post("/top-up", amount="50,00", method="ideal", token=browser.hidden("token"))
    (top_up,) = story.top_ups()
    assert (answer.status_code, answer.location) == (302, top_up.checkout_url)

    page = browser.get(f"/top-up/{top_up.top_up_id}")
    assert "We are waiting for your bank" in page
    assert 'http-equiv="refresh"' in page

    story.settle(top_up)
    page = browser.get(f"/top-up/{top_up.top_up_id}?turn=1")
    if "We are waiting" in page:
        story.run_jobs()
        page = browser.get(f"/top-up/{top_up.top_up_id}?turn=2")
    assert "Payment of €50.00 received" in page
    assert 'http-equiv="refresh"' not in page
    assert story.prepaid == 50 * EURO


def test_a_double_click_makes_one_payment_and_a_new_page_makes_another(
    story: Story, browser: Browser
) -> None:
    browser.get("/top-up")
    token = browser.hidden("token")
    first = browser.post("/top-up", amount="25", method="ideal", token=token)
    second = browser.post("/top-up", amount="25", method="ideal", token=token)
    assert first.location == second.location
    browser.get("/top-up")
    browser.post("/top-up", amount="25", method="ideal", token=browser.hidden("token"))
    assert len(story.top_ups()) == 2


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("5", "Enter an amount from €10 to €250."),
        ("1000", "Enter an amount from €10 to €250."),
        ("ten", "Enter an amount from €10 to €250."),
        ("", "Enter an amount from €10 to €250."),
    ],
)
def test_a_wrong_amount_is_explained_beside_its_field(
    story: Story, browser: Browser, amount: str, told: str
) -> None:
    browser.get("/top-up")
    answer = browser.post("/top-up", amount=amount, method="ideal", token=browser.hidden("token"))
    assert answer.status_code == 422
    assert told in browser.page
    assert story.top_ups() == []


def test_a_failed_payment_says_so_and_offers_another_try(story: Story, browser: Browser) -> None:
    top_up = story.request(25)
    story.settle(top_up, "canceled")
    story.run_jobs()
    page = browser.get(f"/top-up/{top_up.top_up_id}")
    assert "The payment was cancelled. Nothing was charged." in page
    assert "Try again" in page


def test_another_customers_payment_is_not_there(app: Flask, story: Story) -> None:
    top_up = story.request(25)
    with unit_of_work():
        other = open_account({"reference": "other", "name": "Other", "email": "o@other.example"})
        other_id = other.customer_id
    stranger = signed_in(app, other_id, "eve@other.example")
    stranger.get(f"/top-up/{top_up.top_up_id}", status=404)
    stranger.get("/top-up/tu_rs_nonsense", status=404)
    method = story.save_method("creditcard")
    stranger.get("/payment-methods")
    stranger.page = stranger.get("/top-up")
    assert stranger.post(f"/payment-methods/{method.payment_method_id}/revoke").status_code == 404
    assert stranger.post(f"/payment-methods/{method.payment_method_id}/up").status_code == 404


def test_automatic_top_up_is_turned_on_with_consent_read_as_a_sentence_and_turned_off(
    story: Story, browser: Browser
) -> None:
    page = browser.get("/automatic-top-up")
    assert "Add a payment method first" in page
    story.save_method("ideal")
    browser.get("/automatic-top-up")
    rule = {"fill": "amount", "threshold": "10", "amount": "25", "monthly_maximum": "250"}
    answer = browser.post("/automatic-top-up", **rule)
    assert answer.status_code == 422
    assert "Tick the box to give your consent." in browser.page

    answer = browser.post("/automatic-top-up", **rule, consent="y")
    assert answer.status_code == 302
    page = browser.get("/automatic-top-up")
    assert re.search(r"balance \w+ below <b[^>]*>€10.00</b>, we top it up with <b[^>]*>€25.00</b>", page)
    assert re.search(r"never more than <b[^>]*>€250.00</b> per month", page)
    assert story.rule().enabled

    browser.post("/automatic-top-up/off")
    assert not story.rule().enabled
    assert "Turn on automatic top-up" in browser.get("/automatic-top-up")


def test_a_monthly_maximum_below_the_amount_is_explained(story: Story, browser: Browser) -> None:
    story.save_method("ideal")
    browser.get("/automatic-top-up")
    answer = browser.post(
        "/automatic-top-up",
        fill="amount",
        threshold="10",
        amount="100",
        monthly_maximum="50",
        consent="y",
    )
    assert answer.status_code == 422
    assert "The monthly maximum must be at least the top-up amount." in browser.page


def test_a_target_not_above_the_threshold_is_explained(story: Story, browser: Browser) -> None:
    story.save_method("ideal")
    assert "Fill up to" in browser.get("/automatic-top-up?fill=target")
    answer = browser.post(
        "/automatic-top-up",
        fill="target",
        threshold="50",
        target="50",
        monthly_maximum="250",
        consent="y",
    )
    assert answer.status_code == 422
    assert "must be above the threshold" in browser.page


def test_the_page_says_why_no_top_up_happened(story: Story, browser: Browser) -> None:
    story.save_method("creditcard")
    story.turn_on(monthly_maximum_micros=25 * EURO)
    story.run_jobs()
    story.use(5)
    story.evaluate()
    story.run_jobs()
    story.pass_time(hours=2)
    story.use(25)
    assert story.evaluate() == "monthly_maximum"
    page = browser.get("/automatic-top-up")
    assert "monthly maximum reached" in page
    assert page.count("not topped up") == 1
    assert "No top-up" not in page, "what the tag says is not said again"
    assert "Raise the monthly maximum" in page
    assert "€25.00 of €25.00" in page


def test_payment_methods_are_ordered_and_withdrawn(story: Story, browser: Browser) -> None:
    debit = story.save_method("ideal", key="save-1")
    card = story.save_method("creditcard", key="save-2")
    page = browser.get("/payment-methods")
    assert page.index(debit.account_mask or "") < page.index(card.account_mask or "")
    browser.post(f"/payment-methods/{card.payment_method_id}/up", next="methods")
    page = browser.get("/payment-methods")
    assert page.index(card.account_mask or "") < page.index(debit.account_mask or "")
    browser.post(f"/payment-methods/{card.payment_method_id}/revoke")
    page = browser.get("/payment-methods")
    assert "The mandate has been withdrawn." in page
    assert f"/payment-methods/{card.payment_method_id}/" not in page
    assert f"/payment-methods/{debit.payment_method_id}/" in page


def test_a_viewer_may_look_but_not_pay_or_change(app: Flask, story: Story) -> None:
    viewer = signed_in(app, story.customer_id, "viewer@acme.example", role="viewer")
    viewer.get("/automatic-top-up")
    viewer.get("/top-up")
    answer = viewer.post("/top-up", amount="25", method="ideal", token=viewer.hidden("token"))
    assert answer.status_code == 403
    assert "You can view this, not change it." in viewer.page
    assert story.top_ups() == []


def test_a_stored_mandate_pays_without_a_payment_page(story: Story, browser: Browser) -> None:
    card = story.save_method("creditcard")
    page = browser.get("/top-up")
    choice = f"mandate:{card.payment_method_id}"
    assert choice in page
    answer = browser.post("/top-up", amount="25", method=choice, token=browser.hidden("token"))
    assert answer.status_code == 302
    story.run_jobs()
    assert story.prepaid == 35 * EURO


def test_while_mollie_is_away_the_page_still_opens_and_says_nothing_was_charged(
    story: Story, browser: Browser
) -> None:
    story.sandbox.control("faults", {"match": "* /v2/*", "action": "503", "times": None})
    page = browser.get("/top-up")
    assert 'value="any"' in page
    answer = browser.post("/top-up", amount="25", method="any", token=browser.hidden("token"))
    assert answer.status_code == 503
    assert "Nothing was charged" in browser.page


def test_methods_are_put_in_order_and_one_is_the_default(story: Story, browser: Browser) -> None:
    first, second, third = (story.save_method("creditcard", key=f"m{number}") for number in range(3))
    ids = [first.payment_method_id, second.payment_method_id, third.payment_method_id]

    def order() -> list[str]:
        with unit_of_work():
            return [m.payment_method_id for m in service.payment_methods(story.customer_id)]

    browser.get("/payment-methods")
    browser.post(f"/payment-methods/{ids[2]}/first")
    assert order() == [ids[2], ids[0], ids[1]]
    browser.post(f"/payment-methods/{ids[2]}/down")
    assert order() == ids[:1] + ids[2:] + ids[1:2]
    browser.post(f"/payment-methods/{ids[1]}/up")
    assert order() == ids
    assert browser.post(f"/payment-methods/{ids[1]}/sideways").status_code == 404

"""What a customer does with money, in a real browser and in each language: by hand, by rule, by method."""

from playwright.sync_api import expect

from app.customers.service import get_customer
from app.customers.sign_in import add_member, create_user
from app.db import unit_of_work
from tests.fixtures.outside import eventually
from tests.fixtures.reader import Reader
from tests.topups.conftest import EURO, Story


def comes_in(story: Story, reader: Reader) -> None:
    with unit_of_work():
        get_customer(story.customer_id).locale = reader.language
        user = create_user("jan@acme.example", "Jan", locale=reader.language)
        add_member(story.customer_id, user, "owner")
    reader.comes_in(user)


def comes_back(story: Story, reader: Reader) -> None:
    """From the bank, to a page that knows of the money: the webhook comes a moment after the payer."""
    reader.page.wait_for_url("**/top-up/tu_*")

    def arrived() -> bool:
        story.run_jobs()
        return all(one.status == "paid" for one in story.top_ups())

    eventually(arrived)
    reader.page.reload()


def test_topping_up_by_hand_saves_the_method_that_the_rule_then_uses(story: Story, reader: Reader) -> None:
    comes_in(story, reader)
    reader.opens("/top-up")
    reader.fills("Amount", "40")
    reader.page.get_by_label("iDEAL | Wero").check()
    reader.page.locator("#save_method").check()
    reader.presses("Top up now")
    reader.page.locator("#status-paid").click()
    comes_back(story, reader)
    reader.sees("Your balance is now")
    assert story.prepaid == 40 * EURO

    reader.follows("Turn on automatic top-up")
    rule = reader.page.locator(".rule")
    reader.fills("Threshold", "7,50")
    expect(rule).to_contain_text("7,50" if reader.language == "nl" else "7.50")
    reader.fills("Top-up amount", "30")
    reader.fills("On the first of each month", "15")
    with_calendar = reader.say("On the first of each month we add %(calendar)s.", calendar="15").split("15")[
        0
    ]
    expect(rule).to_contain_text(with_calendar)
    reader.fills("On the first of each month", "")
    expect(rule.locator("[data-with]")).to_be_hidden()
    reader.page.locator("#consent").check()
    reader.presses("Turn on automatic top-up")
    expect(reader.page.get_by_role("button", name=reader.say("Turn off"))).to_be_visible()
    kept = story.rule()
    assert (kept.enabled, kept.threshold_micros, kept.amount_micros) == (True, 7_500_000, 30 * EURO)

    reader.presses("Turn off")
    reader.sees("Off. We never charge anything of our own accord.")


def test_a_payment_method_is_added_put_first_and_withdrawn(story: Story, reader: Reader) -> None:
    comes_in(story, reader)
    story.save_method("ideal")
    reader.opens("/payment-methods")
    reader.follows("Add payment method")
    reader.page.locator("input[name=method]").first.check()
    reader.page.locator("#save_method").check()
    reader.presses("Add payment method")
    reader.page.locator("#status-paid").click()
    comes_back(story, reader)
    reader.is_told("Your payment method has been added. Nothing was charged.")
    reader.follows("To the payment methods")
    rows = reader.page.get_by_role("row")

    def both_are_known() -> bool:
        story.run_jobs()
        reader.page.reload()
        return rows.count() == 2

    eventually(both_are_known)
    expect(rows.nth(0)).to_contain_text(reader.say("default"))
    debit = rows.nth(0).inner_text().split("(")[0]
    rows.nth(1).get_by_role("button").first.click()
    expect(rows.nth(1)).to_contain_text(debit.split()[-1])

    reader.presses("Withdraw mandate")
    expect(rows).to_have_count(1)

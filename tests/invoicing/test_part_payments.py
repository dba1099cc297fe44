"""Paying a part, and several invoices at once: each euro asked for once, and settled where it was meant."""

from decimal import Decimal
from types import MappingProxyType

import pytest

from app.config import MethodFee, Settings
from app.db import in_unit_of_work
from app.errors import Invalid
from invoicing import errors, paying, payment_orders, service, write_offs
from invoicing.paying import PayWish
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import EURO, Shop
from tests.invoicing.payers import Payer, hidden, payer
from tests.topups.at_once import at_once
from topups import methods
from topups import service as topups
from topups.errors import PaymentRefused, RequestKeyReused


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """PayPal costs something here."""
    fee = MethodFee(fixed=Decimal("0.35"), percentage=Decimal("3.4"))
    object.__setattr__(settings, "fees", MappingProxyType({"paypal": fee}))
    return settings


@pytest.fixture
def acme(shop: Shop, live_app: LiveApp, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Payer:
    for module in ("topups.receipts", "invoicing.notices", "invoicing.paid_copies"):
        monkeypatch.setattr(f"{module}.render_pdf", lambda html: b"%PDF " + html.encode())
    methods.forget()
    return payer(shop, sandbox)


def test_the_invoice_page_asks_for_all_of_it_and_lets_a_part_be_paid(acme: Payer) -> None:
    acme.signs_in()
    page = acme.get(f"/invoices/{acme.numbers[0]}")
    assert 'value="42.40"' in page
    answer = acme.sends(page, amount="20")
    (payment,) = acme.payments
    assert answer.location == payment.checkout_url
    acme.at_the_bank(payment, "paid")
    assert acme.outstanding == [2240]
    page = acme.get(f"/invoices/{acme.numbers[0]}")
    assert 'value="22.40"' in page
    acme.sends(page)
    acme.at_the_bank(acme.payments[0], "paid")
    assert acme.outstanding == [0]
    assert service.status_now(acme.invoices[0]) == "paid"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("42,41", "This is more than the €42.40 that is to be paid."),
        ("0.50", "Enter an amount from €1.00 to €42.40."),
        ("free", "Enter an amount such as 25.00."),
        ("", "Enter an amount such as 25.00."),
    ],
)
def test_an_amount_that_cannot_be_paid_is_refused_beside_its_field(
    acme: Payer, amount: str, words: str
) -> None:
    acme.signs_in()
    answer = acme.sends(acme.get(f"/invoices/{acme.numbers[0]}"), amount=amount)
    assert answer.status_code == 422
    assert words in answer.text.replace("\xa0", " ")
    assert acme.payments == []


def test_several_invoices_are_paid_at_once_the_oldest_settled_first(acme: Payer) -> None:
    acme.uses_november_too()
    acme.signs_in()
    october, november = acme.numbers
    listed = acme.get("/invoices")
    assert f'name="invoice" value="{october}"' in listed
    page = acme.get(f"/invoices/pay?invoice={november}&invoice={october}")
    assert 'value="84.80"' in page
    first, again = acme.sends(page, amount="50"), acme.sends(page, amount="50")
    assert first.location == again.location
    (payment,) = acme.payments
    acme.at_the_bank(payment, "paid")
    assert acme.outstanding == [0, 3480]


def test_one_debit_for_several_invoices_is_under_way_for_each_of_them(acme: Payer) -> None:
    acme.uses_november_too()
    debit = acme.story.save_method("ideal")
    wish = PayWish(
        numbers=tuple(acme.numbers),
        request_key="both",
        amount_micros=50_000_000,
        payment_method_id=debit.payment_method_id,
    )
    made = paying.pay(acme.shop.account("acme"), wish)
    assert [due.status for due in service.due(acme.customer_id)] == ["in_progress"] * 2
    assert [due.payable_micros for due in service.due(acme.customer_id)] == [0, 34_800_000]
    assert paying.pay(acme.shop.account("acme"), wish).top_up_id == made.top_up_id
    acme.at_the_bank(made, "failed", failure_reason="AM04")
    assert [due.payable_micros for due in service.due(acme.customer_id)] == [42_400_000] * 2


def test_a_payment_goes_to_the_invoices_it_names_whatever_else_is_older(acme: Payer) -> None:
    acme.uses_november_too()
    november = acme.numbers[1]
    wish = PayWish(numbers=(november,), request_key="one", method="ideal")
    acme.at_the_bank(paying.pay(acme.shop.account("acme"), wish), "paid")
    assert acme.outstanding == [4240, 0]


def test_a_stored_mandate_is_charged_at_once_and_the_same_part_is_not_paid_twice(acme: Payer) -> None:
    debit = acme.story.save_method("ideal")
    acme.signs_in()
    number = acme.numbers[0]
    page = acme.get(f"/invoices/{number}")
    answer = acme.sends(page, amount="40", method=f"mandate:{debit.payment_method_id}")
    (payment,) = acme.payments
    assert answer.location == f"/top-up/{payment.top_up_id}"
    assert payment.status == "pending"
    assert service.status_now(acme.invoices[0]) == "in_progress"
    # The rest may be paid meanwhile, and no more than that.
    page = acme.get(f"/invoices/{number}")
    assert "€40.00 of this is being paid already." in page
    assert 'value="2.40"' in page
    refused = acme.sends(page, amount="42.40")
    assert refused.status_code == 409
    assert "Please don&#39;t pay again." in refused.text
    acme.sends(page)
    assert [one.amount_micros for one in acme.payments] == [2_400_000, 40_000_000]
    acme.at_the_bank(acme.payments[0], "paid")
    acme.at_the_bank(payment, "paid")
    assert acme.outstanding == [0]


def test_two_tabs_at_the_same_moment_charge_a_mandate_once(acme: Payer) -> None:
    debit = acme.story.save_method("ideal")
    customer, number = acme.shop.account("acme"), acme.numbers[0]

    def tab(key: str) -> None:
        wish = PayWish(numbers=(number,), request_key=key, payment_method_id=debit.payment_method_id)
        paying.pay(customer, wish)

    raised = at_once(acme.shop.app, lambda: tab("left"), lambda: tab("right"))
    assert [type(error) for error in raised] == [errors.PaymentUnderWay]
    assert len(acme.payments) == 1


def test_an_order_whose_process_died_holds_its_place_for_a_moment_only(acme: Payer) -> None:
    debit = acme.story.save_method("ideal")
    customer, number = acme.shop.account("acme"), acme.numbers[0]
    lost = payment_orders.OrderWish(
        customer_id=acme.customer_id,
        request_key="lost",
        numbers=(number,),
        payment_method_id=debit.payment_method_id,
    )
    in_unit_of_work(lambda: payment_orders.place(lost).amount_micros)
    wish = PayWish(numbers=(number,), request_key="next", payment_method_id=debit.payment_method_id)
    with pytest.raises(errors.PaymentUnderWay):
        paying.pay(customer, wish)
    acme.shop.clock.travel_to(acme.shop.clock.now() + payment_orders.HOLDS_ITS_PLACE)
    assert paying.pay(acme.shop.account("acme"), wish).status == "pending"
    # The lost request comes back after all: it may not charge what the other one charges.
    with pytest.raises(errors.PaymentUnderWay):
        paying.pay(
            acme.shop.account("acme"),
            PayWish(numbers=(number,), request_key="lost", payment_method_id=debit.payment_method_id),
        )


def test_the_same_key_with_another_amount_is_refused(acme: Payer) -> None:
    customer, number = acme.shop.account("acme"), acme.numbers[0]
    paying.pay(customer, PayWish(numbers=(number,), request_key="one", method="ideal"))
    with pytest.raises(RequestKeyReused):
        paying.pay(
            acme.shop.account("acme"),
            PayWish(numbers=(number,), request_key="one", method="ideal", amount_micros=EURO),
        )


def test_a_payment_that_the_bank_refused_at_once_holds_no_place(acme: Payer) -> None:
    debit = acme.story.save_method("ideal")
    number = acme.numbers[0]
    acme.sandbox.control(f"mandates/{debit.mollie_mandate_id}/state", {"status": "invalid"})
    wish = PayWish(numbers=(number,), request_key="one", payment_method_id=debit.payment_method_id)
    with pytest.raises(PaymentRefused):
        paying.pay(acme.shop.account("acme"), wish)
    again = PayWish(numbers=(number,), request_key="two", method="ideal")
    assert paying.pay(acme.shop.account("acme"), again).checkout_url


def test_a_fee_is_shown_and_accepted_before_anything_is_paid(acme: Payer) -> None:
    acme.signs_in()
    page = acme.get(f"/invoices/{acme.numbers[0]}")
    assert "PayPal (costs a fee)" in page
    shown = acme.sends(page, method="paypal")
    # 0.35 + 3.4% of 42.40 = 1.79; 21% VAT of it is 0.38.
    assert "€44.57" in shown.text
    assert acme.payments == []
    acme.sends(shown.text, method="paypal", accepted_fee="2170000")
    (payment,) = acme.payments
    assert (payment.amount_micros, payment.fee_micros) == (42_400_000, 2_170_000)
    acme.at_the_bank(payment, "paid")
    assert acme.outstanding == [0]
    assert acme.shop.balance("acme").prepaid_micros == 0


def test_a_program_pays_with_a_key_and_names_others(acme: Payer) -> None:
    acme.uses_november_too()
    october, november = acme.numbers
    body = {"method": "ideal", "invoices": [november]}
    path, key = f"/v1/invoices/{october}/payments", {"Idempotency-Key": "a"}
    assert acme.shop.api.post(path, json=body).status_code == 400
    made = acme.shop.api.post(path, json=body, headers=key)
    assert made.status_code == 201
    assert made.get_json()["amount"] == {"value": "84.80", "currency": "EUR"}
    assert acme.shop.api.post(path, json=body, headers=key).get_json()["id"] == made.get_json()["id"]
    for wrong, code in (
        ({"amount": {"value": "90.00", "currency": "EUR"}, "invoices": [november]}, "pays_too_much"),
        ({"invoices": ["F2026-999999"]}, "unknown_invoice"),
        ({"method": "paypal"}, "fee_not_accepted"),
        ({"method": "gold"}, "unknown_method"),
        ({"amount": {"value": "0.10", "currency": "EUR"}}, "invalid_request"),
    ):
        answer = acme.shop.api.post(path, json=wrong, headers={"Idempotency-Key": str(wrong)})
        assert answer.get_json()["code"] == code
    (payment,) = acme.payments
    acme.at_the_bank(payment, "paid")
    assert acme.outstanding == [0, 0]
    paid = acme.shop.api.post(path, json={}, headers={"Idempotency-Key": "b"})
    assert (paid.status_code, paid.get_json()["code"]) == (409, "nothing_to_pay")


def test_another_customers_invoice_cannot_be_paid_with_mine(acme: Payer) -> None:
    october = acme.numbers[0]
    acme.shop.customer("bravo")
    acme.signs_in()
    page = acme.get(f"/invoices/{october}")
    bravo = Payer(acme.shop, acme.sandbox, "bravo")
    acme.client = bravo.signs_in()
    assert acme.client.get(f"/invoices/pay?invoice={october}").status_code == 404
    shown = acme.get("/top-up")
    assert acme.sends(page, csrf_token=hidden(shown, "csrf_token")).status_code == 404


def test_what_was_given_up_is_closed_to_the_customer_and_comes_back_with_late_money(acme: Payer) -> None:
    number = acme.numbers[0]
    in_unit_of_work(lambda: write_offs.write_off(number, "Bankrupt", 7).number)
    assert service.status_now(acme.invoices[0]) == "uncollectible"
    assert acme.shop.balance("acme").receivable_micros == 0
    with pytest.raises(write_offs.AlreadyWrittenOff):
        in_unit_of_work(lambda: write_offs.write_off(number, "Bankrupt", 7).number)
    acme.signs_in()
    page = acme.get(f"/invoices/{number}")
    assert "Closed" in page
    assert "This invoice has been closed." in page
    assert "ncollectible" not in page + acme.get("/invoices")
    (declared,) = write_offs.declared_between(acme.invoices[0].issue_date, acme.invoices[0].issue_date)
    assert (declared.amount_cents, declared.vat_cents, declared.reason) == (4240, 736, "Bankrupt")
    acme.story.request(20, key="late", method="ideal", purpose="invoice", invoice_number=number)
    acme.at_the_bank(acme.payments[0], "paid")
    assert service.status_now(acme.invoices[0]) == "uncollectible"
    assert acme.shop.balance("acme").prepaid_micros == 0
    acme.story.request(30, key="later", method="ideal", purpose="invoice", invoice_number=number)
    acme.at_the_bank(acme.payments[0], "paid")
    assert service.status_now(acme.invoices[0]) == "paid"
    assert acme.shop.balance("acme").receivable_micros == 0
    assert acme.shop.balance("acme").prepaid_micros == 7_600_000
    rows = write_offs.of_invoice(acme.invoices[0])
    assert [row.amount_micros for row in rows] == [42_400_000, -20_000_000, -22_400_000]
    assert sum(row.vat_cents for row in rows) == 0


def test_a_payment_under_way_is_not_given_up_and_a_reason_is_needed(acme: Payer) -> None:
    number = acme.numbers[0]
    with pytest.raises(Invalid):
        in_unit_of_work(write_offs.write_off, number, "  ")
    debit = acme.story.save_method("ideal")
    wish = PayWish(numbers=(number,), request_key="one", payment_method_id=debit.payment_method_id)
    paying.pay(acme.shop.account("acme"), wish)
    with pytest.raises(errors.PaymentUnderWay):
        in_unit_of_work(write_offs.write_off, number, "Bankrupt")


def test_what_was_given_up_and_is_credited_later_leaves_no_money_behind(acme: Payer, smtp: Mailbox) -> None:
    number = acme.numbers[0]
    in_unit_of_work(lambda: write_offs.write_off(number, "Bankrupt").number)
    wish = service.CreditWish(number=number, reason="It was wrong", request_key="credit")
    in_unit_of_work(lambda: service.credit(wish).number)
    balance = acme.shop.balance("acme")
    assert (balance.credits_micros, balance.receivable_micros) == (0, 0)
    assert service.status_now(acme.invoices[0]) == "credited"
    assert sum(row.vat_cents for row in write_offs.of_invoice(acme.invoices[0])) == 0


def test_a_part_of_what_was_given_up_makes_no_paid_copy_and_its_pay_link_leads_nowhere(
    acme: Payer, smtp: Mailbox
) -> None:
    number = acme.numbers[0]
    link = in_unit_of_work(lambda: topups.make_pay_link(acme.customer_id, invoice_number=number).pay_link_id)
    in_unit_of_work(lambda: write_offs.write_off(number, "Bankrupt").number)
    assert acme.shop.app.test_client().get(f"/pay/{link}").status_code == 404
    acme.story.request(20, key="late", method="ideal", purpose="invoice", invoice_number=number)
    acme.at_the_bank(acme.payments[0], "paid")
    assert acme.invoices[0].settled_at is None
    assert [m for m in smtp.messages if "has been paid" in str(m["subject"])] == []

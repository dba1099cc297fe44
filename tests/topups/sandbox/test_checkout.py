"""The checkout page, without a script: choose a method, decide how it ends, go back."""

from typing import Any

import pytest
import requests

from topups.sandbox.server import Running


def press(payment: Any, **fields: str) -> requests.Response:
    return requests.post(page_of(payment), data=fields, allow_redirects=False, timeout=5)


def page_of(payment: Any) -> str:
    return str(payment.checkout_url or payment.changepaymentstate_url)


def page_text(payment: Any, **headers: str) -> str:
    answer = requests.get(page_of(payment), headers=headers, timeout=5)
    assert answer.status_code == 200
    return answer.text


def test_the_page_speaks_the_language_of_the_payment(pay: Any) -> None:
    dutch = page_text(pay(locale="nl_NL"))
    assert '<html lang="nl">' in dutch
    assert "Testomgeving" in dutch
    assert "€\N{NO-BREAK SPACE}25,00" in dutch
    assert "Kaart" in dutch
    english = page_text(pay(locale="en_GB"))
    assert "Test environment" in english
    assert "€25.00" in english
    assert '<html lang="nl">' in page_text(pay(), **{"Accept-Language": "nl-NL,nl;q=0.9"})


def test_a_customer_chooses_a_method_pays_and_returns(
    pay: Any, mollie: Any, control: Any, receiver: Any
) -> None:
    payment = pay()
    assert 'name="method" value="ideal"' in page_text(payment)
    assert 'name="status" value="paid"' not in page_text(payment)
    assert press(payment, method="ideal").headers["Location"].endswith(f"/checkout/{payment.id}")
    assert 'name="status" value="paid"' in page_text(payment)
    back = press(payment, status="paid")
    assert (back.status_code, back.headers["Location"]) == (303, "http://127.0.0.1/return")
    control("flush")
    paid = mollie.payments.get(payment.id)
    assert (paid.status, paid.method) == ("paid", "ideal")
    assert receiver.ids == [payment.id]


@pytest.mark.parametrize("status", ["failed", "canceled", "expired"])
def test_a_payment_can_come_to_nothing(pay: Any, mollie: Any, status: str) -> None:
    payment = pay(method="creditcard", cancelUrl="http://127.0.0.1/canceled")
    answer = press(payment, status=status, failure_reason="insufficient_funds")
    page = "canceled" if status == "canceled" else "return"
    assert answer.headers["Location"] == f"http://127.0.0.1/{page}"
    ended = mollie.payments.get(payment.id)
    assert ended.status == status
    if status == "failed":
        assert ended.details["failureReason"] == "insufficient_funds"


def test_a_payment_can_be_left_open(pay: Any, mollie: Any) -> None:
    payment = pay(method="ideal")
    assert press(payment, status="open").headers["Location"] == "http://127.0.0.1/return"
    assert mollie.payments.get(payment.id).is_open()


def test_a_late_click_changes_nothing_and_still_leads_back(pay: Any, mollie: Any) -> None:
    payment = pay(method="ideal")
    press(payment, status="failed")
    assert press(payment, status="paid").headers["Location"] == "http://127.0.0.1/return"
    assert mollie.payments.get(payment.id).is_failed()


def test_a_first_payment_says_so_and_may_leave_its_mandate_pending(pay: Any, mollie: Any) -> None:
    customer = mollie.customers.create({"name": "J"})
    payment = pay(customerId=customer.id, sequenceType="first", method="ideal", locale="en_GB")
    assert "mandate for later payments" in page_text(payment)
    press(payment, status="paid", mandate_status="pending")
    assert customer.mandates.list()[0].is_pending()


def test_only_methods_that_fit_are_offered(pay: Any, mollie: Any) -> None:
    customer = mollie.customers.create({"name": "J"})
    payment = pay("0.00", customerId=customer.id, sequenceType="first", method=["creditcard", "paypal"])
    page = page_text(payment)
    assert 'value="creditcard"' in page
    assert 'value="ideal"' not in page
    assert press(payment, method="ideal").status_code == 422


def test_a_recurring_payment_can_be_decided_on_its_page(mollie: Any, mandate_of: Any, charge: Any) -> None:
    debit = charge(*mandate_of("ideal"))
    assert 'value="canceled"' not in page_text(debit)
    press(debit, status="failed", failure_reason="AC04")
    assert mollie.payments.get(debit.id).details["bankReasonCode"] == "AC04"


def test_a_paid_payment_can_be_refunded_or_charged_back_on_its_page(pay: Any, mollie: Any) -> None:
    for action, links in (("refund", "refunds"), ("chargeback", "chargebacks")):
        payment = pay(method="ideal")
        press(payment, status="paid")
        paid = mollie.payments.get(payment.id)
        assert press(paid, action=action).status_code == 303
        assert links in mollie.payments.get(payment.id)["_links"]


def test_the_overview_lists_what_was_asked_for(pay: Any, running: Running) -> None:
    empty = requests.get(running.url, headers={"Accept-Language": "nl"}, timeout=5).text
    assert "Er zijn nog geen betalingen." in empty
    payment = pay(description='Top-up <b>"42"</b>')
    page = requests.get(running.url, timeout=5).text
    assert payment.id in page
    assert "<b>" not in page


def test_an_unknown_payment_has_no_page(running: Running) -> None:
    answer = requests.get(f"{running.url}/checkout/tr_nothing", timeout=5)
    assert answer.status_code == 404
    assert "We do not know this payment." in answer.text

"""Payments: what may be asked for, and how they end."""

from typing import Any

import pytest
import requests
from mollie.api.error import NotFoundError, ResponseError, UnauthorizedError, UnprocessableEntityError

from topups.sandbox.server import Running

OPEN = {
    *("resource", "id", "mode", "createdAt", "amount", "description", "metadata", "status"),
    *("profileId", "sequenceType", "isCancelable", "expiresAt", "redirectUrl", "webhookUrl", "_links"),
}
PAID = OPEN - {"isCancelable", "expiresAt"} | {
    *("method", "details", "paidAt", "amountRefunded", "amountRemaining", "settlementAmount"),
}


def test_an_open_payment_has_the_keys_of_mollie_and_nothing_else(pay: Any, running: Running) -> None:
    payment = pay(metadata={"topup_id": "tu_1"})
    assert set(payment) == OPEN
    assert set(payment["_links"]) == {"self", "checkout", "dashboard", "documentation"}
    assert payment.checkout_url == f"{running.url}/checkout/{payment.id}"
    assert payment.id.startswith("tr_")
    assert payment.metadata == {"topup_id": "tu_1"}
    assert (payment.status, payment["mode"], payment.method) == ("open", "test", None)
    assert payment.expires_at > payment.created_at


def test_a_paid_payment_shows_who_paid_and_what_can_be_refunded(pay: Any, mollie: Any, control: Any) -> None:
    payment = pay(method="ideal")
    control(f"payments/{payment.id}/state", status="paid")
    paid = mollie.payments.get(payment.id)
    assert set(paid) == PAID
    assert paid.is_paid()
    assert paid.amount_remaining == {"value": "25.00", "currency": "EUR"}
    assert set(paid.details) == {"consumerName", "consumerAccount", "consumerBic"}
    assert set(paid["_links"]) == {"self", "changePaymentState", "dashboard", "documentation"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": None}, "amount"),
        ({"amount": {"value": "25", "currency": "EUR"}}, "amount.value"),
        ({"amount": {"value": 25, "currency": "EUR"}}, "amount.value"),
        ({"amount": {"value": "25.00", "currency": "USD"}}, "amount.currency"),
        ({"amount": {"value": "50000.01", "currency": "EUR"}, "method": "ideal"}, "amount"),
        ({"amount": {"value": "0.00", "currency": "EUR"}, "method": "ideal"}, "amount"),
        ({"amount": {"value": "0.01", "currency": "EUR"}, "method": "bancontact"}, "amount"),
        ({"description": None}, "description"),
        ({"description": "x" * 256}, "description"),
        ({"redirectUrl": None}, "redirectUrl"),
        ({"redirectUrl": "javascript:alert(1)"}, "redirectUrl"),
        ({"webhookUrl": "not an address"}, "webhookUrl"),
        ({"method": "cash"}, "method"),
        ({"method": "directdebit"}, "method"),
        ({"method": "banktransfer", "sequenceType": "first", "customerId": "…"}, "method"),
        ({"locale": "nl"}, "locale"),
        ({"sequenceType": "second"}, "sequenceType"),
        ({"sequenceType": "first"}, "customerId"),
        ({"metadata": "x" * 1100}, "metadata"),
    ],
)
def test_a_request_that_is_wrong_is_refused_with_its_field(
    pay: Any, mollie: Any, change: dict[str, Any], field: str
) -> None:
    if "customerId" in change:
        change = {**change, "customerId": mollie.customers.create({"name": "J"}).id}
    with pytest.raises(UnprocessableEntityError) as refused:
        pay(**change)
    assert refused.value.field == field
    assert mollie.payments.list().count == 0


def test_a_card_may_be_saved_with_nothing_paid(pay: Any, mollie: Any) -> None:
    customer = mollie.customers.create({"name": "J. Jansen"})
    payment = pay("0.00", method="creditcard", sequenceType="first", customerId=customer.id)
    assert payment.status == "open"


@pytest.mark.parametrize(
    ("method", "minutes"),
    [("ideal", 15), ("creditcard", 30), ("bancontact", 60), ("banktransfer", 12 * 24 * 60)],
)
def test_an_open_payment_expires_when_its_method_does(
    pay: Any, mollie: Any, control: Any, method: str, minutes: int
) -> None:
    payment = pay(method=method)
    control("clock/advance", seconds=minutes * 60 - 30)
    assert mollie.payments.get(payment.id).is_open()
    control("clock/advance", seconds=31)
    expired = mollie.payments.get(payment.id)
    assert expired.is_expired()
    assert expired.expired_at == payment.expires_at
    assert control("deliveries")[0]["event"] == "expired"


def test_a_bank_transfer_can_be_canceled_and_ideal_cannot(pay: Any, mollie: Any) -> None:
    transfer = pay(method="banktransfer")
    assert transfer.is_cancelable
    assert set(transfer.details) == {"bankName", "bankAccount", "bankBic", "transferReference"}
    canceled = mollie.payments.delete(transfer.id)
    assert canceled.is_canceled()
    assert canceled.canceled_at
    with pytest.raises(UnprocessableEntityError):
        mollie.payments.delete(pay(method="ideal").id)


def test_a_payment_can_be_described_anew(pay: Any, mollie: Any) -> None:
    payment = pay()
    changed = mollie.payments.update(
        payment.id,
        {"description": "Other", "metadata": {"a": "b"}, "method": "creditcard", "locale": "nl_NL"},
    )
    assert (changed.description, changed.metadata, changed.method) == ("Other", {"a": "b"}, "creditcard")
    assert changed.locale == "nl_NL"
    with pytest.raises(UnprocessableEntityError):
        mollie.payments.update(payment.id, {"description": ""})


def test_a_card_fails_with_the_schemes_reason(pay: Any, mollie: Any, control: Any) -> None:
    payment = pay(method="creditcard")
    control(f"payments/{payment.id}/state", status="failed", failure_reason="possible_fraud")
    failed = mollie.payments.get(payment.id)
    assert failed.is_failed()
    assert failed.details["failureReason"] == "possible_fraud"
    assert failed.failed_at


def test_an_end_is_an_end(pay: Any, control: Any, running: Running) -> None:
    payment = pay(method="ideal")
    control(f"payments/{payment.id}/state", status="failed")
    again = requests.post(
        f"{running.url}/_sandbox/payments/{payment.id}/state", json={"status": "paid"}, timeout=5
    )
    assert again.status_code == 409


def test_unknown_payments_are_not_found(mollie: Any) -> None:
    with pytest.raises(NotFoundError) as missing:
        mollie.payments.get("tr_nothing")
    assert "tr_nothing" in str(missing.value)


def test_live_keys_and_other_tokens_are_refused(running: Running, mollie: Any) -> None:
    mollie.set_api_key("live_sandbox")
    with pytest.raises(UnauthorizedError):
        mollie.payments.list()
    for header in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic test_sandbox"}):
        answer = requests.get(f"{running.url}/v2/payments", headers=header, timeout=5)
        assert answer.status_code == 401
        assert set(answer.json()) == {"status", "title", "detail", "_links"}
        assert answer.headers["Content-Type"] == "application/hal+json"


def test_a_body_that_is_no_json_is_a_bad_request(running: Running) -> None:
    for body in (b"{", b"[]", b"\xff"):
        answer = requests.post(
            f"{running.url}/v2/payments", data=body, headers={"Authorization": "Bearer test_x"}, timeout=5
        )
        assert answer.status_code == 400


def test_a_customer_who_was_deleted_is_gone(mollie: Any, pay: Any) -> None:
    customer = mollie.customers.create({"name": "J. Jansen"})
    mollie.customers.delete(customer.id)
    with pytest.raises(ResponseError) as gone:
        mollie.customers.get(customer.id)
    assert gone.value.status == 410
    with pytest.raises(ResponseError) as gone:
        pay(customerId=customer.id)
    assert gone.value.status == 410

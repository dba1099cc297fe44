"""Refunds and chargebacks: what comes off a payment, and what comes back."""

from typing import Any

import pytest
import requests
from mollie.api.error import ConflictError, NotFoundError, UnprocessableEntityError

from topups.sandbox.server import Running

REFUND = {
    *("resource", "id", "mode", "description", "amount", "settlementAmount", "status", "metadata"),
    *("paymentId", "createdAt", "_links"),
}
CHARGEBACK = {
    *(
        "resource",
        "id",
        "amount",
        "settlementAmount",
        "paymentId",
        "createdAt",
        "reversedAt",
        "reason",
        "_links",
    ),
}


def euro(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


@pytest.fixture
def paid(pay: Any, control: Any, mollie: Any) -> Any:
    payment = pay(method="ideal")
    control(f"payments/{payment.id}/state", status="paid")
    return mollie.payments.get(payment.id)


def test_a_refund_leaves_the_payment_paid(paid: Any, mollie: Any) -> None:
    refund = paid.refunds.create({"amount": euro("10.00"), "description": "Half", "metadata": {"a": 1}})
    assert set(refund) == REFUND
    assert refund.is_pending()
    assert (refund.payment_id, refund.metadata) == (paid.id, {"a": 1})
    payment = mollie.payments.get(paid.id, embed="refunds,chargebacks")
    assert payment.status == "paid"
    assert (payment.amount_refunded, payment.amount_remaining) == (euro("10.00"), euro("15.00"))
    assert [each["id"] for each in payment.get_embedded("refunds")] == [refund.id]
    assert payment.get_embedded("chargebacks") == []
    assert payment.has_refunds()
    assert [each.id for each in mollie.refunds.list()] == [refund.id]
    assert paid.refunds.get(refund.id).id == refund.id


def test_a_refund_moves_on_and_tells_the_webhook_each_time(paid: Any, control: Any, receiver: Any) -> None:
    control("clock/set", now="2026-11-24T09:00:00Z")
    refund = paid.refunds.create({"amount": euro("5.00")})
    receiver.ids.clear()
    control("clock/advance", seconds=2 * 3600 + 1)
    assert paid.refunds.get(refund.id).is_processing()
    control("clock/advance", business_days=1)
    assert paid.refunds.get(refund.id).is_refunded()
    assert receiver.ids == [paid.id, paid.id]


def test_no_more_is_refunded_than_remains(paid: Any) -> None:
    paid.refunds.create({"amount": euro("20.00")})
    with pytest.raises(UnprocessableEntityError) as refused:
        paid.refunds.create({"amount": euro("5.01")})
    assert refused.value.field == "amount"
    assert paid.refunds.create({}).amount == euro("5.00")


def test_the_same_refund_in_quick_succession_is_a_conflict(paid: Any, control: Any) -> None:
    paid.refunds.create({"amount": euro("5.00")}, idempotency_key="one")
    paid.refunds.create({"amount": euro("5.00")}, idempotency_key="one")
    with pytest.raises(ConflictError):
        paid.refunds.create({"amount": euro("5.00")}, idempotency_key="two")
    control("clock/advance", seconds=61)
    paid.refunds.create({"amount": euro("5.00")}, idempotency_key="three")
    assert paid.refunds.list().count == 2


def test_what_is_not_paid_is_not_refunded(pay: Any) -> None:
    with pytest.raises(UnprocessableEntityError):
        pay(method="ideal").refunds.create({"amount": euro("5.00")})


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_comes_to_nothing_gives_the_amount_back(
    paid: Any, mollie: Any, control: Any, receiver: Any, status: str
) -> None:
    refund = paid.refunds.create({"amount": euro("25.00")})
    receiver.ids.clear()
    control(f"refunds/{refund.id}/state", status=status)
    assert mollie.payments.get(paid.id).amount_remaining == euro("25.00")
    assert paid.refunds.get(refund.id).status == status
    assert receiver.ids == [paid.id]


def test_a_pending_refund_can_be_canceled_and_a_processed_one_cannot(paid: Any, control: Any) -> None:
    first = paid.refunds.create({"amount": euro("5.00")})
    assert paid.refunds.delete(first.id) == {}
    assert paid.refunds.get(first.id).status == "canceled"
    second = paid.refunds.create({"amount": euro("5.00")})
    control(f"refunds/{second.id}/state", status="processing")
    with pytest.raises(UnprocessableEntityError):
        paid.refunds.delete(second.id)


def test_the_dashboard_may_refund_more_than_was_paid(
    paid: Any, mollie: Any, control: Any, receiver: Any, running: Running
) -> None:
    receiver.ids.clear()
    control(f"payments/{paid.id}/refund", amount=euro("30.00"))
    payment = mollie.payments.get(paid.id)
    assert (payment.amount_refunded, payment.amount_remaining) == (euro("30.00"), euro("0.00"))
    assert receiver.ids == [paid.id]
    too_much = requests.post(
        f"{running.url}/_sandbox/payments/{paid.id}/refund", json={"amount": euro("30.00")}, timeout=5
    )
    assert too_much.status_code == 422


def test_a_chargeback_takes_the_money_and_its_reversal_gives_it_back(
    mollie: Any, mandate_of: Any, charge: Any, control: Any, receiver: Any
) -> None:
    debit = charge(*mandate_of("ideal"))
    control("clock/advance", business_days=1)
    control("clock/advance", seconds=7 * 7 * 86400)
    receiver.ids.clear()
    made = control(f"payments/{debit.id}/chargeback", amount=euro("25.00"), code="MD06")
    payment = mollie.payments.get(debit.id, embed="chargebacks")
    assert (payment.status, payment.amount_chargedback) == ("paid", euro("25.00"))
    assert payment.amount_remaining == euro("0.00")
    assert [each["id"] for each in payment.get_embedded("chargebacks")] == [made["id"]]
    chargeback = payment.chargebacks.get(made["id"])
    assert set(chargeback) == CHARGEBACK
    assert chargeback.reason["code"] == "MD06"
    assert chargeback.reversed_at is None
    control(f"chargebacks/{made['id']}/reverse")
    assert payment.chargebacks.get(made["id"]).reversed_at
    assert mollie.payments.get(debit.id).amount_chargedback is None
    assert [each.id for each in mollie.chargebacks.list()] == [made["id"]]
    assert receiver.ids == [debit.id, debit.id]


def test_a_chargeback_may_be_part_of_the_amount_and_never_more(
    paid: Any, control: Any, running: Running
) -> None:
    control(f"payments/{paid.id}/chargeback", amount=euro("20.00"))
    answer = requests.post(
        f"{running.url}/_sandbox/payments/{paid.id}/chargeback", json={"amount": euro("5.01")}, timeout=5
    )
    assert answer.status_code == 422
    with pytest.raises(NotFoundError):
        paid.chargebacks.get("chb_nothing")


def test_the_totals_say_what_a_ledger_should_hold(
    mollie: Any, mandate_of: Any, charge: Any, control: Any
) -> None:
    customer_id, mandate_id = mandate_of("creditcard")
    charged = charge(customer_id, mandate_id, "40.00")
    charged.refunds.create({"amount": euro("3.00")})
    lost = control(f"payments/{charged.id}/chargeback", amount=euro("7.00"))
    expected = {"paid_cents": 6500, "refunded_cents": 300, "charged_back_cents": 700, "net_cents": 5500}
    assert control("totals") == {"customers": {customer_id: expected}, "total": expected}
    control(f"chargebacks/{lost['id']}/reverse")
    assert control("totals")["total"]["net_cents"] == 6200

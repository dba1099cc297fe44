"""Customers, their mandates, and what is charged to them."""

from collections.abc import Callable
from typing import Any

import pytest
from mollie.api.error import NotFoundError, ResponseError, UnprocessableEntityError

CUSTOMER = {"resource", "id", "mode", "name", "email", "locale", "metadata", "createdAt", "_links"}
MANDATE = {
    *("resource", "id", "mode", "status", "method", "details", "mandateReference", "signatureDate"),
    *("customerId", "scopes", "createdAt", "_links"),
}


def test_a_customer_is_kept_and_changed(mollie: Any) -> None:
    customer = mollie.customers.create(
        {"name": "J", "email": "j@example.org", "metadata": {"reference": "acme"}}
    )
    assert set(customer) == CUSTOMER
    mollie.customers.update(customer.id, {"name": "Jansen", "locale": "nl_NL"})
    changed = mollie.customers.get(customer.id)
    assert (changed.name, changed.locale, changed.metadata) == ("Jansen", "nl_NL", {"reference": "acme"})
    with pytest.raises(UnprocessableEntityError) as refused:
        mollie.customers.create({"email": "nobody"})
    assert refused.value.field == "email"


@pytest.mark.parametrize(
    ("method", "mandate_method", "details"),
    [
        ("ideal", "directdebit", {"consumerName", "consumerAccount", "consumerBic"}),
        ("bancontact", "directdebit", {"consumerName", "consumerAccount", "consumerBic"}),
        ("paypal", "paypal", {"consumerName", "consumerAccount"}),
        (
            "creditcard",
            "creditcard",
            {"cardHolder", "cardNumber", "cardLabel", "cardFingerprint", "cardExpiryDate"},
        ),
    ],
)
def test_a_paid_first_payment_makes_a_mandate(
    mollie: Any, mandate_of: Any, method: str, mandate_method: str, details: set[str]
) -> None:
    customer_id, mandate_id = mandate_of(method)
    mandate = mollie.customers.get(customer_id).mandates.get(mandate_id)
    assert set(mandate) == MANDATE
    assert mandate.is_valid()
    assert mandate.method == mandate_method
    assert set(mandate.details) == details
    assert mandate.details.get("cardHolder", mandate.details.get("consumerName")) == "J. Jansen"


def test_a_failed_first_payment_makes_none(mollie: Any, pay: Any, control: Any) -> None:
    customer = mollie.customers.create({"name": "J"})
    first = pay(customerId=customer.id, sequenceType="first", method="ideal")
    control(f"payments/{first.id}/state", status="failed")
    assert mollie.payments.get(first.id).mandate_id is None
    assert customer.mandates.list().count == 0


def test_a_mandate_may_stay_pending_or_come_to_nothing(
    mollie: Any, pay: Any, charge: Any, control: Any
) -> None:
    customer = mollie.customers.create({"name": "J"})
    first = pay(customerId=customer.id, sequenceType="first", method="ideal")
    control(f"payments/{first.id}/state", status="paid", mandate_status="pending")
    mandate_id = mollie.payments.get(first.id).mandate_id
    for status in ("pending", "invalid"):
        control(f"mandates/{mandate_id}/state", status=status)
        assert customer.mandates.get(mandate_id).status == status
        with pytest.raises(UnprocessableEntityError) as refused:
            charge(customer.id, mandate_id)
        assert refused.value.field == "mandateId"
    control(f"mandates/{mandate_id}/state", status="valid")
    assert charge(customer.id, mandate_id).is_pending()


def test_a_direct_debit_settles_after_one_business_day(
    mollie: Any, mandate_of: Any, charge: Any, control: Any, receiver: Any
) -> None:
    control("clock/set", now="2026-11-20T10:00:00Z")  # a Friday
    customer_id, mandate_id = mandate_of("ideal")
    receiver.ids.clear()
    debit = charge(customer_id, mandate_id)
    assert debit.is_pending()
    assert debit.checkout_url is None
    assert debit.changepaymentstate_url
    assert debit.details["mandateReference"]
    assert receiver.ids == []
    control("clock/advance", seconds=2 * 86400)
    assert mollie.payments.get(debit.id).is_pending()
    control("clock/advance", business_days=1)
    settled = mollie.payments.get(debit.id)
    assert settled.is_paid()
    assert settled.paid_at.startswith("2026-11-23T10:00:0")
    assert receiver.ids == [debit.id]


def test_a_card_settles_at_once(mandate_of: Any, charge: Any) -> None:
    charged = charge(*mandate_of("creditcard"))
    assert charged.is_paid()
    assert charged.status == "paid"
    assert charged.method == "creditcard"


def test_the_next_charges_can_be_told_to_fail(
    mollie: Any, mandate_of: Any, charge: Any, control: Any
) -> None:
    card, debit = mandate_of("creditcard"), mandate_of("ideal")
    control("outcomes", match={"method": "creditcard"}, status="failed", failure_reason="card_expired")
    control(
        "outcomes",
        match={"customer_id": debit[0]},
        status="failed",
        failure_reason="AM04",
        after_business_days=4,
    )
    declined = charge(*card)
    assert (declined.status, declined.details["failureReason"]) == ("failed", "card_expired")
    assert charge(*card).status == "paid"
    bounced = charge(*debit)
    control("clock/advance", business_days=3)
    assert mollie.payments.get(bounced.id).is_pending()
    control("clock/advance", business_days=1)
    bounced = mollie.payments.get(bounced.id)
    assert (bounced.status, bounced.details["bankReasonCode"]) == ("failed", "AM04")


def test_a_pending_debit_can_be_told_how_to_end(
    mollie: Any, mandate_of: Any, charge: Any, control: Any
) -> None:
    debit = charge(*mandate_of("ideal"))
    control(f"payments/{debit.id}/state", status="failed", failure_reason="MS02", after_business_days=2)
    control("clock/advance", business_days=1)
    assert mollie.payments.get(debit.id).is_pending()
    control("clock/advance", business_days=1)
    assert mollie.payments.get(debit.id).details["bankReasonCode"] == "MS02"


def test_a_revoked_mandate_is_gone_and_not_listed(mollie: Any, mandate_of: Any, charge: Any) -> None:
    customer_id, mandate_id = mandate_of("ideal")
    customer = mollie.customers.get(customer_id)
    assert customer.mandates.list().count == 1
    customer.mandates.delete(mandate_id)
    assert customer.mandates.list().count == 0
    attempts: list[Callable[[], Any]] = [
        lambda: customer.mandates.get(mandate_id),
        lambda: customer.mandates.delete(mandate_id),
        lambda: charge(customer_id, mandate_id),
    ]
    for attempt in attempts:
        with pytest.raises(ResponseError) as gone:
            attempt()
        assert gone.value.status == 410


def test_a_charge_names_a_mandate_of_its_own_customer(mandate_of: Any, charge: Any) -> None:
    one, other = mandate_of("ideal"), mandate_of("ideal")
    with pytest.raises(NotFoundError):
        charge(one[0], other[1])
    with pytest.raises(UnprocessableEntityError) as refused:
        charge(*one, method="creditcard")
    assert refused.value.field == "method"
    with pytest.raises(UnprocessableEntityError) as refused:
        charge(*one, value="1000.01")
    assert refused.value.field == "amount"


def test_a_charge_that_names_no_mandate_takes_the_most_recent_one(
    mollie: Any, pay: Any, charge: Any, control: Any
) -> None:
    customer = mollie.customers.create({"name": "J"})
    with pytest.raises(UnprocessableEntityError):
        charge(customer.id, None)
    for method in ("creditcard", "ideal"):
        first = pay(customerId=customer.id, sequenceType="first", method=method)
        control(f"payments/{first.id}/state", status="paid")
    assert charge(customer.id, None).method == "directdebit"
    assert charge(customer.id, None, method="creditcard").method == "creditcard"


def test_a_mandate_can_be_made_directly(mollie: Any, charge: Any) -> None:
    customer = mollie.customers.create({"name": "J"})
    mandate = customer.mandates.create(
        {
            "method": "directdebit",
            "consumerName": "J. Jansen",
            "consumerAccount": "NL55INGB0000000000",
            "mandateReference": "TGD-000318",
            "signatureDate": "2026-01-02",
        }
    )
    assert (mandate.mandate_reference, mandate.signature_date) == ("TGD-000318", "2026-01-02")
    assert charge(customer.id, mandate.id).details["mandateReference"] == "TGD-000318"
    with pytest.raises(UnprocessableEntityError) as refused:
        customer.mandates.create(
            {"method": "directdebit", "consumerName": "J", "consumerAccount": "NL56INGB0000000000"}
        )
    assert refused.value.field == "consumerAccount"


def test_a_customers_payments_are_its_own(mollie: Any, pay: Any) -> None:
    customer = mollie.customers.create({"name": "J"})
    pay()
    made = customer.payments.create(
        {
            "amount": {"value": "1.00", "currency": "EUR"},
            "description": "d",
            "redirectUrl": "http://127.0.0.1/",
        }
    )
    assert made.customer_id == customer.id
    assert [each.id for each in customer.payments.list()] == [made.id]

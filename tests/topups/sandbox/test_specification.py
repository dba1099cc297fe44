"""Answers against Mollie's own specification, for who has a copy: `MOLLIE_OPENAPI=specs.yaml pytest …`.

Its licence does not let it lie here. It needs PyYAML and jsonschema-rs, which schemathesis brings along.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from topups.sandbox.server import Running

Check = Callable[[str, Any], None]


@pytest.fixture(scope="session")
def specification() -> Any:
    yaml: Any = importlib.import_module("yaml")

    class Loader(yaml.CSafeLoader):
        """Dates stay text: some examples are no dates at all."""

    Loader.yaml_implicit_resolvers = {
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(Path(os.environ["MOLLIE_OPENAPI"]).read_text(), Loader=Loader)


@pytest.fixture
def conforms(specification: Any) -> Check:
    """`conforms("payment-response", answer)`"""
    jsonschema: Any = importlib.import_module("jsonschema_rs")

    def check(name: str, answer: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": specification["components"]}
        errors = [
            f"{name}: {error.message} at {list(error.instance_path)}"
            for error in jsonschema.Draft202012Validator(schema).iter_errors(answer)
        ]
        assert errors == []

    return check


def test_payments_conform(conforms: Check, mollie: Any, pay: Any, control: Any) -> None:
    for method in (None, "ideal", "creditcard", "bancontact", "paypal", "banktransfer"):
        payment = pay(method=method, locale="nl_NL", metadata={"topup_id": "tu_1"})
        conforms("payment-response", payment)
        control(f"payments/{payment.id}/state", status="paid")
        conforms("payment-response", mollie.payments.get(payment.id, embed="refunds,chargebacks"))
    for status in ("failed", "canceled", "expired"):
        payment = pay(method="creditcard")
        control(f"payments/{payment.id}/state", status=status)
        conforms("payment-response", mollie.payments.get(payment.id))
    for each in mollie.payments.list():
        conforms("list-payment-response", each)


def test_direct_debits_conform(
    conforms: Check, mollie: Any, mandate_of: Any, charge: Any, control: Any
) -> None:
    debit = charge(*mandate_of("ideal"))
    conforms("payment-response", debit)
    control(f"payments/{debit.id}/state", status="failed", failure_reason="AM04")
    conforms("payment-response", mollie.payments.get(debit.id))


def test_the_rest_conforms(conforms: Check, mollie: Any, pay: Any, mandate_of: Any, control: Any) -> None:
    for method in ("ideal", "bancontact", "creditcard", "paypal"):
        customer_id, mandate_id = mandate_of(method)
        customer = mollie.customers.get(customer_id)
        conforms("customer-response", customer)
        conforms("mandate-response", customer.mandates.get(mandate_id))
    payment = pay(method="ideal")
    control(f"payments/{payment.id}/state", status="paid")
    conforms(
        "entity-refund-response", payment.refunds.create({"amount": {"value": "5.00", "currency": "EUR"}})
    )
    made = control(
        f"payments/{payment.id}/chargeback", amount={"value": "5.00", "currency": "EUR"}, code="AC01"
    )
    conforms("entity-chargeback", payment.chargebacks.get(made["id"]))
    control(f"chargebacks/{made['id']}/reverse")
    conforms("entity-chargeback", payment.chargebacks.get(made["id"]))
    for each in mollie.methods.all(include="pricing"):
        conforms("entity-method-all", each)
    conforms("list-links", mollie.payments.list(limit=2)["_links"])


def test_errors_conform(conforms: Check, running: Running) -> None:
    headers = {"Authorization": "Bearer test_x"}
    for path in ("payments/tr_nothing", "payments?limit=0", "nothing"):
        conforms(
            "error-response", requests.get(f"{running.url}/v2/{path}", headers=headers, timeout=5).json()
        )
    conforms("error-response", requests.post(f"{running.url}/v2/payments", headers=headers, timeout=5).json())

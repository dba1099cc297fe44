"""Entities as Mollie shows them. Fields that do not apply are left out, as Mollie leaves them out."""

from datetime import datetime
from typing import Any

from flask import request

from topups.sandbox.entities import Chargeback, Customer, Entity, Mandate, Payment, Refund
from topups.sandbox.methods import METHODS
from topups.sandbox.money import amount_json
from topups.sandbox.reasons import CARD_REASONS, SEPA_REASONS

PROFILE_ID = "pfl_sandbox001"
CREDITOR_IDENTIFIER = "NL08ZZZ502057730000"
Json = dict[str, Any]


def base_url() -> str:
    """As the caller addressed us: the client follows only links below its own endpoint."""
    return request.host_url


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def api_link(path: str) -> Json:
    return {"href": f"{base_url()}v2/{path}", "type": "application/hal+json"}


def page_link(path: str) -> Json:
    return {"href": f"{base_url()}{path}", "type": "text/html"}


def documentation(name: str) -> Json:
    return {"href": f"https://docs.mollie.com/reference/{name}", "type": "text/html"}


def payment_json(payment: Payment) -> Json:
    answer: Json = {
        "resource": "payment",
        "id": payment.id,
        "mode": "test",
        "createdAt": iso(payment.created_at),
        "amount": amount_json(payment.amount_cents),
        "description": payment.description,
        "metadata": payment.metadata,
        "status": payment.status,
        "profileId": PROFILE_ID,
        "sequenceType": payment.sequence_type,
    }
    if payment.status in {"open", "pending", "authorized"}:
        answer["isCancelable"] = payment.method is not None and METHODS[payment.method].cancelable
    if payment.status == "open" and payment.due_at:
        answer["expiresAt"] = iso(payment.due_at)
    optional = {
        "method": payment.method,
        "redirectUrl": payment.redirect_url,
        "cancelUrl": payment.cancel_url,
        "webhookUrl": payment.webhook_url,
        "locale": payment.locale,
        "customerId": payment.customer_id,
        "mandateId": payment.mandate_id,
        "details": payment.details or None,
    }
    answer.update({key: value for key, value in optional.items() if value is not None})
    for key, moment in {
        "authorizedAt": payment.authorized_at,
        "paidAt": payment.paid_at,
        "failedAt": payment.failed_at,
        "canceledAt": payment.canceled_at,
        "expiredAt": payment.expired_at,
    }.items():
        if moment is not None:
            answer[key] = iso(moment)
    if payment.status == "paid":
        answer["amountRefunded"] = amount_json(payment.amount_refunded_cents)
        answer["amountRemaining"] = amount_json(payment.amount_remaining_cents)
        answer["settlementAmount"] = amount_json(payment.amount_cents)
    if payment.amount_charged_back_cents:
        answer["amountChargedBack"] = amount_json(payment.amount_charged_back_cents)
    answer["_links"] = payment_links(payment)
    return answer


def payment_links(payment: Payment) -> Json:
    path = f"payments/{payment.id}"
    links: Json = {"self": api_link(path)}
    if payment.status == "open" and payment.sequence_type != "recurring":
        links["checkout"] = page_link(f"checkout/{payment.id}")
        if payment.method == "banktransfer":
            links["payOnline"] = links["status"] = page_link(f"checkout/{payment.id}")
    if payment.status == "paid" or (payment.sequence_type == "recurring" and payment.status == "pending"):
        links["changePaymentState"] = page_link(f"checkout/{payment.id}")
    links["dashboard"] = page_link(f"#{payment.id}")
    if payment.has_refunds:
        links["refunds"] = api_link(f"{path}/refunds")
    if payment.has_chargebacks:
        links["chargebacks"] = api_link(f"{path}/chargebacks")
    if payment.customer_id:
        links["customer"] = api_link(f"customers/{payment.customer_id}")
        if payment.mandate_id:
            links["mandate"] = api_link(f"customers/{payment.customer_id}/mandates/{payment.mandate_id}")
    links["documentation"] = documentation("get-payment")
    return links


def failure_details(method: str | None, reason: str) -> Json:
    """A bank's reason code for direct debits, a card scheme's reason for cards; other methods give none."""
    if method == "directdebit":
        return {"bankReasonCode": reason, "bankReason": SEPA_REASONS.get(reason, "Refused by the bank")}
    if method in {"creditcard", "bancontact"}:
        return {"failureReason": reason, "failureMessage": CARD_REASONS.get(reason, "The payment failed.")}
    return {}


def refund_json(refund: Refund) -> Json:
    return {
        "resource": "refund",
        "id": refund.id,
        "mode": "test",
        "description": refund.description,
        "amount": amount_json(refund.amount_cents),
        "settlementAmount": amount_json(-refund.amount_cents),
        "status": refund.status,
        "metadata": refund.metadata,
        "paymentId": refund.payment_id,
        "createdAt": iso(refund.created_at),
        "_links": {
            "self": api_link(f"payments/{refund.payment_id}/refunds/{refund.id}"),
            "payment": api_link(f"payments/{refund.payment_id}"),
            "documentation": documentation("get-refund"),
        },
    }


def chargeback_json(chargeback: Chargeback) -> Json:
    answer: Json = {
        "resource": "chargeback",
        "id": chargeback.id,
        "amount": amount_json(chargeback.amount_cents),
        "settlementAmount": amount_json(-chargeback.amount_cents),
        "paymentId": chargeback.payment_id,
        "createdAt": iso(chargeback.created_at),
        "reversedAt": iso(chargeback.reversed_at) if chargeback.reversed_at else None,
        "_links": {
            "self": api_link(f"payments/{chargeback.payment_id}/chargebacks/{chargeback.id}"),
            "payment": api_link(f"payments/{chargeback.payment_id}"),
            "documentation": documentation("get-chargeback"),
        },
    }
    if chargeback.code:
        answer["reason"] = {
            "code": chargeback.code,
            "description": SEPA_REASONS.get(chargeback.code, "Charged back by the customer's bank"),
        }
    return answer


def customer_json(customer: Customer) -> Json:
    path = f"customers/{customer.id}"
    return {
        "resource": "customer",
        "id": customer.id,
        "mode": "test",
        "name": customer.name,
        "email": customer.email,
        "locale": customer.locale,
        "metadata": customer.metadata,
        "createdAt": iso(customer.created_at),
        "_links": {
            "self": api_link(path),
            "dashboard": page_link(f"#{customer.id}"),
            "payments": api_link(f"{path}/payments"),
            "mandates": api_link(f"{path}/mandates"),
            "documentation": documentation("get-customer"),
        },
    }


def mandate_json(mandate: Mandate) -> Json:
    return {
        "resource": "mandate",
        "id": mandate.id,
        "mode": "test",
        "status": mandate.status,
        "method": mandate.method,
        "details": mandate.details,
        "mandateReference": mandate.reference,
        "signatureDate": mandate.signature_date.isoformat(),
        "customerId": mandate.customer_id,
        "scopes": ["customer-not-present"],
        "createdAt": iso(mandate.created_at),
        "_links": {
            "self": api_link(f"customers/{mandate.customer_id}/mandates/{mandate.id}"),
            "customer": api_link(f"customers/{mandate.customer_id}"),
            "documentation": documentation("get-mandate"),
        },
    }


def entity_json(entity: Entity) -> Json:
    match entity:
        case Payment():
            return payment_json(entity)
        case Refund():
            return refund_json(entity)
        case Chargeback():
            return chargeback_json(entity)
        case Customer():
            return customer_json(entity)
        case Mandate():
            return mandate_json(entity)
    raise TypeError(f"{type(entity).__name__} is not shown to anybody")

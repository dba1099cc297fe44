"""Mandates: made by a paid first payment or directly. A revoked one is gone (410)."""

import hashlib
from datetime import date, datetime
from typing import Any

from topups.sandbox.customers import get_customer
from topups.sandbox.entities import Customer, Mandate, MandateStatus, Payment
from topups.sandbox.payment_requests import text_from
from topups.sandbox.problems import Problem, gone, invalid, unknown
from topups.sandbox.world import World, new_id

BANKS = [("INGB", "INGBNL2A"), ("RABO", "RABONL2U"), ("ABNA", "ABNANL2A"), ("ASNB", "ASNBNL21")]


def create_mandate(world: World, customer_id: str, data: dict[str, Any]) -> Mandate:
    customer = get_customer(world, customer_id)
    method = text_from(data, "method")
    if method not in {"directdebit", "paypal"}:
        raise invalid("method", "Only direct debit and PayPal mandates can be created directly")
    name = text_from(data, "consumerName")
    if name is None:
        raise invalid("consumerName", "The 'consumerName' field is missing")
    account = text_from(data, "consumerAccount" if method == "directdebit" else "consumerEmail")
    if method == "directdebit" and (account is None or not is_iban(account)):
        raise invalid("consumerAccount", "The bank account is invalid")
    now = world.now()
    mandate = Mandate(
        id=new_id("mdt_"),
        created_at=now,
        customer_id=customer.id,
        method=method,
        status="valid",
        details={
            "consumerName": name,
            "consumerAccount": account,
            "consumerBic": text_from(data, "consumerBic"),
        },
        reference=text_from(data, "mandateReference") or new_reference(),
        signature_date=signature_date_from(data, now),
    )
    world.store.add(mandate)
    return mandate


def signature_date_from(data: dict[str, Any], now: datetime) -> date:
    raw = text_from(data, "signatureDate")
    try:
        signed_on = date.fromisoformat(raw) if raw else now.date()
    except ValueError:
        raise invalid("signatureDate", "The signature date is invalid") from None
    if signed_on > now.date():
        raise invalid("signatureDate", "The signature date lies in the future")
    return signed_on


def mandate_from_payment(world: World, payment: Payment, at: datetime, status: MandateStatus) -> Mandate:
    """What a paid first payment leaves behind: a direct debit, card or PayPal mandate."""
    customer = get_customer(world, payment.customer_id or "")
    method = {"creditcard": "creditcard", "paypal": "paypal"}.get(payment.method or "", "directdebit")
    mandate = Mandate(
        id=new_id("mdt_"),
        created_at=at,
        customer_id=customer.id,
        method=method,
        status=status,
        details=account_details(customer, method, payment.method),
        reference=new_reference() if method == "directdebit" else None,
        signature_date=at.date(),
    )
    world.store.add(mandate)
    return mandate


def get_mandate(world: World, customer_id: str, mandate_id: str) -> Mandate:
    get_customer(world, customer_id)
    mandate = world.store.find(Mandate, mandate_id)
    if mandate is None or mandate.customer_id != customer_id:
        raise unknown(mandate_id)
    if mandate.status == "revoked":
        raise gone(mandate_id)
    return mandate


def mandates_of(world: World, customer_id: str) -> list[Mandate]:
    """Newest first, without the revoked ones."""
    get_customer(world, customer_id)
    return [each for each in world.store.every(Mandate, owner=customer_id) if each.status != "revoked"]


def chargeable_mandate(world: World, customer_id: str, mandate_id: str | None, methods: list[str]) -> Mandate:
    """The named mandate, else the customer's most recent valid one. Raises Problem 404, 410 or 422."""
    if mandate_id is not None:
        mandate = get_mandate(world, customer_id, mandate_id)
        if mandate.status != "valid":
            raise invalid("mandateId", f"The mandate is {mandate.status}, not valid")
        if methods and mandate.method not in methods:
            raise invalid("method", "The payment method is not the mandate's")
        return mandate
    for mandate in mandates_of(world, customer_id):
        if mandate.status == "valid" and (not methods or mandate.method in methods):
            return mandate
    raise invalid("customerId", "The customer has no valid mandate for a recurring payment")


def revoke_mandate(world: World, customer_id: str, mandate_id: str) -> None:
    mandate = get_mandate(world, customer_id, mandate_id)
    mandate.status = "revoked"
    world.store.save(mandate)


def set_mandate_status(world: World, mandate_id: str, status: MandateStatus) -> Mandate:
    mandate = world.store.find(Mandate, mandate_id)
    if mandate is None:
        raise unknown(mandate_id)
    if mandate.status == "revoked" and status != "revoked":
        raise Problem(409, "A revoked mandate stays revoked.")
    mandate.status = status
    world.store.save(mandate)
    return mandate


def account_details(
    customer: Customer | None, method: str | None, paid_with: str | None
) -> dict[str, str | None]:
    """The same customer pays from the same account, card or mailbox each time."""
    name = (customer.name if customer else None) or "T. Ester"
    seed = int.from_bytes(hashlib.sha256((customer.id if customer else name).encode()).digest()[:8])
    if method == "creditcard":
        return {
            "cardHolder": name,
            "cardNumber": f"{seed % 10_000:04d}",
            "cardLabel": "Mastercard" if seed % 2 else "Visa",
            "cardFingerprint": hashlib.sha256(str(seed).encode()).hexdigest()[:16],
            "cardExpiryDate": f"{2029 + seed % 3}-{1 + seed % 12:02d}-28",
        }
    if method == "paypal":
        return {
            "consumerName": name,
            "consumerAccount": (customer.email if customer else None) or "t@example.org",
        }
    if paid_with == "bancontact":
        account = f"539{seed % 10**7:07d}"
        body = account + f"{int(account) % 97 or 97:02d}"
        return {"consumerName": name, "consumerAccount": iban("BE", body), "consumerBic": "KREDBEBB"}
    bank, bic = BANKS[seed % len(BANKS)]
    return {
        "consumerName": name,
        "consumerAccount": iban("NL", f"{bank}{seed % 10**10:010d}"),
        "consumerBic": bic,
    }


def new_reference() -> str:
    raw = new_id("").upper()
    return f"SD-{raw[:4]}-{raw[4:8]}-{raw[8:]}"


def iban(country: str, account: str) -> str:
    return f"{country}{98 - remainder(account + country + '00'):02d}{account}"


def is_iban(text: str) -> bool:
    text = text.replace(" ", "").upper()
    return text.isalnum() and text.isascii() and 15 <= len(text) <= 34 and remainder(text[4:] + text[:4]) == 1


def remainder(text: str) -> int:
    """ISO 7064 mod 97, letters counting from ten."""
    return int("".join(str(int(character, 36)) for character in text)) % 97

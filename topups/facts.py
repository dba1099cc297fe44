"""What Mollie says, as plain values: read once from its JSON, compared and applied everywhere else. Pure.

Amounts become micros here. What does not have the shape it must have raises Unreadable: an answer that we
cannot read is treated as no answer at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from topups.states import REFUND_VOID, RefundStatus, Status


class Unreadable(ValueError):
    """Mollie's answer does not have the documented shape."""


@dataclass(frozen=True, kw_only=True)
class RefundFacts:
    """Money going back to the payer, at our request or from Mollie's dashboard."""

    mollie_refund_id: str
    amount_micros: int
    status: RefundStatus
    refund_id: str | None  # ours, from the metadata; None for one made in the dashboard

    @property
    def counts(self) -> bool:
        """Whether the money has left, or is leaving, our side."""
        return self.status not in REFUND_VOID


@dataclass(frozen=True, kw_only=True)
class ChargebackFacts:
    """Money that the payer's bank took back."""

    chargeback_id: str
    amount_micros: int
    reason_code: str | None
    reversed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PaymentFacts:
    """A payment as Mollie shows it at one moment."""

    payment_id: str
    mode: str
    status: Status
    amount_micros: int
    currency: str
    customer_id: str | None
    mandate_id: str | None
    top_up_id: str | None
    method: str | None
    sequence_type: str
    checkout_url: str | None
    paid_at: datetime | None
    expires_at: datetime | None
    failure_code: str | None
    failure_message: str | None
    refunds: tuple[RefundFacts, ...]
    chargebacks: tuple[ChargebackFacts, ...]


@dataclass(frozen=True, kw_only=True)
class MovementFacts:
    """One thing that moved money at Mollie: signed, positive when it came in."""

    kind: str  # payment | refund | chargeback | chargeback_reversed
    mollie_id: str
    payment_id: str
    top_up_id: str | None  # of a payment only
    amount_micros: int
    at: datetime
    counts: bool = True  # False for a refund that came to nothing


@dataclass(frozen=True, kw_only=True)
class MandateFacts:
    """A mandate as Mollie shows it: whose account or card, and whether it may be charged."""

    mandate_id: str
    method: str
    status: str  # pending | valid | invalid
    reference: str | None
    holder: str | None
    account_mask: str | None
    card_label: str | None
    card_expires_on: str | None  # YYYY-MM-DD
    created_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class MethodFacts:
    """A way to pay, under the name that Mollie gives it in the asked language."""

    method_id: str
    description: str
    image_url: str | None
    minimum_micros: int
    maximum_micros: int | None


_STATUS = {
    "open": Status.OPEN,
    "pending": Status.PENDING,
    "authorized": Status.PENDING,
    "paid": Status.PAID,
    "failed": Status.FAILED,
    "canceled": Status.CANCELED,
    "expired": Status.EXPIRED,
}


def micros(amount: Any) -> int:
    """`{"value": "10.00", "currency": "EUR"}` → micros."""
    try:
        value = Decimal(amount["value"]) * 1_000_000
    except (KeyError, TypeError, InvalidOperation) as error:
        raise Unreadable(f"no amount: {amount!r}") from error
    if value != value.to_integral_value():
        raise Unreadable(f"no amount: {amount!r}")
    return int(value)


def _moment(text: Any) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Unreadable(f"no moment: {text!r}") from error
    if moment.tzinfo is None:
        raise Unreadable(f"a moment without a zone: {text!r}")
    return moment


def _link(payload: Mapping[str, Any], name: str) -> str | None:
    link = (payload.get("_links") or {}).get(name) or {}
    return link.get("href")


def _named(payload: Mapping[str, Any], name: str) -> str | None:
    """One of our own ids out of the metadata, in which others may have put anything."""
    metadata = payload.get("metadata")
    value = metadata.get(name) if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else None


def refund(payload: Mapping[str, Any]) -> RefundFacts:
    try:
        return RefundFacts(
            mollie_refund_id=str(payload["id"]),
            amount_micros=micros(payload["amount"]),
            status=RefundStatus(payload["status"]),
            refund_id=_named(payload, "refund_id"),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(f"a refund without {error}") from error


def chargeback(payload: Mapping[str, Any]) -> ChargebackFacts:
    try:
        reason = payload.get("reason") or {}
        return ChargebackFacts(
            chargeback_id=str(payload["id"]),
            amount_micros=micros(payload["amount"]),
            reason_code=reason.get("code"),
            reversed_at=_moment(payload.get("reversedAt")),
        )
    except KeyError as error:
        raise Unreadable(f"a chargeback without {error}") from error


def payment(payload: Mapping[str, Any]) -> PaymentFacts:
    """A payment with what is embedded in it. Raises Unreadable."""
    embedded = payload.get("_embedded") or {}
    details = payload.get("details") or {}
    reason = payload.get("statusReason") or {}
    try:
        return PaymentFacts(
            payment_id=str(payload["id"]),
            mode=str(payload["mode"]),
            status=_STATUS[payload["status"]],
            amount_micros=micros(payload["amount"]),
            currency=str(payload["amount"]["currency"]),
            customer_id=payload.get("customerId"),
            mandate_id=payload.get("mandateId"),
            top_up_id=_named(payload, "topup_id"),
            method=payload.get("method"),
            sequence_type=str(payload.get("sequenceType") or "oneoff"),
            checkout_url=_link(payload, "checkout"),
            paid_at=_moment(payload.get("paidAt")),
            expires_at=_moment(payload.get("expiresAt")),
            failure_code=details.get("bankReasonCode") or details.get("failureReason") or reason.get("code"),
            failure_message=details.get("bankReason")
            or details.get("failureMessage")
            or reason.get("message"),
            refunds=tuple(refund(r) for r in embedded.get("refunds") or ()),
            chargebacks=tuple(chargeback(c) for c in embedded.get("chargebacks") or ()),
        )
    except (KeyError, TypeError) as error:
        raise Unreadable(f"a payment without {error}") from error


def payment_movement(payload: Mapping[str, Any]) -> MovementFacts | None:
    """The money that a payment brought in; None for one that is not paid. Raises Unreadable."""
    paid_at = _moment(payload.get("paidAt"))
    if paid_at is None:
        return None
    return MovementFacts(
        kind="payment",
        mollie_id=_id(payload, "id"),
        payment_id=_id(payload, "id"),
        top_up_id=_named(payload, "topup_id"),
        amount_micros=micros(payload.get("amount")),
        at=paid_at,
    )


def refund_movement(payload: Mapping[str, Any]) -> MovementFacts:
    """The money that a refund takes out. Raises Unreadable."""
    seen = refund(payload)
    return MovementFacts(
        kind="refund",
        mollie_id=seen.mollie_refund_id,
        payment_id=_id(payload, "paymentId"),
        top_up_id=None,
        amount_micros=-seen.amount_micros,
        at=created_at(payload),
        counts=seen.counts,
    )


def chargeback_movements(payload: Mapping[str, Any]) -> list[MovementFacts]:
    """The money that a chargeback took out, and what its reversal brought back. Raises Unreadable."""
    seen = chargeback(payload)
    taken = MovementFacts(
        kind="chargeback",
        mollie_id=seen.chargeback_id,
        payment_id=_id(payload, "paymentId"),
        top_up_id=None,
        amount_micros=-seen.amount_micros,
        at=created_at(payload),
    )
    if seen.reversed_at is None:
        return [taken]
    back = replace(taken, kind="chargeback_reversed", amount_micros=seen.amount_micros, at=seen.reversed_at)
    return [taken, back]


def created_at(payload: Mapping[str, Any]) -> datetime:
    """Raises Unreadable."""
    moment = _moment(payload.get("createdAt"))
    if moment is None:
        raise Unreadable("nothing says when it was made")
    return moment


def _id(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str):
        raise Unreadable(f"no {name}")
    return value


def mask(account: str | None, card_number: str | None) -> str | None:
    """Enough to recognise an account or card: "NL·· INGB ···· 4821", "···· 0042", "j···@example.org"."""
    if account and "@" in account:
        name, _, host = account.partition("@")
        return f"{name[:1]}···@{host}"[:32]
    if account and len(account) >= 12:
        return f"{account[:2]}·· {account[4:8]} ···· {account[-4:]}"
    tail = (account or card_number or "")[-4:]
    return f"···· {tail}" if tail else None


def mandate(payload: Mapping[str, Any]) -> MandateFacts:
    details = payload.get("details") or {}
    try:
        return MandateFacts(
            mandate_id=str(payload["id"]),
            method=str(payload["method"]),
            status=str(payload["status"]),
            reference=payload.get("mandateReference"),
            holder=details.get("consumerName") or details.get("cardHolder"),
            account_mask=mask(details.get("consumerAccount"), details.get("cardNumber")),
            card_label=details.get("cardLabel"),
            card_expires_on=details.get("cardExpiryDate"),
            created_at=_moment(payload.get("createdAt")),
        )
    except KeyError as error:
        raise Unreadable(f"a mandate without {error}") from error


def method(payload: Mapping[str, Any]) -> MethodFacts:
    maximum = payload.get("maximumAmount")
    image = payload.get("image") or {}
    try:
        return MethodFacts(
            method_id=str(payload["id"]),
            description=str(payload["description"]),
            image_url=image.get("svg"),
            minimum_micros=micros(payload["minimumAmount"]),
            maximum_micros=micros(maximum) if maximum else None,
        )
    except KeyError as error:
        raise Unreadable(f"a method without {error}") from error

"""The only door to Mollie: its client in, plain facts and typed errors out.

Every call is made outside a transaction, once (`retry=0`: the caller owns the retries), within its timeouts.
The three errors are what a caller must tell apart: it certainly did not happen and never will (`Declined`,
`Gone`), or nobody knows (`NoAnswer`).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, Final, TypeVar

import structlog
from mollie.api.client import Client
from mollie.api.error import Error, RequestError, ResponseError
from mollie.api.objects.customer import Customer
from mollie.api.objects.payment import Payment

from app.config import settings
from app.db import db, in_transaction
from topups import facts
from topups.facts import MandateFacts, MethodFacts, MovementFacts, PaymentFacts, RefundFacts

TIMEOUTS_SECONDS: Final = (2, 10)
PAGE_SIZE: Final = 250
_READING: Final = ("get_", "find_", "list_", "recent_")
_EMBED: Final = "refunds,chargebacks"
_log = structlog.get_logger("topups.gateway")
T = TypeVar("T")

# The client ships as typed, yet these constructors bear no annotations.
_named_customer: Any = Customer
_named_payment: Any = Payment


class GatewayError(Exception):
    """Mollie did not do what was asked."""


class Declined(GatewayError):
    """Mollie refused the request as it stands (a 4xx that will not change); `field` names what it refused."""

    def __init__(self, message: str, *, status: int, field: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field


class Gone(GatewayError):
    """What the request names does not exist, or does not exist any more (404, 410)."""


class NoAnswer(GatewayError):
    """Time-out, broken answer, 409, 429, 5xx or a refused key: it may or may not have happened."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def mode() -> str:
    """`live` or `test`, as the key says; every payment must say the same."""
    return "live" if settings().mollie_api_key.startswith("live_") else "test"


def _client() -> Client:
    client = Client(api_endpoint=settings().mollie_api_url, timeout=TIMEOUTS_SECONDS, retry=0)
    client.set_api_key(settings().mollie_api_key)
    return client


def _call(action: str, ask: Callable[[Client], T]) -> T:
    """Make one call and turn the client's errors into ours. What only reads is never declined."""
    if in_transaction():
        raise RuntimeError("no call to Mollie inside a transaction")
    # A read-only transaction left open by the caller would stay open for the length of the call.
    db.session.rollback()
    client = _client()
    try:
        return ask(client)
    except ResponseError as error:
        status = int(error.status or 0)
        _log.warning("mollie_refused", action=action, status=status, field=error.field, detail=str(error))
        if status in (404, 410):
            raise Gone(str(error)) from error
        reading = action.startswith(_READING)
        if reading or status >= 500 or status in (400, 401, 403, 408, 409, 425, 429):
            raise NoAnswer(str(error), status=status) from error
        raise Declined(str(error), status=status, field=error.field) from error
    except RequestError as error:
        _log.warning("mollie_unreachable", action=action, detail=str(error))
        raise NoAnswer(str(error)) from error
    except (Error, facts.Unreadable) as error:
        _log.warning("mollie_unreadable", action=action, detail=str(error)[:300])
        raise NoAnswer(str(error)[:300]) from error
    finally:
        session = getattr(client, "_client", None)
        if session is not None:
            session.close()


def _pages(first: Any) -> Iterator[Mapping[str, Any]]:
    page = first
    while True:
        yield from page
        if not page.has_next():
            return
        page = page.get_next()


def create_customer(body: dict[str, Any], idempotency_key: str) -> str:
    """Mollie's id of a new customer."""
    return _call(
        "create_customer",
        lambda client: str(client.customers.create(body, idempotency_key=idempotency_key).id),
    )


def create_payment(body: dict[str, Any], idempotency_key: str) -> PaymentFacts:
    """Make the payment, or be told again of the one that this key made."""
    return _call(
        "create_payment",
        lambda client: facts.payment(client.payments.create(body, idempotency_key=idempotency_key)),
    )


def get_payment(payment_id: str) -> PaymentFacts:
    """The payment with its refunds and chargebacks."""
    return _call("get_payment", lambda client: facts.payment(client.payments.get(payment_id, embed=_EMBED)))


def find_payment(mollie_customer_id: str, top_up_id: str) -> PaymentFacts | None:
    """The customer's newest payment that bears our top-up's id in its metadata."""

    def search(client: Client) -> str | None:
        customer = _named_customer({"id": mollie_customer_id}, client)
        for payload in _pages(customer.payments.list(limit=PAGE_SIZE)):
            metadata = payload.get("metadata")
            if isinstance(metadata, dict) and metadata.get("topup_id") == top_up_id:
                return str(payload["id"])
        return None

    found = _call("find_payment", search)
    return get_payment(found) if found else None


def list_payments(newest: int) -> list[PaymentFacts]:
    """Up to `newest` payments of the profile, newest first, whoever made them."""

    def read(client: Client) -> list[PaymentFacts]:
        listed = _pages(client.payments.list(limit=min(newest, PAGE_SIZE)))
        return [facts.payment(payload) for payload in islice(listed, newest)]

    return _call("list_payments", read)


def recent_reversals(newest: int) -> list[str]:
    """Ids of the payments that the profile's newest refunds and newest chargebacks belong to."""

    def read(client: Client) -> list[str]:
        limit = min(newest, PAGE_SIZE)
        found: dict[str, None] = {}
        for listed in (client.refunds.list(limit=limit), client.chargebacks.list(limit=limit)):
            for payload in islice(_pages(listed), newest):
                found[str(payload["paymentId"])] = None
        return list(found)

    return _call("recent_reversals", read)


def list_movements(since: datetime, until: datetime, *, lead: timedelta) -> list[MovementFacts]:
    """What moved money at Mollie in [since, until), in no order: paid payments, refunds, chargebacks.

    What was made up to `lead` before is looked through for what happened later; refunds of that time that
    came to nothing are among the answers, as Mollie does not say when they did.
    """
    oldest = since - lead

    def recent(listed: Any) -> Iterator[Mapping[str, Any]]:
        return takewhile(lambda payload: facts.created_at(payload) >= oldest, _pages(listed))

    def read(client: Client) -> list[MovementFacts]:
        paid = [facts.payment_movement(p) for p in recent(client.payments.list(limit=PAGE_SIZE))]
        found = [movement for movement in paid if movement is not None]
        found += [facts.refund_movement(r) for r in recent(client.refunds.list(limit=PAGE_SIZE))]
        for payload in recent(client.chargebacks.list(limit=PAGE_SIZE)):
            found += facts.chargeback_movements(payload)
        return [m for m in found if since <= m.at < until or (not m.counts and m.at < until)]

    return _call("list_movements", read)


def list_mandates(mollie_customer_id: str) -> list[MandateFacts]:
    """All mandates of a customer, revoked ones included where Mollie still shows them."""

    def read(client: Client) -> list[MandateFacts]:
        customer = _named_customer({"id": mollie_customer_id}, client)
        return [facts.mandate(m) for m in _pages(customer.mandates.list(limit=PAGE_SIZE))]

    return _call("list_mandates", read)


def revoke_mandate(mollie_customer_id: str, mandate_id: str) -> None:
    """Withdraw a mandate; one that is gone already counts as withdrawn."""

    def revoke(client: Client) -> None:
        _named_customer({"id": mollie_customer_id}, client).mandates.delete(mandate_id)

    try:
        _call("revoke_mandate", revoke)
    except Gone:
        _log.info("mandate_was_gone", mandate_id=mandate_id)


def create_refund(payment_id: str, body: dict[str, Any], idempotency_key: str) -> RefundFacts:
    """Send money back to whoever paid the payment."""

    def create(client: Client) -> RefundFacts:
        payment = _named_payment({"id": payment_id}, client)
        return facts.refund(payment.refunds.create(body, idempotency_key=idempotency_key))

    return _call("create_refund", create)


def list_methods(*, amount_value: str, currency: str, locale: str, sequence_type: str) -> list[MethodFacts]:
    """The ways to pay this amount, described in the given locale (`nl_NL`, `en_GB`)."""
    return _call(
        "list_methods",
        lambda client: [
            facts.method(m)
            for m in client.methods.list(
                amount={"value": amount_value, "currency": currency},
                locale=locale,
                sequenceType=sequence_type,
            )
        ],
    )

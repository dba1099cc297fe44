"""Money that arrived on our bank account by itself: a payment like any other, paid when it is first seen.

One row of the same table, without Mollie: the ledger's side is `bank`. A bank that takes it back, and an
operator who gave it to the wrong customer, take it off the balance again; each happens once per key.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.clock import utc_now
from app.config import settings
from app.db import db
from app.ledger.service import lock_balance, post_once
from app.ledger.sides import Posting, Side
from app.public_ids import new_public_id
from topups import auto, notices, receipts, subscriptions, telling
from topups.crediting import lock_top_up
from topups.facts import ChargebackFacts
from topups.models import TopUp
from topups.states import Status

METHOD: Final = "banktransfer"
# By hand: it starts an engine that has stopped, as any payment by hand does.
ORIGIN: Final = "manual"
# By the bank, or because it was somebody else's after all.
RETURNED: Final = "transfer_returned"
CORRECTED: Final = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDetails:
    """Where a customer transfers money for its balance to, and what the transfer must say."""

    account_holder: str
    iban: str
    bic: str
    reference: str

    @property
    def iban_text(self) -> str:
        return _in_fours(self.iban)

    @property
    def reference_text(self) -> str:
        return _in_fours(self.reference)


_subscribed: dict[str, Callable[[int], str]] = {}


def set_transfer_reference(reference_of: Callable[[int], str]) -> None:
    """Say how a customer's fixed payment reference is made. Called by the factory."""
    _subscribed["reference"] = reference_of


def _in_fours(text: str) -> str:
    """As it is printed and read aloud."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def transfer_details(customer_id: int) -> TransferDetails:
    provider = settings().provider
    return TransferDetails(
        account_holder=provider.legal_name,
        iban=provider.iban,
        bic=provider.bic,
        reference=_subscribed["reference"](customer_id),
    )


def receive(customer_id: int, amount_micros: int, *, key: str, invoice_number: str | None = None) -> TopUp:
    """Credit a transfer: for the invoice it names, else for the balance. In a unit of work, once per key."""
    lock_balance(customer_id)
    now = utc_now()
    top_up = TopUp(
        customer_id=customer_id,
        top_up_id=new_public_id("tu", customer_id),
        origin=ORIGIN,
        purpose="balance" if invoice_number is None else "invoice",
        invoice_number=invoice_number,
        amount_micros=amount_micros,
        currency=settings().currency,
        method=METHOD,
        sequence_type="oneoff",
        request_key=key,
        status=Status.PAID,
        idempotency_key=uuid.uuid4(),
        provisional_micros=0,
        refunded_micros=0,
        charged_back_micros=0,
        created_at=now,
        ended_at=now,
        looks=0,
    )
    db.session.add(top_up)
    db.session.flush()
    _move(top_up, "top_up", amount_micros, f"topup-{top_up.top_up_id}-paid")
    subscriptions.money_arrived(customer_id, top_up.top_up_id, amount_micros)
    auto.payment_arrived(top_up)
    receipts.promise(top_up)
    telling.top_up_paid(top_up)
    auto.refresh_marks(customer_id)
    return top_up


def take_back(top_up_id: str, amount_micros: int, *, key: str, kind: str = RETURNED) -> bool:
    """Take a transfer off the balance, and open again what it had settled. False when this key did so."""
    top_up = lock_top_up(top_up_id)
    if not _move(top_up, kind, -amount_micros, f"topup-{top_up_id}-{key}"):
        return False
    top_up.charged_back_micros += amount_micros
    subscriptions.money_left(top_up.customer_id, top_up_id, amount_micros)
    if kind == RETURNED:
        # The customer is told as of any payment that its bank takes back; of our own mistakes it is not.
        facts = ChargebackFacts(
            chargeback_id=key, amount_micros=amount_micros, reason_code=None, reversed_at=None
        )
        notices.charged_back(top_up, facts)
    auto.look_again(top_up.customer_id)
    auto.refresh_marks(top_up.customer_id)
    return True


def give_again(top_up_id: str, amount_micros: int, *, key: str) -> bool:
    """Undo a taking back: the money is the customer's again. False when this key did so."""
    top_up = lock_top_up(top_up_id)
    if not _move(top_up, CORRECTED, amount_micros, f"topup-{top_up_id}-{key}"):
        return False
    top_up.charged_back_micros -= amount_micros
    subscriptions.money_arrived(top_up.customer_id, top_up_id, amount_micros)
    auto.refresh_marks(top_up.customer_id)
    return True


def _move(top_up: TopUp, kind: str, amount_micros: int, reference: str) -> bool:
    """Bank to prepaid, or back for an amount below zero."""
    arrives = amount_micros > 0
    posted = post_once(
        Posting(
            customer_id=top_up.customer_id,
            kind=kind,
            debit=Side.BANK if arrives else Side.PREPAID,
            credit=Side.PREPAID if arrives else Side.BANK,
            amount_micros=abs(amount_micros),
            reference=reference,
        )
    )
    return posted is not None

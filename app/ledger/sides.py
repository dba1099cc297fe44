"""The sides a transfer moves money between, and what a posting does to a balance. Pure."""

from enum import StrEnum
from typing import Final

import msgspec

from app.money import MAX_MICROS


class Side(StrEnum):
    """Where money stands. The first four are the customer's, the others the provider's."""

    PREPAID = "prepaid"
    CREDITS = "credits"
    PROMO = "promo"
    RECEIVABLE = "receivable"
    PSP = "psp"
    PSP_PENDING = "psp_pending"
    BANK = "bank"
    UNBILLED_USAGE = "unbilled_usage"
    REVENUE = "revenue"
    VAT = "vat"
    PROMOTIONS = "promotions"
    FEES = "fees"
    BAD_DEBT = "bad_debt"
    ADJUSTMENTS = "adjustments"


CUSTOMER_SIDES: Final = (Side.PREPAID, Side.CREDITS, Side.PROMO, Side.RECEIVABLE)
AVAILABLE_SIDES: Final = (Side.PREPAID, Side.PROMO)


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One movement `debit` → `credit`, so it balances by construction. Unique by customer and reference."""

    customer_id: int
    kind: str
    debit: Side
    credit: Side
    amount_micros: int
    reference: str

    def __post_init__(self) -> None:
        if not 0 < self.amount_micros <= MAX_MICROS:
            raise ValueError(f"a posting moves a positive amount, not {self.amount_micros}")
        if self.debit == self.credit:
            raise ValueError(f"a posting moves money between two sides, not {self.debit} to itself")
        if not self.reference or len(self.reference) > 128:
            raise ValueError("a posting has a reference of 1 to 128 characters")


def effects(debit: Side, credit: Side, amount_micros: int) -> dict[Side, int]:
    """What a movement adds to each of the customer's sides.

    Prepaid, credits and promo are what we owe the customer and grow on the credit side; the receivable is
    what the customer owes us and grows on the debit side.
    """
    signs = {debit: -1, credit: 1}
    return {
        side: amount_micros * (-sign if side is Side.RECEIVABLE else sign)
        for side, sign in signs.items()
        if side in CUSTOMER_SIDES
    }

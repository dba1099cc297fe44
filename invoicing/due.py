"""What is due at a close: total, credits, what usage already debited, balance money, the rest. Pure.

The usage of the period was debited when it happened. So what is due is what the balance lacks, at most the
total; what else is below zero (a chargeback, say) is no part of this invoice and stays on the balance.
"""

import msgspec

from app.money import MICROS_PER_CENT, micros_of_cents


class Settlement(msgspec.Struct, frozen=True):
    """total − credits used − prepaid = due, in cents. Credits used go back to the balance they spare."""

    total_cents: int
    credits_used_cents: int
    credits_left_cents: int
    prepaid_cents: int
    due_cents: int

    def __post_init__(self) -> None:
        if self.total_cents != self.credits_used_cents + self.prepaid_cents + self.due_cents:
            raise ValueError(f"{self} does not add up")


def settle(
    *, total_cents: int, credits_micros: int, balance_micros: int, small_due_micros: int, paid_cents: int = 0
) -> Settlement:
    """How a total is settled.

    `balance_micros` is the prepaid balance after rounding, plus what newer periods have debited from it
    already. A due below `small_due_micros` stays on the balance. Never more is asked than the balance
    lacks, and never more than the total; of a negative total nothing is due, it went to the balance.
    `paid_cents` of the total were paid beside the balance (fees) and count as prepaid.
    """
    open_cents = max(0, total_cents - max(0, paid_cents))
    credits_cents = max(0, credits_micros) // MICROS_PER_CENT
    used = min(credits_cents, open_cents)
    lacking_cents = max(0, -(balance_micros + micros_of_cents(used))) // MICROS_PER_CENT
    due = max(0, min(open_cents - used, lacking_cents))
    if micros_of_cents(due) < small_due_micros:
        due = 0
    return Settlement(
        total_cents=total_cents,
        credits_used_cents=used,
        credits_left_cents=credits_cents - used,
        prepaid_cents=total_cents - used - due,
        due_cents=due,
    )


def allocate(amount_micros: int, outstanding_micros: list[int]) -> list[int]:
    """Shares of incoming money for debts in their order; what the shares do not use is left over."""
    shares: list[int] = []
    left = max(0, amount_micros)
    for debt in outstanding_micros:
        share = min(left, max(0, debt))
        shares.append(share)
        left -= share
    return shares

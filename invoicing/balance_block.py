"""The balance over a period, as an invoice prints it: opening + top-ups − usage ± other = closing.

Usage counts for the period it belongs to, whenever it was posted; what a close posts counts for the period
it closes; all else for the month in which it happened. So one period's closing is the next one's opening.
"""

from collections.abc import Collection
from typing import Final

from app.ledger.movements import Moved, Span, moved_by_kind
from app.money import cents_of_micros, micros_of_cents

# Posted by usage or by a close: counted with the period they belong to, not with the day they were posted.
OWN_PERIOD: Final = ("usage", "correction", "rounding", "charge", "credits_used", "invoice_due")
ROW_OF_KIND: Final = {
    "top_up": "top_ups",
    "provisional": "top_ups",
    "provisional_reversal": "top_ups",
    "grant": "promotional",
    "grant_expired": "promotional",
    "credits_to_balance": "moved_credits",
    "separate_charge": "charges",
    "separate_credits": "credits",
    "separate_due": "invoiced",
    "invoice_paid": "settled",
    "invoice_reopened": "settled",
}


def movements(spans: Collection[Span]) -> dict[int, Moved]:
    """By customer the micros by row of the block, usage and closes left out."""
    found = moved_by_kind(spans, leaving_out=OWN_PERIOD)
    for moved in found.values():
        rows: dict[str, int] = {}
        for kind, micros in moved.inside.items():
            row = ROW_OF_KIND.get(kind, "other")
            rows[row] = rows.get(row, 0) + micros
        moved.inside = rows
    return found


def block(
    *,
    moved: dict[str, int],
    moved_since_micros: int,
    available_micros: int,
    newer_debits_micros: int,
    usage_micros: int,
    credits_micros: int,
    due_micros: int,
    charged_micros: int = 0,
) -> dict[str, int]:
    """The block's rows in whole cents (as micros), which add up as printed; `usage` is below zero.

    `moved` happened in the period, `moved_since_micros` after it; `available_micros` is the balance now, the
    close's own postings included; `newer_debits_micros` is what newer periods have taken already;
    `charged_micros` is what the close charged beside usage. A grant may be used to a fraction of a cent:
    opening and closing are rounded, and usage takes the difference.
    """
    own = {"charges": -charged_micros, "credits": credits_micros, "invoiced": due_micros}
    # Documents beside the closes charge, settle and ask as well.
    changes = moved | {row: moved.get(row, 0) + micros for row, micros in own.items()}
    closing = available_micros + newer_debits_micros - moved_since_micros
    opening = closing - sum(changes.values()) + usage_micros
    cents = {row: cents_of_micros(amount) for row, amount in changes.items()}
    cents |= {"opening": cents_of_micros(opening), "closing": cents_of_micros(closing)}
    cents["usage"] = cents["closing"] - cents["opening"] - sum(cents[row] for row in changes)
    return {row: micros_of_cents(amount) for row, amount in cents.items() if amount or row in _ALWAYS}


_ALWAYS: Final = ("opening", "usage", "closing")

"""The states of a top-up, as a table. Pure.

A top-up is one attempt to receive one payment; a status belongs to its attempt and never to another's.
Refunds and chargebacks never change a status: they are movements of their own. Money that arrives is
always taken, so `paid` may follow every other state, and nothing follows `paid`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a top-up stands."""

    REQUESTED = "requested"  # decided on, not yet sent
    SUBMITTING = "submitting"  # key and body are stored, the call may be under way
    UNKNOWN = "unknown"  # the call ended without an answer: the payment may or may not exist
    OPEN = "open"  # waits for the payer
    PENDING = "pending"  # the bank has it; days, for a direct debit
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class MoveRefused(AssertionError):
    """A move that the table does not know: a bug, never an input."""


_FROM_MOLLIE: Final = frozenset(
    {Status.OPEN, Status.PENDING, Status.PAID, Status.FAILED, Status.CANCELED, Status.EXPIRED}
)

MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.REQUESTED: frozenset({Status.SUBMITTING, Status.FAILED, Status.CANCELED}),
    Status.SUBMITTING: _FROM_MOLLIE | {Status.UNKNOWN},
    Status.UNKNOWN: _FROM_MOLLIE,
    Status.OPEN: frozenset({Status.PENDING, Status.PAID, Status.FAILED, Status.CANCELED, Status.EXPIRED}),
    Status.PENDING: frozenset({Status.PAID, Status.FAILED, Status.CANCELED, Status.EXPIRED}),
    Status.PAID: frozenset(),
    # What we gave up may still be paid: the payer's bank decides, not we.
    Status.FAILED: frozenset({Status.PAID}),
    Status.CANCELED: frozenset({Status.PAID}),
    Status.EXPIRED: frozenset({Status.PAID}),
}

UNANSWERED: Final = frozenset({Status.SUBMITTING, Status.UNKNOWN})
GUARDED: Final = frozenset({Status.REQUESTED, Status.SUBMITTING, Status.UNKNOWN})
UNDER_WAY: Final = GUARDED | {Status.PENDING}
ENDED: Final = frozenset({Status.PAID, Status.FAILED, Status.CANCELED, Status.EXPIRED})
LOST: Final = frozenset({Status.FAILED, Status.CANCELED, Status.EXPIRED})


def follows(status: Status, to: Status) -> bool:
    """Whether `to` is news for a top-up in `status`; a stale or repeated answer is not."""
    return to in MOVES[status]


def moved(status: Status, to: Status) -> Status:
    """The status after the move. Raises MoveRefused for a move that the table does not allow."""
    if not follows(status, to):
        raise MoveRefused(f"a top-up cannot go from {status} to {to}")
    return to


class RefundStatus(StrEnum):
    """Where a refund stands: the first three are ours, the others Mollie's."""

    SUBMITTING = "submitting"  # key and body are stored, the call may be under way
    UNKNOWN = "unknown"  # the call ended without an answer
    REFUSED = "refused"  # Mollie would not make it; nothing was sent back
    QUEUED = "queued"
    PENDING = "pending"
    PROCESSING = "processing"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELED = "canceled"


REFUND_UNANSWERED: Final = frozenset({RefundStatus.SUBMITTING, RefundStatus.UNKNOWN})
# Money that did not leave after all, or came back.
REFUND_VOID: Final = frozenset({RefundStatus.REFUSED, RefundStatus.FAILED, RefundStatus.CANCELED})
_AT_MOLLIE: Final = frozenset(RefundStatus) - REFUND_UNANSWERED - {RefundStatus.REFUSED}

REFUND_MOVES: Final[Mapping[RefundStatus, frozenset[RefundStatus]]] = {
    RefundStatus.SUBMITTING: _AT_MOLLIE | {RefundStatus.UNKNOWN, RefundStatus.REFUSED},
    RefundStatus.UNKNOWN: _AT_MOLLIE | {RefundStatus.REFUSED},
    # What we gave up may have been made all the same: Mollie's own list says so.
    RefundStatus.REFUSED: _AT_MOLLIE,
    RefundStatus.QUEUED: _AT_MOLLIE - {RefundStatus.QUEUED},
    RefundStatus.PENDING: _AT_MOLLIE - {RefundStatus.PENDING},
    RefundStatus.PROCESSING: frozenset({RefundStatus.REFUNDED, RefundStatus.FAILED, RefundStatus.CANCELED}),
    # A bank may send the money back after it was paid out.
    RefundStatus.REFUNDED: frozenset({RefundStatus.FAILED}),
    RefundStatus.FAILED: frozenset(),
    RefundStatus.CANCELED: frozenset(),
}


def refund_moved(status: RefundStatus, to: RefundStatus) -> RefundStatus:
    """The status after the move. Raises MoveRefused for a move that the table does not allow."""
    if to not in REFUND_MOVES[status]:
        raise MoveRefused(f"a refund cannot go from {status} to {to}")
    return to

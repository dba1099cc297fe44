"""Who wants to know that money came or went, or that a balance was looked at: called inside that transaction.

The factory subscribes other slices here, so that nothing in this slice imports upward; subscribing twice is
harmless.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

# Called with the customer's id, the top-up's id and the micros that moved.
Listener = Callable[[int, str, int], None]
# Answers the balances, in micros, through which a fall should be looked at.
Marker = Callable[[int], list[int]]


class Looker(Protocol):
    """Told that a balance was looked at, and whether automatic top-up is filling it."""

    def __call__(self, customer_id: int, *, is_being_filled: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class PaidAhead:
    """What a customer who leaves now gets back of what runs on: how many agreements, and their credit."""

    agreements: int = 0
    credit_micros: int = 0


# Ends what runs on, its credit and all other credits to the balance; answers what is left to be done as the
# last of the transaction.
Ender = Callable[[int], Callable[[], None]]
Foreteller = Callable[[int], PaidAhead]

_enders: list[Ender] = []
_foretellers: list[Foreteller] = []
_arrived: list[Listener] = []
_left: list[Listener] = []
_lookers: list[Looker] = []
_markers: list[Marker] = []


def on_money_arrived(listener: Listener) -> None:
    """Call `listener(customer_id, top_up_id, amount_micros)` when a payment is credited."""
    if listener not in _arrived:
        _arrived.append(listener)


def on_money_left(listener: Listener) -> None:
    """Call `listener(customer_id, top_up_id, amount_micros)` on a refund or chargeback."""
    if listener not in _left:
        _left.append(listener)


def on_balance_seen(looker: Looker, marker: Marker) -> None:
    """Call `looker(customer_id, is_being_filled)` when a balance is looked at; `marker` says when to look."""
    if looker not in _lookers:
        _lookers.append(looker)
        _markers.append(marker)


def on_leaving(ender: Ender, foreteller: Foreteller) -> None:
    """Call `ender(customer_id)` when a customer leaves; `foreteller` tells what that would give back."""
    if ender not in _enders:
        _enders.append(ender)
        _foretellers.append(foreteller)


def end_agreements(customer_id: int) -> list[Callable[[], None]]:
    """What is left to be done as the last of the transaction. The balance is locked."""
    return [ender(customer_id) for ender in _enders]


def paid_ahead(customer_id: int) -> PaidAhead:
    found = [foreteller(customer_id) for foreteller in _foretellers]
    return PaidAhead(sum(one.agreements for one in found), sum(one.credit_micros for one in found))


def balance_seen(customer_id: int, *, is_being_filled: bool) -> None:
    for looker in _lookers:
        looker(customer_id, is_being_filled=is_being_filled)


def marks(customer_id: int) -> list[int]:
    return [mark for marker in _markers for mark in marker(customer_id)]


def money_arrived(customer_id: int, top_up_id: str, amount_micros: int) -> None:
    for listener in _arrived:
        listener(customer_id, top_up_id, amount_micros)


def money_left(customer_id: int, top_up_id: str, amount_micros: int) -> None:
    for listener in _left:
        listener(customer_id, top_up_id, amount_micros)

"""Who wants to know that money came or went, or that a balance was looked at: called inside that transaction.

The factory subscribes other slices here, so that nothing in this slice imports upward; subscribing twice is
harmless.
"""

from collections.abc import Callable
from typing import Protocol

# Called with the customer's id, the top-up's id and the micros that moved.
Listener = Callable[[int, str, int], None]
# Answers the balances, in micros, through which a fall should be looked at.
Marker = Callable[[int], list[int]]


class Looker(Protocol):
    """Told that a balance was looked at, and whether automatic top-up is filling it."""

    def __call__(self, customer_id: int, *, is_being_filled: bool) -> None: ...


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

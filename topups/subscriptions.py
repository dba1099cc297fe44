"""Who wants to know that money came or went: called inside the transaction that moves it.

The factory subscribes other slices here, so that nothing in this slice imports upward; subscribing twice is
harmless.
"""

from collections.abc import Callable

# Called with the customer's id, the top-up's id and the micros that moved.
Listener = Callable[[int, str, int], None]

_arrived: list[Listener] = []
_left: list[Listener] = []


def on_money_arrived(listener: Listener) -> None:
    """Call `listener(customer_id, top_up_id, amount_micros)` when a payment is credited."""
    if listener not in _arrived:
        _arrived.append(listener)


def on_money_left(listener: Listener) -> None:
    """Call `listener(customer_id, top_up_id, amount_micros)` on a refund or chargeback."""
    if listener not in _left:
        _left.append(listener)


def money_arrived(customer_id: int, top_up_id: str, amount_micros: int) -> None:
    for listener in _arrived:
        listener(customer_id, top_up_id, amount_micros)


def money_left(customer_id: int, top_up_id: str, amount_micros: int) -> None:
    for listener in _left:
        listener(customer_id, top_up_id, amount_micros)

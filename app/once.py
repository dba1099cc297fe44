"""What a page reads once: the frame and the content of a page ask for the same facts, at one moment."""

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar, cast

from flask import g, has_request_context, request

T = TypeVar("T")
_READING: Final = frozenset({"GET", "HEAD"})


def once_per_page(read: Callable[[int], T]) -> Callable[[int], T]:
    """Keeps what was read for a customer while a GET request lasts; elsewhere it is read anew each time.

    Who gets it must not change it: the next caller gets the same.
    """

    @wraps(read)
    def kept(customer_id: int) -> T:
        if not has_request_context() or request.method not in _READING:
            return read(customer_id)
        memory: dict[tuple[str, int], object] = g.setdefault("read_once", {})
        key = (f"{read.__module__}.{read.__qualname__}", customer_id)
        if key not in memory:
            memory[key] = read(customer_id)
        return cast("T", memory[key])

    return kept

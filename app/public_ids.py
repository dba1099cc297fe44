"""Public ids: a prefix, whose it is, and an unguessable part: `tu_1z_8m3k…`.

The customer is readable from the id, so a lookup by id goes straight to that customer's rows.
"""

import secrets

from app.errors import NotFound

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 20


def new_public_id(prefix: str, customer_id: int) -> str:
    """A fresh id such as `tu_1z_8m3kq0…`; 103 bits of it cannot be guessed."""
    secret = "".join(secrets.choice(_DIGITS) for _ in range(_SECRET_LENGTH))
    return f"{prefix}_{_base36(customer_id)}_{secret}"


def customer_of(public_id: str) -> int:
    """The customer's id inside a public id. Raises NotFound when it cannot be one of ours."""
    parts = public_id.split("_")
    if len(parts) != 3 or not 1 <= len(parts[1]) <= 12 or not public_id.isascii():
        raise NotFound
    try:
        return int(parts[1], 36)
    except ValueError as error:
        raise NotFound from error


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if number == 0:
            return digits

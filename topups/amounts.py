"""Amounts as people type them: "25", "25,00", "€ 1.234,50", "1,234.50". Pure.

The last separator followed by one or two digits is the decimal one; all others group thousands.
"""

import re
from typing import Final

# No thousand begins with a nought: "0.500" is no amount rather than five hundred.
_GROUPED: Final = re.compile(r"[1-9]\d{0,2}([.,' ]?\d{3})*|\d+")
_MAX_DIGITS: Final = 9


def parse_amount(text: str) -> int | None:
    """Micros of a typed amount in euros; None when it is not one."""
    clean = text.replace("\u00a0", " ").replace("\u202f", " ").replace("€", "").strip()
    clean = clean.removesuffix(",-").removesuffix(",--").removesuffix(".-")
    whole, cents = clean, ""
    found = re.fullmatch(r"(.*)[.,](\d{1,2})", clean)
    if found is not None:
        whole, cents = found.group(1), found.group(2)
    if not whole.isascii() or not _GROUPED.fullmatch(whole):
        return None
    digits = re.sub(r"\D", "", whole)
    if len(digits) > _MAX_DIGITS:
        return None
    return (int(digits) * 100 + int(cents.ljust(2, "0") or "0")) * 10_000

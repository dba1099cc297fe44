"""Structured payment references: how a bank transfer names what it pays. Pure.

RF references are ISO 11649; Belgian ones (OGM) are ten digits and two that check them.
They are made from the invoice's number, so the number is found again from what a bank statement says.
"""

import re
from typing import Final

from app.document_names import REQUEST_PATTERN

_LETTERS: Final = {chr(code): str(code - 55) for code in range(ord("A"), ord("Z") + 1)}
_NUMBER: Final = re.compile(r"([A-Z]{1,4})(\d{4})-(\d{6,})")
_REQUEST: Final = re.compile(rf"B-({REQUEST_PATTERN})")
_OF_REQUEST: Final = re.compile(rf"B({REQUEST_PATTERN})")
_RF: Final = re.compile(r"RF(\d{2})([0-9A-Z]{1,21})")
_OGM: Final = re.compile(r"\d{12}")
_OF_INVOICE: Final = re.compile(r"([A-Z]{1,4})(\d{4})(\d{6,})")
# No series of documents bears this letter, nor the B of payment requests.
_CUSTOMER: Final = "T"
_OF_CUSTOMER: Final = re.compile(rf"{_CUSTOMER}(\d{{1,18}})")
# The prefix of the invoices that Belgian references name.
OF_OGM: Final = "F"
_OGM_DIGITS: Final = 10
_DOCUMENT: Final = re.compile(rf"[A-Z]{{1,4}}\d{{4}}-\d{{6,}}|B-{REQUEST_PATTERN}")


def _remainder(text: str) -> int:
    """ISO 7064 mod 97-10 over letters and digits."""
    return int("".join(_LETTERS.get(letter, letter) for letter in text)) % 97


def rf_of(text: str) -> str:
    """The RF reference around a text of 1 to 21 capitals and digits."""
    if not re.fullmatch(r"[0-9A-Z]{1,21}", text):
        raise ValueError(f"{text!r} cannot stand in an RF reference")
    return f"RF{98 - _remainder(text + 'RF00'):02d}{text}"


def ogm_of(digits: str) -> str:
    """The Belgian reference around ten digits: "+++202/6000/01889+++"."""
    if not re.fullmatch(r"\d{10}", digits):
        raise ValueError(f"{digits!r} cannot stand in a Belgian reference")
    whole = f"{digits}{int(digits) % 97 or 97:02d}"
    return f"+++{whole[:3]}/{whole[3:7]}/{whole[7:]}+++"


def reference_of(number: str, buyer_country: str) -> str:
    """The reference with which an invoice is to be paid: OGM for Belgium where it fits, else RF.

    `number`: what it went by from its beginning, so of a payment request the request's own name.
    """
    request = _REQUEST.fullmatch(number)
    if request is not None:
        return rf_of(f"B{request[1]}")
    parts = _NUMBER.fullmatch(number)
    if parts is None:
        raise ValueError(f"{number!r} is no invoice number")
    prefix, digits = parts[1], parts[2] + parts[3]
    # A Belgian reference has no letters, so it can stand for one series only.
    if buyer_country == "BE" and prefix == OF_OGM and len(digits) == _OGM_DIGITS:
        return ogm_of(digits)
    return rf_of(f"{prefix}{digits}")


def top_up_reference_of(customer_id: int) -> str:
    """A customer's fixed reference for transfers to the balance, by standing order for example."""
    return rf_of(f"T{customer_id}")


def invoice_number_of(reference: str) -> str | None:
    """The invoice a reference names, however it is spaced; None for any other, or one mistyped."""
    inner = _inner(reference)
    request = _OF_REQUEST.fullmatch(inner) if inner else None
    if request is not None:
        return f"B-{request[1]}"
    parts = _OF_INVOICE.fullmatch(inner) if inner else None
    return f"{parts[1]}{parts[2]}-{parts[3]}" if parts and parts[1] != _CUSTOMER else None


def customer_id_of(reference: str) -> int | None:
    """The customer whose balance a reference names."""
    inner = _inner(reference)
    parts = _OF_CUSTOMER.fullmatch(inner) if inner else None
    return int(parts[1]) if parts else None


def _inner(reference: str) -> str | None:
    """What a reference with right check digits stands around."""
    compact = re.sub(r"[\s+*/.-]", "", reference).upper()
    rf = _RF.fullmatch(compact)
    if rf:
        return rf[2] if _remainder(f"{rf[2]}RF{rf[1]}") == 1 else None
    if _OGM.fullmatch(compact) and (int(compact[:10]) % 97 or 97) == int(compact[10:]):
        return f"{OF_OGM}{compact[:10]}"
    return None


def is_number(text: str) -> bool:
    """Whether a text has the shape of a document number, or of a payment request's name."""
    return bool(_DOCUMENT.fullmatch(text))


def spaced(reference: str) -> str:
    """As it is printed: an RF reference in groups of four, a Belgian one as it is."""
    if not reference.startswith("RF"):
        return reference
    return " ".join(reference[start : start + 4] for start in range(0, len(reference), 4))

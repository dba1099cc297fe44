"""Secrets that must be read again are sealed at rest: Fernet, under a key derived from SECRET_KEY (HKDF).

Each has a key of its own, by what it is for and whose it is, so a sealed text that is moved to another row
does not open there. What an older key sealed opens while that key stands in SECRET_KEY_FALLBACKS.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.config import settings


class CannotOpen(ValueError):
    """It was sealed for something else, or under a key that is no longer known."""


def seal(secret: str, purpose: str) -> str:
    """The secret as it is stored: 140 characters for one of 32. `purpose` names what it is and whose."""
    return _fernets(purpose)[0].encrypt(secret.encode()).decode()


def open_sealed(sealed: str, purpose: str) -> str:
    """Raises CannotOpen."""
    try:
        return MultiFernet(_fernets(purpose)).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise CannotOpen(purpose) from error


def is_of_now(sealed: str, purpose: str) -> bool:
    """Whether it was sealed under the key of now; else it is to be sealed again."""
    try:
        _fernets(purpose)[0].decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def _fernets(purpose: str) -> list[Fernet]:
    return [_fernet(key, purpose) for key in (settings().secret_key, *settings().secret_key_fallbacks)]


def _fernet(key: str, purpose: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"tegoed {purpose}".encode())
    return Fernet(base64.urlsafe_b64encode(derived.derive(key.encode())))

"""The address at which whoever was sent a document reads it, without an account.

It is a document's own, whoever it is sent to, and signed: nobody makes one up. It stays the same when a
payment request becomes an invoice, so what was printed and mailed leads on.
"""

from typing import Final

from itsdangerous import BadSignature, Signer

from app.config import settings
from app.errors import NotFound
from invoicing import reading
from invoicing.models import Invoice

_PURPOSE: Final = "invoicing.document"


def token_of(invoice: Invoice) -> str:
    """The document's name and what proves that we wrote it."""
    return _signer().sign(invoice.first_name).decode()


def url_of(invoice: Invoice) -> str:
    """Where the document is seen and paid."""
    return f"{settings().public_url.rstrip('/')}/documents/{token_of(invoice)}"


def find(token: str) -> Invoice:
    """The document that a link is for. Raises NotFound, whatever is wrong with the link."""
    try:
        name = _signer().unsign(token.encode()).decode()
    except BadSignature as error:
        raise NotFound from error
    return reading.find(name)


def _signer() -> Signer:
    """It signs with the newest key and knows what older ones signed."""
    keys = settings()
    return Signer([*keys.secret_key_fallbacks, keys.secret_key], salt=_PURPOSE)

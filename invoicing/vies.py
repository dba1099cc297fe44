"""VIES, the Commission's register of VAT numbers: one question, one answer. No transaction is open meanwhile.

What the register cannot say now (a member state is down, too many ask at once) is no answer about the number.
The consultation number proves that it was asked; it is given to those who say who they are.
"""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from stdnum.eu import vat

from app.config import settings

Status = Literal["valid", "invalid", "unavailable"]
TIMEOUT_SECONDS: Final = 15
ANSWER_BYTES: Final = 64 * 1024
# What says that there cannot be such a number; every other fault is about the service.
_NO_SUCH_NUMBER: Final = frozenset({"INVALID_INPUT", "INVALID"})
# The register's word for what a member state does not disclose.
_UNDISCLOSED: Final = "---"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the register said: `fault` says why it could not, name and address may be undisclosed."""

    status: Status
    fault: str = ""
    consultation_number: str = ""
    name: str = ""
    address: str = ""


def is_configured() -> bool:
    return bool(settings().vies_url)


def ask(number: str) -> Answer:
    """Whether a VAT number, such as BE0403019261, is in the register. Never raises for what happens there."""
    question = {"countryCode": number[:2], "vatNumber": number[2:], **_requester()}
    try:
        status, body = _post(f"{settings().vies_url.rstrip('/')}/check-vat-number", question)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(status="unavailable", fault=type(error).__name__)
    return answer_of(status, body)


def answer_of(status: int, body: bytes) -> Answer:
    """The register's JSON as an answer. Pure."""
    try:
        said = json.loads(body)
    except ValueError:
        return Answer(status="unavailable", fault=f"HTTP_{status}")
    if not isinstance(said, dict):
        return Answer(status="unavailable", fault=f"HTTP_{status}")
    fault = _fault(said)
    if fault in _NO_SUCH_NUMBER:
        return Answer(status="invalid", fault=fault)
    if fault or not isinstance(said.get("valid"), bool):
        return Answer(status="unavailable", fault=fault or f"HTTP_{status}")
    return Answer(
        status="valid" if said["valid"] else "invalid",
        consultation_number=_text(said, "requestIdentifier", 64),
        name=_text(said, "name", 300),
        address=_text(said, "address", 500),
    )


def _fault(said: dict[str, Any]) -> str:
    wrappers = said.get("errorWrappers")
    if isinstance(wrappers, list) and wrappers and isinstance(wrappers[0], dict):
        return str(wrappers[0].get("error") or "UNKNOWN")[:64]
    return "UNKNOWN" if said.get("actionSucceed") is False else ""


def _text(said: dict[str, Any], name: str, most: int) -> str:
    value = said.get(name)
    text = value.strip() if isinstance(value, str) else ""
    return "" if text == _UNDISCLOSED else text.replace("\x00", "")[:most]


def _requester() -> dict[str, str]:
    """Who asks; left out where our own number is not a right one, for VIES refuses the question then."""
    own = settings().provider.vat_number
    if not vat.is_valid(own):
        return {}
    compact = str(vat.compact(own))
    return {"requesterMemberStateCode": compact[:2], "requesterNumber": compact[2:]}


def _post(url: str, question: dict[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind: Callable[..., http.client.HTTPConnection] = (
        http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    )
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "Tegoed/1"}
    try:
        connection.request("POST", parts.path, json.dumps(question).encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES)
    finally:
        connection.close()

"""The conversation with the mail server, and what is known of a message when it ends."""

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final, Literal

from app.config import Settings

_TIMEOUT_SECONDS: Final = 20
# A server may take its time with a whole message: who gives up early never knows (RFC 5321, 4.5.3.2.6).
_MESSAGE_TIMEOUT_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class HandedOver:
    """How a conversation with the mail server ended; `refusal` where the address itself was refused."""

    status: Literal["sent", "failed", "unsure"]
    error: str | None = None
    refusal: str | None = None


class _Conversation(smtplib.SMTP):
    """Knows whether the message itself was on its way when the line broke: then it may have been taken."""

    message_on_its_way = False

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.message_on_its_way = True
        if self.sock is not None:
            self.sock.settimeout(_MESSAGE_TIMEOUT_SECONDS)
        return super().data(msg)


def hand_over(wire: EmailMessage, configured: Settings) -> HandedOver:
    """Hand a message to the mail server: sent, failed (it surely has it not) or unsure."""
    conversation: _Conversation | None = None
    taken = False
    try:
        conversation = _Conversation(configured.smtp_host, configured.smtp_port, timeout=_TIMEOUT_SECONDS)
        with conversation:
            if configured.smtp_starttls:
                conversation.starttls()
            if configured.smtp_username:
                conversation.login(configured.smtp_username, configured.smtp_password)
            conversation.send_message(wire)
            taken = True
    except (OSError, smtplib.SMTPException) as failure:
        # A goodbye that fails takes nothing back.
        if taken:
            return HandedOver("sent")
        error = f"{type(failure).__name__}: {failure}"
        answered = isinstance(failure, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused)
        if conversation is not None and conversation.message_on_its_way and not answered:
            return HandedOver("unsure", error)
        return HandedOver("failed", error, _refused_for_good(failure))
    return HandedOver("sent")


def _refused_for_good(failure: Exception) -> str | None:
    """What the server says of an address that it will never deliver to (5xx); None for all else."""
    if not isinstance(failure, smtplib.SMTPRecipientsRefused):
        return None
    code, answer = next(iter(failure.recipients.values()))
    return f"{code} {answer.decode(errors='replace')}" if code >= 500 else None

"""Why an operator did something: one line that is kept with it."""

from typing import Final

from app.errors import Invalid
from invoicing.wording import gettext

MAX_REASON: Final = 500


def checked_reason(text: str) -> str:
    """The reason on one line. Raises Invalid."""
    reason = " ".join(text.split())
    if not 1 <= len(reason) <= MAX_REASON or not reason.isprintable():
        raise Invalid(gettext("Say why, in at most %(most)s characters.", most=MAX_REASON), field="reason")
    return reason

"""What can be refused here, and in which words."""

from flask_babel import lazy_gettext

from app.errors import Conflict, Invalid, NotFound


class UnknownInvoice(NotFound):
    code = "unknown_invoice"
    title = lazy_gettext("There is no invoice with this number.")


class Rendering(Conflict):
    """The document was issued a moment ago and its file is being made."""

    code = "rendering"
    title = lazy_gettext("This document is being made. Try again in a moment.")


class PeriodNotEnded(Conflict):
    code = "period_not_ended"
    title = lazy_gettext("This period has not ended yet.")


class InvalidPeriod(Invalid):
    code = "invalid_period"
    title = lazy_gettext("Give a period as a year and a month, such as 2026-10.")


class NothingToPay(Conflict):
    code = "nothing_to_pay"
    title = lazy_gettext("Nothing is to be paid on this invoice.")

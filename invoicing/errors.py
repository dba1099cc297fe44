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


class PaymentUnderWay(Conflict):
    """All of it, or more than what is left beside it, is being paid already."""

    code = "payment_under_way"
    title = lazy_gettext("We are waiting for your bank. Please don't pay again.")


class PaysTooMuch(Invalid):
    code = "pays_too_much"
    title = lazy_gettext("This is more than what is to be paid.")


class NothingToCredit(Conflict):
    code = "nothing_to_credit"
    title = lazy_gettext("Nothing of this document is left to be credited.")


class CreditTooLarge(Conflict):
    code = "credit_too_large"
    title = lazy_gettext("This is more than is left of the invoice to be credited.")


class NoCredits(Conflict):
    code = "no_credits"
    title = lazy_gettext("There are no credits to move.")


class TooFewCredits(Conflict):
    code = "too_few_credits"
    title = lazy_gettext("This is more than the credits there are.")


class Held(Conflict):
    """The document's XML broke a rule, so it waits for an operator."""

    code = "held"
    title = lazy_gettext("This document is being checked by us before it is sent.")


class NothingToInvoice(NotFound):
    code = "nothing_to_invoice"
    title = lazy_gettext("There is nothing to invoice yet.")


class NoDocuments(NotFound):
    code = "no_documents"
    title = lazy_gettext("There are no documents of this year.")


class NotIssuedYet(Conflict):
    """It is asked for and becomes an invoice when it is paid."""

    code = "not_issued_yet"
    title = lazy_gettext("This is a payment request. The invoice follows when it has been paid.")

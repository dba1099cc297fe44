"""Consent: the words a customer agreed to, kept as they were shown.

An online first payment is no signed SEPA mandate, so the record carries what proves it: version and text,
language, time, address, the amounts agreed to, and the creditor's name and id. A change of the words below
needs a new TEXT_VERSION.
"""

from dataclasses import dataclass
from typing import Final, Literal

from flask_babel import gettext

from app.clock import utc_now
from app.config import settings
from app.db import db
from app.i18n import current_locale
from app.public_ids import new_public_id
from topups.models import AutoTopUp, Consent

TEXT_VERSION: Final = "2026-11"
Kind = Literal["save_method", "automatic_top_up", "automatic_payment"]


@dataclass(frozen=True, kw_only=True)
class GivenBy:
    """Who agreed, and from where; or the provider's program that vouches for the consent it took."""

    ip_address: str | None
    user_id: int | None
    api_key_id: str | None = None


def short_text(kind: Kind) -> str:
    """The sentence beside the box, in the reader's language."""
    provider = settings().provider
    names = {
        "provider": provider.name,
        "creditor": provider.creditor_name,
        "creditor_id": provider.creditor_id,
    }
    if kind == "automatic_payment":
        return str(
            gettext(
                "I authorise %(provider)s to debit what is due on my invoices, each on its due date, through "
                "%(creditor)s (creditor ID %(creditor_id)s), announced by e-mail on the day itself.",
                **names,
            )
        )
    if kind == "automatic_top_up":
        return str(
            gettext(
                "I authorise %(provider)s to debit amounts according to this rule through %(creditor)s "
                "(creditor ID %(creditor_id)s), announced by e-mail on the day itself.",
                **names,
            )
        )
    return str(
        gettext(
            "Save this payment method. I authorise %(provider)s to debit amounts that I order later through "
            "%(creditor)s (creditor ID %(creditor_id)s), announced by e-mail on the day itself.",
            **names,
        )
    )


def full_text(kind: Kind) -> str:
    """Short text, pre-notification, how to withdraw and the payer's rights: what the record keeps."""
    provider = settings().provider
    return " ".join(
        [
            short_text(kind),
            gettext(
                "We announce each direct debit by e-mail on the day we send it to the bank, with its amount, "
                "date and mandate reference; you agree that this notice may be shorter than 14 days."
            ),
            gettext(
                "You can have a direct debit returned by your bank within 8 weeks, and you can withdraw this "
                "authorisation at any time under Payment methods or by writing to %(email)s.",
                email=provider.support_email,
            ),
        ]
    )


def record(
    customer_id: int,
    kind: Kind,
    given_by: GivenBy,
    *,
    threshold_micros: int | None = None,
    amount_micros: int | None = None,
    target_micros: int | None = None,
    monthly_maximum_micros: int | None = None,
    calendar_micros: int | None = None,
) -> Consent:
    """Keep a consent in the words of the current language. In a unit of work."""
    provider = settings().provider
    consent = Consent(
        customer_id=customer_id,
        consent_id=new_public_id("co", customer_id),
        kind=kind,
        text_version=TEXT_VERSION,
        text=full_text(kind),
        locale=current_locale(),
        creditor_name=provider.creditor_name,
        creditor_id=provider.creditor_id,
        ip_address=given_by.ip_address,
        user_id=given_by.user_id,
        api_key_id=given_by.api_key_id,
        threshold_micros=threshold_micros,
        amount_micros=amount_micros,
        target_micros=target_micros,
        monthly_maximum_micros=monthly_maximum_micros,
        calendar_micros=calendar_micros,
        given_at=utc_now(),
    )
    db.session.add(consent)
    db.session.flush()
    return consent


def consent_of(row: AutoTopUp) -> Consent | None:
    """The consent that the rule stands on."""
    return db.session.get(Consent, (row.customer_id, row.consent_id)) if row.consent_id else None


def covers(
    consent: Consent | None,
    *,
    threshold_micros: int,
    amount_micros: int | None,
    target_micros: int | None,
    monthly_maximum_micros: int,
    calendar_micros: int | None,
) -> bool:
    """Whether what was agreed to before allows these amounts too: nothing may be higher than it was."""
    if consent is None or consent.text_version != TEXT_VERSION:
        return False
    if (consent.amount_micros is None) != (amount_micros is None):
        return False
    return (
        threshold_micros <= (consent.threshold_micros or 0)
        and (amount_micros or 0) <= (consent.amount_micros or 0)
        and (target_micros or 0) <= (consent.target_micros or 0)
        and monthly_maximum_micros <= (consent.monthly_maximum_micros or 0)
        and (calendar_micros or 0) <= (consent.calendar_micros or 0)
    )

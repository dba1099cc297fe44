"""How a movement is called when a customer reads it; a kind that has no words yet is called a movement."""

from dataclasses import dataclass
from typing import Final

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from app.clock import utc_now
from app.i18n import day, local_date, long_day, moment
from app.ledger.statement import USAGE, Movement
from app.money import MICROS_PER_CENT

WORDS: Final[dict[str, LazyString]] = {
    "usage": lazy_gettext("Usage"),
    "top_up": lazy_gettext("Topped up"),
    "provisional": lazy_gettext("Provisionally credited"),
    "provisional_reversal": lazy_gettext("Provisional credit replaced"),
    "transfer_returned": lazy_gettext("Bank transfer taken back"),
    "refund": lazy_gettext("Refund"),
    "refund_failed": lazy_gettext("Refund not carried out"),
    "chargeback": lazy_gettext("Chargeback"),
    "chargeback_reversed": lazy_gettext("Chargeback reversed"),
    "grant": lazy_gettext("Promotional credit received"),
    "grant_expired": lazy_gettext("Promotional credit expired"),
    "charge": lazy_gettext("Charge beside usage"),
    "rounding": lazy_gettext("Rounding to the invoice"),
    "separate_charge": lazy_gettext("Invoice beside usage"),
    "separate_credits": lazy_gettext("Credits used"),
    "separate_due": lazy_gettext("Moved to the invoice, to be paid"),
    "invoice_due": lazy_gettext("Moved to the invoice, to be paid"),
    "invoice_paid": lazy_gettext("Invoice paid"),
    "invoice_reopened": lazy_gettext("Invoice payment taken back"),
    "credits_used": lazy_gettext("Credits used"),
    "credits_to_balance": lazy_gettext("Credits moved to the balance"),
    "correction": lazy_gettext("Correction"),
    "adjustment": lazy_gettext("Correction"),
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """A movement in words, ready for a row of a table."""

    movement: Movement
    when: str
    label: str
    amount_micros: int
    balance_micros: int
    note: str | None = None
    url: str | None = None
    tag: tuple[str, str] | None = None


def describe(movement: Movement) -> Described:
    """Usage says its day, for it is added up; everything else its moment."""
    today = local_date(utc_now())
    if movement.kind == USAGE and movement.day != today:
        when = day(movement.day) if movement.day.year == today.year else long_day(movement.day)
    else:
        when = moment(movement.at)
    return Described(
        movement=movement,
        when=when,
        label=str(WORDS[movement.kind]) if movement.kind in WORDS else gettext("Movement"),
        amount_micros=movement.amount_micros,
        balance_micros=movement.balance_micros,
    )


def worth_telling(movements: tuple[Movement, ...]) -> tuple[Movement, ...]:
    """Without roundings to an invoice that read as nothing: they move less than half a cent."""
    return tuple(m for m in movements if m.kind != "rounding" or abs(m.amount_micros) * 2 >= MICROS_PER_CENT)


def described(movements: tuple[Movement, ...]) -> list[Described]:
    return [describe(movement) for movement in worth_telling(movements)]

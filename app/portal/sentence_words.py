"""The words of the first sentence, and the one button that mends what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from flask_babel import format_date, gettext, ngettext

from app.i18n import day, money
from app.portal.links import link
from app.portal.sentence import Facts, Kind, Matter, matter_of


@dataclass(frozen=True)
class Sentence:
    kind: Kind
    text: str
    url: str | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Gravest:
    """The invoice that is due first, as far as the sentence names it."""

    number: str
    amount_micros: int
    due_on: date
    pay_url: str | None
    is_request: bool = False


def sentence_of(facts: Facts, available_micros: int, first_due: Gravest | None) -> Sentence:
    kind, matter = matter_of(facts)
    text = _words(facts, available_micros, first_due)[matter]()
    url, label = _button(matter, first_due)
    return Sentence(kind, text, url, label if url else None)


def weekday(when: date) -> str:
    """Such as "donderdag 26 november" or "Thursday 26 November"."""
    return str(format_date(when, "EEEE d MMMM"))


def _words(facts: Facts, available_micros: int, first_due: Gravest | None) -> dict[Matter, Callable[[], str]]:
    due = first_due or Gravest(number="", amount_micros=0, due_on=date.min, pay_url=None)
    return {
        "suspended": lambda: gettext("Your account is suspended. Pay what is open, or get in touch with us."),
        "overdue": lambda: _overdue(due),
        "paused": lambda: gettext("Automatic top-up is paused. See why, and resume it once that is fixed."),
        "no_method": lambda: gettext("Automatic top-up cannot charge any of your payment methods."),
        "begin": lambda: gettext("Welcome. Three steps and your balance is at work."),
        "under_way": lambda: gettext(
            "Your balance is low: %(left)s left. %(amount)s is on its way.",
            left=money(available_micros),
            amount=money(facts.in_flight_micros),
        ),
        "exhausted": lambda: gettext("Your balance is used up. Top up to keep using the service."),
        "low": lambda: gettext("Your balance is low: %(left)s left.", left=money(available_micros)),
        "nearly": lambda: gettext("Your balance lasts less than a day at the pace of the last week."),
        "due": lambda: _due(due),
        "next_top_up": lambda: gettext(
            "All is well. We expect the next automatic top-up around %(day)s.",
            day=weekday(facts.next_top_up_on or date.min),
        ),
        "lasts": lambda: ngettext(
            "All is well. Your balance lasts about %(num)s day.",
            "All is well. Your balance lasts about %(num)s days.",
            facts.lasts_days or 0,
        ),
        "well": lambda: gettext("All is well."),
    }


def _overdue(due: Gravest) -> str:
    facts = {"number": due.number, "amount": money(due.amount_micros), "day": day(due.due_on)}
    text = gettext("Invoice %(number)s is overdue: %(amount)s should have been paid before %(day)s.", **facts)
    if due.is_request:
        text = gettext(
            "Payment request %(number)s is overdue: %(amount)s should have been paid before %(day)s.", **facts
        )
    return str(text)


def _due(due: Gravest) -> str:
    facts = {"number": due.number, "amount": money(due.amount_micros), "day": day(due.due_on)}
    text = gettext("Invoice %(number)s is open: please pay %(amount)s before %(day)s.", **facts)
    if due.is_request:
        text = gettext("Payment request %(number)s is open: please pay %(amount)s before %(day)s.", **facts)
    return str(text)


_PAY: Final = ("overdue", "due")
# Topping up needs no button here: it stands in the head of the page already.
_PAGES: Final[dict[Matter, str]] = {
    "suspended": "invoicing.invoices",
    "paused": "topups.auto_top_up",
    "no_method": "topups.payment_methods",
}


def _button(matter: Matter, first_due: Gravest | None) -> tuple[str | None, str | None]:
    if matter in _PAY and first_due is not None:
        return first_due.pay_url, gettext("Pay %(amount)s", amount=money(first_due.amount_micros))
    labels = {
        "invoicing.invoices": gettext("To the invoices"),
        "topups.auto_top_up": gettext("Automatic top-up"),
        "topups.payment_methods": gettext("Add payment method"),
    }
    page = _PAGES.get(matter)
    return (link(page), labels[page]) if page else (None, None)

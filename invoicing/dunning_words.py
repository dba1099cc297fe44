"""What dunning says: subjects, letters and lines of the history, in the language in force."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from app.i18n import long_day, money
from invoicing.dunning import Step
from invoicing.wording import cents_text, gettext

STEPS: Final[dict[Step, LazyString]] = {
    Step.UPCOMING: lazy_gettext("Said that it falls due soon"),
    Step.REMINDER: lazy_gettext("Reminder sent"),
    Step.SECOND_REMINDER: lazy_gettext("Second reminder sent"),
    Step.LATE_FEE: lazy_gettext("Fee for paying late charged"),
    Step.FINAL_DEMAND: lazy_gettext("Final demand sent"),
    Step.SUSPENSION: lazy_gettext("Account suspended"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a letter tells. `fee_cents`: the fee it charges, or that may come from `fee_on`.

    `then_on`: when the next thing comes; None when nothing does.
    """

    step: Step
    number: str
    outstanding_micros: int
    due_date: date
    is_consumer: bool
    fee_cents: int = 0
    fee_on: date | None = None
    then_on: date | None = None
    # It asks for the money of a payment request, which is no invoice yet.
    is_request: bool = False


def subject(letter: Letter) -> str:
    return _subject_of_request(letter) if letter.is_request else _subject_of_invoice(letter)


def _subject_of_invoice(letter: Letter) -> str:
    number = letter.number
    if letter.step is Step.UPCOMING:
        return gettext(
            "Invoice %(number)s is to be paid by %(date)s", number=number, date=long_day(letter.due_date)
        )
    if letter.step is Step.REMINDER:
        return gettext("Reminder: invoice %(number)s is unpaid", number=number)
    if letter.step is Step.SECOND_REMINDER:
        return gettext("Second reminder: invoice %(number)s", number=number)
    if letter.step is Step.LATE_FEE:
        return gettext(
            "Invoice %(number)s: a fee of %(fee)s for paying late",
            number=number,
            fee=cents_text(letter.fee_cents),
        )
    if letter.step is Step.FINAL_DEMAND:
        return gettext("Final demand: invoice %(number)s", number=number)
    return gettext("Your account is suspended: invoice %(number)s is unpaid", number=number)


def _subject_of_request(letter: Letter) -> str:
    number = letter.number
    if letter.step is Step.UPCOMING:
        day = long_day(letter.due_date)
        return gettext("Payment request %(number)s is to be paid by %(date)s", number=number, date=day)
    if letter.step is Step.REMINDER:
        return gettext("Reminder: payment request %(number)s is unpaid", number=number)
    if letter.step is Step.SECOND_REMINDER:
        return gettext("Second reminder: payment request %(number)s", number=number)
    if letter.step is Step.LATE_FEE:
        fee = cents_text(letter.fee_cents)
        return gettext("Payment request %(number)s: a fee of %(fee)s for paying late", number=number, fee=fee)
    if letter.step is Step.FINAL_DEMAND:
        return gettext("Final demand: payment request %(number)s", number=number)
    return gettext("Your account is suspended: payment request %(number)s is unpaid", number=number)


def paragraphs(letter: Letter) -> list[str]:
    """The letter's sentences: what is so, and what happens next."""
    amount, due = money(letter.outstanding_micros), long_day(letter.due_date)
    facts = {"number": letter.number, "amount": amount, "date": due}
    if letter.step is Step.UPCOMING:
        return [
            gettext("Payment request %(number)s of %(amount)s is to be paid by %(date)s.", **facts)
            if letter.is_request
            else gettext("Invoice %(number)s of %(amount)s is to be paid by %(date)s.", **facts),
            *_before_a_reminder(letter),
            gettext("Have you paid already? Then you don't need to do anything."),
        ]
    unpaid = gettext(
        "Invoice %(number)s was to be paid by %(date)s. %(amount)s of it is still unpaid.", **facts
    )
    if letter.is_request:
        unpaid = gettext(
            "Payment request %(number)s was to be paid by %(date)s. %(amount)s of it is still unpaid.",
            **facts,
        )
    if letter.step is Step.REMINDER:
        return [
            unpaid,
            *_before_a_second(letter),
            gettext("Have you paid already? Then you don't need to do anything."),
        ]
    if letter.step is Step.SECOND_REMINDER:
        return [unpaid, *_before_a_fee(letter)]
    if letter.step is Step.LATE_FEE:
        return [
            gettext(
                "Because payment request %(number)s was not paid in time, we charge a fee of %(fee)s, "
                "without VAT.",
                number=letter.number,
                fee=cents_text(letter.fee_cents),
            )
            if letter.is_request
            else gettext(
                "Because invoice %(number)s was not paid in time, we charge a fee of %(fee)s, without VAT.",
                number=letter.number,
                fee=cents_text(letter.fee_cents),
            ),
            gettext("Together %(amount)s is now to be paid.", amount=amount),
            *_before_a_demand(letter),
        ]
    if letter.step is Step.FINAL_DEMAND:
        return [unpaid, _before_suspension(letter)]
    return [
        unpaid,
        gettext(
            "Your account is suspended: new use is refused. As soon as your payment arrives, that ends "
            "by itself."
        ),
    ]


def _before_a_reminder(letter: Letter) -> list[str]:
    if letter.then_on is None:
        return []
    then_on = long_day(letter.then_on)
    if letter.fee_on is None:
        return [gettext("If it is not paid by then, you get a reminder on %(date)s.", date=then_on)]
    return [
        gettext(
            "If it is not paid by then, you get a reminder on %(date)s; from %(fee_date)s at the earliest, "
            "we charge a fee of %(fee)s, without VAT.",
            date=then_on,
            fee_date=long_day(letter.fee_on),
            fee=cents_text(letter.fee_cents),
        )
    ]


def _before_a_second(letter: Letter) -> list[str]:
    if letter.then_on is None:
        return []
    then_on = long_day(letter.then_on)
    if letter.fee_on is None:
        return [gettext("If it is still unpaid on %(date)s, you get a second reminder.", date=then_on)]
    return [
        gettext(
            "If it is still unpaid on %(date)s, you get a second reminder; from %(fee_date)s at the "
            "earliest, we charge a fee of %(fee)s, without VAT.",
            date=then_on,
            fee_date=long_day(letter.fee_on),
            fee=cents_text(letter.fee_cents),
        )
    ]


def _before_a_demand(letter: Letter) -> list[str]:
    if letter.then_on is None:
        return []
    return [
        gettext("If it is still unpaid on %(date)s, you get a final demand.", date=long_day(letter.then_on))
    ]


def _before_a_fee(letter: Letter) -> list[str]:
    if not letter.fee_cents or letter.then_on is None:
        return [gettext("Please pay within 14 days."), *_before_a_demand(letter)]
    fee, then_on = cents_text(letter.fee_cents), long_day(letter.then_on)
    if letter.is_consumer:
        return [
            gettext(
                "You have 14 days, from the day after you receive this message, to pay without extra cost. "
                "If it is not paid by then, we charge collection costs of %(fee)s from %(date)s, "
                "without VAT.",
                fee=fee,
                date=then_on,
            )
        ]
    return [
        gettext(
            "If it is not paid before %(date)s, we charge a fee of %(fee)s, without VAT.",
            fee=fee,
            date=then_on,
        )
    ]


def _before_suspension(letter: Letter) -> str:
    if letter.then_on is None:
        return gettext("Pay at once, to prevent further measures.")
    return gettext(
        "If it is not paid before %(date)s, we suspend your account: new use is refused from then on.",
        date=long_day(letter.then_on),
    )

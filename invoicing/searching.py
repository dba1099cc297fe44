"""Finding documents by what a reader remembers of them: number, amount, month or day, reference, order.

What was typed is read as terms, each of which a document has to meet in one way or another. Reading is pure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final

from babel import Locale
from sqlalchemy import ColumnElement, and_, func, or_, select

from app.customers.models import Customer
from app.i18n import LANGUAGES
from invoicing import references
from invoicing.models import OUTSTANDING_MICROS, Invoice, InvoiceLine, is_named
from topups.amounts import parse_amount

MOST_TERMS: Final = 8
_DAY: Final = timedelta(days=1)
_ISO: Final = re.compile(r"(?P<year>(?:19|20)\d\d)(?:[-/](?P<month>\d{1,2})(?:[-/](?P<day>\d{1,2}))?)?")
_LOCAL: Final = re.compile(r"(?:(?P<day>\d{1,2})[-/])?(?P<month>\d{1,2})[-/](?P<year>(?:19|20)\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing that was typed and what it may mean; `days`: from the first to before the last."""

    text: str
    number: str | None = None
    cents: tuple[int, int] | None = None
    days: tuple[date, date] | None = None
    month: int | None = None


def terms_of(text: str) -> list[Term]:
    """What a search says, such as "october 2026", "€ 42,40", "F2026-000018", "RF82 F202 6000 018 "."""
    named = references.invoice_number_of(text)
    if named is not None:
        return [Term(text=text.strip(), number=named)]
    words = text.replace("€", " ").split()
    return [_term(word) for word in _joined(words)][:MOST_TERMS]


def condition(term: Term, *, by_customer: bool) -> ColumnElement[bool]:
    """What a document meets; `by_customer`: also by whose it is, else by what stands in it."""
    if term.number is not None:
        return is_named([term.number])
    numbers = (Invoice.number, Invoice.request_number, Invoice.original_number)
    ways = [number.icontains(term.text, autoescape=True) for number in numbers]
    ways += [_of_customer(term.text)] if by_customer else _in_the_document(term.text)
    if term.cents is not None:
        least, most = term.cents
        ways += [
            Invoice.total_cents.between(least, most),
            Invoice.due_cents.between(least, most),
            OUTSTANDING_MICROS.between(least * 10_000, most * 10_000 + 9_999),
        ]
    if term.days is not None:
        ways.append(_about(*term.days))
    if term.month is not None:
        ways.append(func.extract("month", Invoice.period_start) == term.month)
    return or_(*ways)


def _in_the_document(text: str) -> list[ColumnElement[bool]]:
    """The customer's own order, or what was billed, in whichever language."""
    names = [InvoiceLine.names[language].astext for language in LANGUAGES]
    billed = or_(*(name.icontains(text, autoescape=True) for name in names))
    return [
        Invoice.buyer["purchase_order"].astext.icontains(text, autoescape=True),
        Invoice.lines.any(billed),
    ]


def _of_customer(text: str) -> ColumnElement[bool]:
    mine = select(Customer.customer_id).where(
        Customer.name.icontains(text, autoescape=True) | Customer.reference.icontains(text, autoescape=True)
    )
    return Invoice.customer_id.in_(mine)


def _about(first: date, end: date) -> ColumnElement[bool]:
    """A month or a year names the period that was billed; a day that of the document, or by which to pay."""
    if end - first == _DAY:
        return or_(Invoice.issue_date == first, Invoice.due_date == first)
    return and_(Invoice.period_start < end, Invoice.period_end > first)


def _joined(words: list[str]) -> Iterator[str]:
    """The words; a month's name goes with the year and the day beside it, as "18-11-2026"."""
    left = list(words)
    while left:
        word = left.pop(0)
        month = _month(word)
        if month and left and _is_year(left[0]):
            yield f"{month}-{left.pop(0)}"
        elif len(left) > 1 and word.isdecimal() and _month(left[0]) and _is_year(left[1]):
            yield f"{word}-{_month(left.pop(0))}-{left.pop(0)}"
        else:
            yield word


def _term(word: str) -> Term:
    return Term(
        text=word,
        number=references.invoice_number_of(word),
        cents=_cents(word),
        days=_days(word),
        month=_month(word),
    )


def _cents(word: str) -> tuple[int, int] | None:
    """An amount; of one in whole euros whatever its cents are."""
    micros = parse_amount(word.lstrip("-−"))
    if micros is None:
        return None
    cents = micros // 10_000
    return (cents, cents) if re.search(r"[.,]\d{1,2}$", word) else (cents, cents + 99)


def _days(word: str) -> tuple[date, date] | None:
    """A year, a month of one or a day: "2026", "2026-10", "10-2026", "18-10-2026"."""
    found = _ISO.fullmatch(word) or _LOCAL.fullmatch(word)
    if found is None:
        return None
    year, month, day = (int(found[part] or 0) for part in ("year", "month", "day"))
    try:
        if day:
            return date(year, month, day), date(year, month, day) + _DAY
        if month:
            return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
    except ValueError:
        return None
    return date(year, 1, 1), date(year + 1, 1, 1)


def _is_year(word: str) -> bool:
    return bool(re.fullmatch(r"(19|20)\d\d", word))


def _month(word: str) -> int | None:
    return _months().get(word.lower().rstrip("."))


@cache
def _months() -> Mapping[str, int]:
    """The names of the months in both languages, whole and short: a document may be in either."""
    found: dict[str, int] = {}
    for language in LANGUAGES:
        names = Locale(language).months["format"]
        for width in ("wide", "abbreviated"):
            found |= {name.lower().rstrip("."): month for month, name in names[width].items()}
    return found

"""How an invoice speaks: descriptions, units, prices, rates and periods in the reader's language.

Works in whatever locale is in force; figures and texts come from the frozen document, never from meters.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from babel.dates import format_date
from flask_babel import gettext as untyped_gettext
from flask_babel import lazy_gettext
from flask_babel import ngettext as untyped_ngettext
from flask_babel.speaklater import LazyString

from app.i18n import current_locale, long_day, money, number, translations_of, unit_price
from app.money import micros_of_cents
from invoicing.lines import MILLION, THOUSAND
from invoicing.models import CREDIT_NOTE, Invoice, InvoiceLine, InvoiceTax
from invoicing.tax import Category

_BABEL_LOCALES: Final = {"nl": "nl_NL", "en": "en_GB"}
# Units that people count in words; any other (GB, kWh, m³) is written as the meter names it.
_UNITS: Final[dict[str, tuple[LazyString, LazyString]]] = {
    "token": (lazy_gettext("token"), lazy_gettext("tokens")),
    "request": (lazy_gettext("request"), lazy_gettext("requests")),
    "call": (lazy_gettext("call"), lazy_gettext("calls")),
    "message": (lazy_gettext("message"), lazy_gettext("messages")),
    "minute": (lazy_gettext("minute"), lazy_gettext("minutes")),
    "hour": (lazy_gettext("hour"), lazy_gettext("hours")),
    "second": (lazy_gettext("second"), lazy_gettext("seconds")),
    "day": (lazy_gettext("day"), lazy_gettext("days")),
    "page": (lazy_gettext("page"), lazy_gettext("pages")),
    "image": (lazy_gettext("image"), lazy_gettext("images")),
    "user": (lazy_gettext("user"), lazy_gettext("users")),
    "event": (lazy_gettext("event"), lazy_gettext("events")),
    "unit": (lazy_gettext("unit"), lazy_gettext("units")),
}


def gettext(text: str, **values: object) -> str:
    """Flask-Babel's gettext, which says nothing of its types."""
    return str(untyped_gettext(text, **values))


def ngettext(singular: str, plural: str, num: int, **values: object) -> str:
    return str(untyped_ngettext(singular, plural, num, **values))


def exact(value: Decimal) -> Decimal:
    """The same number without the zeros a database column adds."""
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def cents_text(cents: int) -> str:
    return money(micros_of_cents(cents))


def less_text(cents: int) -> str:
    """An amount that is taken off: "− € 4,13"."""
    return f"− {cents_text(cents)}" if cents >= 0 else cents_text(-cents)


def title(invoice: Invoice) -> str:
    if invoice.is_request:
        return gettext("Payment request")
    return gettext("Credit note") if invoice.kind == CREDIT_NOTE else gettext("Invoice")


def rate_text(percent: Decimal) -> str:
    return f"{number(exact(percent))}%"


def big_number(value: Decimal) -> str:
    """A number such as "10 million" where that is exact, else the number."""
    millions = value / MILLION
    if millions >= 1 and millions == millions.to_integral_value():
        return gettext("%(number)s million", number=number(exact(millions)))
    return number(exact(value))


def meter_name(line: InvoiceLine) -> str:
    return translations_of(line.names)


def name_with_dimensions(line: InvoiceLine) -> str:
    name = meter_name(line)
    return f"{name} ({', '.join(line.dimensions.values())})" if line.dimensions else name


def description(line: InvoiceLine) -> str:
    """What the line is for: the meter's name, its dimensions and the tier."""
    name = name_with_dimensions(line)
    if line.kind == "correction":
        month = month_and_year(date.fromisoformat(line.correction_of or ""))
        return gettext("%(name)s, correction of %(period)s", name=name, period=month)
    if line.supplied_from is not None and line.supplied_until is not None:
        return f"{name}, {days_text(line.supplied_from, line.supplied_until)}"
    tier = tier_text(line)
    if tier:
        name = gettext("%(name)s, %(tier)s", name=name, tier=tier)
    if line.kind == "flat":
        return gettext("%(name)s, fixed amount", name=name)
    if line.kind == "events":
        return gettext("%(name)s, fixed amount each", name=name)
    if line.kind == "packages":
        return gettext("%(name)s, packages", name=name)
    return name


def tier_text(line: InvoiceLine) -> str:
    above, up_to = line.tier_above, line.tier_up_to
    if above is None and up_to is None:
        return ""
    if up_to is None:
        return gettext("above %(quantity)s", quantity=big_number(above or Decimal(0)))
    if above is None:
        return gettext("first %(quantity)s", quantity=big_number(up_to))
    return gettext("from %(above)s to %(up_to)s", above=big_number(above), up_to=big_number(up_to))


def unit_text(unit: str, quantity: Decimal) -> str:
    """The unit in words, singular or plural."""
    known = _UNITS.get(unit.lower())
    return str(known[quantity != 1]) if known else unit


def quantity_text(line: InvoiceLine) -> str:
    return value_text(line) if line.kind == "value" else number(exact(line.quantity))


def value_text(line: InvoiceLine) -> str:
    """The value that a percentage is taken of, as money."""
    return unit_price(exact(line.quantity))


def price_text(line: InvoiceLine) -> str:
    """The price as stated: "€ 0,001", "€ 2,00 / mln", "2,5%"."""
    if line.kind == "value":
        return rate_text(line.unit_price * 100)
    price = unit_price(exact(line.unit_price * line.price_base))
    if line.price_base == MILLION:
        return gettext("%(price)s / million", price=price)
    if line.price_base == THOUSAND:
        return gettext("%(price)s / 1,000", price=price)
    return price


def price_sentence(line: InvoiceLine) -> str:
    """The price as in "at €2.00 per million", for a line of running text."""
    price = unit_price(exact(line.unit_price * line.price_base))
    if line.kind == "value":
        return gettext("at %(price)s", price=rate_text(line.unit_price * 100))
    if line.price_base == MILLION:
        return gettext("at %(price)s per million", price=price)
    if line.price_base == THOUSAND:
        return gettext("at %(price)s per 1,000", price=price)
    return gettext("at %(price)s", price=price)


def exact_amount(line: InvoiceLine) -> str:
    """Quantity times price before it was rounded."""
    return unit_price(exact(line.quantity * line.unit_price))


def last_day(period_end: date) -> date:
    return period_end - timedelta(days=1)


def period_text(start: date, end: date) -> str:
    """The days, such as "1–31 October 2026", or "15 October 2026 – 14 November 2026"."""
    last = last_day(end)
    if (start.year, start.month) != (last.year, last.month):
        return f"{long_day(start)} – {long_day(last)}"
    return long_day(last) if last == start else f"{start.day}–{long_day(last)}"


def days_text(first: date, last: date) -> str:
    """Days, the last one included: "1 November 2026 – 31 January 2027"."""
    return period_text(first, last + timedelta(days=1))


def days_covered(invoice: Invoice) -> tuple[date, date]:
    """From the first to the last day that a document or any of its lines is for, both included."""
    starts = [line.supplied_from for line in invoice.lines if line.supplied_from]
    ends = [line.supplied_until for line in invoice.lines if line.supplied_until]
    return min([invoice.period_start, *starts]), max([last_day(invoice.period_end), *ends])


def month_text(start: date) -> str:
    return str(format_date(start, "MMMM", locale=_BABEL_LOCALES[current_locale()]))


def month_and_year(start: date) -> str:
    return str(format_date(start, "MMMM y", locale=_BABEL_LOCALES[current_locale()]))


def tax_label(tax: InvoiceTax) -> str:
    if tax.category == Category.REVERSE_CHARGE:
        return gettext("VAT reverse-charged")
    if tax.category == Category.OUTSIDE_SCOPE:
        return gettext("No VAT")
    return gettext("VAT %(rate)s", rate=rate_text(tax.percent))


def line_rate(line: InvoiceLine) -> str:
    """What stands in the VAT column of a line."""
    if line.tax_category == Category.REVERSE_CHARGE:
        return gettext("reverse-charged")
    return "–" if line.tax_category == Category.OUTSIDE_SCOPE else rate_text(line.tax_percent)


def tax_notes(invoice: Invoice) -> list[str]:
    """The sentences that the law wants where no VAT, or another country's, is charged."""
    notes = []
    categories = {tax.category for tax in invoice.taxes}
    abroad = invoice.buyer.get("country") != invoice.seller.get("country")
    if Category.REVERSE_CHARGE in categories and not abroad:
        notes.append(
            gettext(
                "VAT reverse-charged to the buyer, VAT number %(number)s "
                "(domestic reverse charge for telecommunications services).",
                number=invoice.buyer.get("vat_number") or "–",
            )
        )
    elif Category.REVERSE_CHARGE in categories:
        notes.append(
            gettext(
                "VAT reverse-charged to the buyer, VAT number %(number)s "
                "(art. 44 and 196, Directive 2006/112/EC).",
                number=invoice.buyer.get("vat_number") or "–",
            )
        )
    if Category.OUTSIDE_SCOPE in categories:
        notes.append(gettext("Service supplied outside the European Union: not subject to EU VAT."))
    if abroad and Category.STANDARD in categories:
        notes.append(gettext("VAT of the customer's country, declared through the One-Stop Shop."))
    return notes


def credited_sentence(note: Invoice) -> str:
    """Where a credit note's money went."""
    if note.prepaid_cents:
        return gettext("This amount has been added to your balance. You don't need to do anything.")
    if not note.offset_cents:
        return gettext("This amount is yours as credits, and is settled with your next invoice.")
    if not note.to_credits_cents:
        return gettext("This amount has been settled with what you had to pay.")
    return gettext(
        "%(offset)s has been settled with what you had to pay; %(left)s is yours as credits, and is settled "
        "with your next invoice.",
        offset=cents_text(note.offset_cents),
        left=cents_text(note.to_credits_cents),
    )


def bills_fees(invoice: Invoice) -> bool:
    """Whether part of it was paid beside the balance: fees, with the payments that bore them."""
    return any(line.kind == "fees" for line in invoice.lines)


def balance_title(invoice: Invoice) -> str:
    """What stands above the balance block: a month by its name, a part of one by its days."""
    start, end = invoice.period_start, invoice.period_end
    if start.day == 1 and end.day == 1:
        return gettext("Your balance in %(month)s", month=month_text(start))
    return gettext("Your balance, %(period)s", period=period_text(start, end))


def settled_sentence(invoice: Invoice) -> str:
    """What paid for the part that is not due; empty when nothing did."""
    paid = invoice.credits_used_cents + invoice.prepaid_cents
    amount = cents_text(paid)
    if paid <= 0:
        return ""
    if bills_fees(invoice):
        return gettext("%(amount)s has been paid already.", amount=amount)
    if invoice.credits_used_cents and invoice.prepaid_cents > 0:
        return gettext("%(amount)s has been paid from your balance and credits.", amount=amount)
    if invoice.credits_used_cents:
        return gettext("%(amount)s has been paid with your credits.", amount=amount)
    return gettext("%(amount)s has been paid from your balance.", amount=amount)


def lines_count_text(count: int) -> str:
    return ngettext("%(num)s line", "%(num)s lines", count)


BALANCE_ROWS: Final[tuple[tuple[str, LazyString], ...]] = (
    ("opening", lazy_gettext("Opening balance")),
    ("top_ups", lazy_gettext("Topped up")),
    ("promotional", lazy_gettext("Promotional credit")),
    ("usage", lazy_gettext("Usage incl. VAT")),
    ("charges", lazy_gettext("Other charges incl. VAT")),
    ("credits", lazy_gettext("From credits")),
    ("moved_credits", lazy_gettext("Credits moved to the balance")),
    ("invoiced", lazy_gettext("To be paid by invoice")),
    ("settled", lazy_gettext("Invoices paid")),
    ("other", lazy_gettext("Other movements")),
    ("closing", lazy_gettext("Closing balance")),
)


def balance_rows(invoice: Invoice) -> list[tuple[str, int]]:
    """The balance block: label and micros; rows of nothing are left out, opening and closing never."""
    always = {"opening", "closing"}
    block = invoice.balance
    return [(str(label), block.get(key, 0)) for key, label in BALANCE_ROWS if block.get(key) or key in always]

"""A document on paper: cut into pages in Python, since the renderer repeats no heads and counts no pages.

Page 1 is the whole answer: who, what, how much, what is due. Where the lines do not fit there, it shows one
line per meter, and all lines follow. The last pages specify each amount before it was rounded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

import segno
from flask import render_template
from flask_babel import gettext
from markupsafe import Markup
from segno import helpers as segno_codes

from app.config import settings
from app.i18n import in_locale
from invoicing import wording
from invoicing.document_links import url_of
from invoicing.models import Invoice, InvoiceLine
from invoicing.references import reference_of, spaced

T = TypeVar("T")

# Rows of text that a page has room for, totals included on the first; a description longer than a row
# takes more of them, a note as much as two.
ROWS_ON_FIRST_PAGE: Final = 17
ROWS_ON_NEXT_PAGES: Final = 26
LETTERS_PER_ROW: Final = 40
# The box with the ways to pay is taller than the one that asks for nothing.
ROWS_OF_PAYMENT_BOX: Final = 2


@dataclass(frozen=True, slots=True)
class PaperLine:
    """One row of the table, in words."""

    text: str
    quantity: str
    unit: str
    price: str
    rate: str
    amount: str


@dataclass(frozen=True, slots=True)
class Paid:
    """When an invoice was paid, and how in the reader's words: what its paid copy says."""

    at: datetime
    method: str


def html_of(invoice: Invoice, paid: Paid | None = None) -> str:
    """The document as HTML in its own language, ready to be printed; everything of the customer's escaped.

    A paid copy says that it was paid, and asks for nothing.
    """
    asks = bool(invoice.asked_cents) and paid is None
    document_url = url_of(invoice)
    with in_locale(invoice.locale):
        lines = first_page_lines(invoice)
        details = list(
            cut(invoice.lines, ROWS_ON_NEXT_PAGES, lambda line: rows_of(wording.description(line)))
        )
        return render_template(
            "invoicing/invoice_pdf.html",
            invoice=invoice,
            seller=invoice.seller,
            buyer=invoice.buyer,
            lines=lines,
            details=details,
            page_count=1 + len(details),
            document_url=document_url,
            member_url=f"{settings().public_url.rstrip('/')}/invoices/{invoice.number}",
            pay_code=qr_code(document_url) if asks else None,
            bank_code=epc_code(invoice) if asks else None,
            reference=spaced(reference_of(invoice.first_name, invoice.buyer["country"])) if asks else None,
            paid=paid,
            colour=settings().provider.brand_colour,
            w=wording,
        )


def first_page_lines(invoice: Invoice) -> list[PaperLine]:
    """All lines if they fit, else a line per meter, else the first meters and the rest together."""
    sums = 4 + len(invoice.taxes) + bool(invoice.discount_cents) + bool(invoice.credits_used_cents)
    sums += bool(invoice.paid_first_cents)
    notes = len(wording.tax_notes(invoice)) + bool(invoice.reason) + invoice.is_request
    room = (
        ROWS_ON_FIRST_PAGE
        - (2 if invoice.due_cents else 0)
        - max(sums, len(wording.balance_rows(invoice)) - 1)
        - 2 * notes
    )
    lines = [_paper_line(line) for line in invoice.lines]
    if _fits(lines, room):
        return lines
    meters: dict[tuple[str, str], list[InvoiceLine]] = {}
    for line in invoice.lines:
        meters.setdefault((line.meter, wording.line_rate(line)), []).append(line)
    rows = [_meter_line(rate, lines) for (_, rate), lines in meters.items()]
    if _fits(rows, room):
        return rows
    shown = next(cut(rows, room - 1, lambda row: rows_of(row.text)))
    others = [line for group in list(meters.values())[len(shown) :] for line in group]
    return [*shown, _sum_line(gettext("Other services, see the specification"), "", others)]


def _fits(lines: Sequence[PaperLine], room: int) -> bool:
    return sum(rows_of(line.text) for line in lines) <= room


def rows_of(text: str) -> int:
    """How many rows a description takes."""
    return max(1, -(-len(text) // LETTERS_PER_ROW))


def _paper_line(line: InvoiceLine) -> PaperLine:
    return PaperLine(
        text=wording.description(line),
        quantity=wording.quantity_text(line),
        unit=wording.unit_text(line.unit, line.quantity),
        price=wording.price_text(line),
        rate=wording.line_rate(line),
        amount=wording.cents_text(line.net_cents),
    )


def _meter_line(rate: str, lines: list[InvoiceLine]) -> PaperLine:
    return _paper_line(lines[0]) if len(lines) == 1 else _sum_line(wording.meter_name(lines[0]), rate, lines)


def _sum_line(text: str, rate: str, lines: list[InvoiceLine]) -> PaperLine:
    count = wording.lines_count_text(len(lines))
    return PaperLine(text, count, "", "", rate, wording.cents_text(sum(line.net_cents for line in lines)))


def cut(items: Sequence[T], room: int, height: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in pages of at most `room` rows; an item taller than a page has one of its own."""
    page: list[T] = []
    used = 0
    for item in items:
        rows = height(item)
        if page and used + rows > room:
            yield page
            page, used = [], 0
        page.append(item)
        used += rows
    if page:
        yield page


def qr_code(text: str) -> Markup:
    """A QR code of our own URL as inline SVG."""
    return _drawn(segno.make(text, error="m", micro=False))


def epc_code(invoice: Invoice) -> Markup:
    """The QR code from which bank apps fill in a transfer (EPC069-12); not every Dutch app reads it.

    A Belgian reference is none of ISO 11649's, so it stands as text.
    """
    reference = reference_of(invoice.first_name, invoice.buyer["country"])
    is_rf = reference.startswith("RF")
    return _drawn(
        segno_codes.make_epc_qr(
            name=invoice.seller["legal_name"][:70],
            iban=invoice.seller["iban"].replace(" ", ""),
            bic=invoice.seller.get("bic") or None,
            amount=Decimal(invoice.asked_cents).scaleb(-2),
            reference=reference if is_rf else None,
            text=None if is_rf else reference,
        )
    )


def _drawn(code: segno.QRCode) -> Markup:
    picture = code.svg_inline(scale=3, border=0, dark="#14201d")
    return Markup(picture)  # noqa: S704  # segno draws modules from our own facts; no text of a customer's is in it

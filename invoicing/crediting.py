"""Credit notes: an issued invoice is never changed; what was wrong with it is taken back by a document.

The money goes from revenue and VAT to the customer's credits, and from there first to what is unpaid: the
invoice itself, then the oldest open one. What is left waits as credits for the next invoice. Runs inside
the caller's unit of work; the same request key makes one credit note, whatever runs twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import insert, select

from app.clock import utc_now
from app.customers.service import get_customer
from app.db import db
from app.errors import Invalid
from app.i18n import LANGUAGES, in_locale, local_date
from app.jobs import enqueue
from app.ledger import service as ledger
from app.ledger.sides import Posting, Side
from app.money import cents_of_micros, micros_of_cents
from invoicing import metered, payment_requests, settlement, write_offs
from invoicing.credit_shares import Left, left_of, of_lines, room_for_lines, shares_of, without
from invoicing.errors import CreditTooLarge, NothingToCredit
from invoicing.issuing import buyer, seller
from invoicing.lines import Line
from invoicing.models import CREDIT_NOTE, INVOICE, Invoice, InvoiceLine, InvoiceNumber, InvoiceTax, is_named
from invoicing.numbering import take_numbers
from invoicing.reading import find
from invoicing.tax import Treatment
from invoicing.totals import TaxTotal, Totals
from invoicing.wording import gettext

MAX_REASON: Final = 500
_LINE_FACTS: Final = tuple(
    column.key for column in InvoiceLine.__table__.columns if column.key not in {"customer_id", "invoice_id"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditWish:
    """What somebody wants to credit: lines, an amount, VAT included, or all that is left; and why."""

    number: str
    reason: str
    request_key: str
    amount_micros: int | None = None
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class _Content:
    lines: tuple[dict[str, Any], ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Begun:
    """A credit note whose money has moved; it has no number yet, which `finish` takes."""

    note: Invoice
    content: _Content


def credit(wish: CreditWish) -> Invoice:
    """Issue a credit note. Raises UnknownInvoice, NothingToCredit, CreditTooLarge, Invalid."""
    customer_id = find(wish.number).customer_id
    ledger.lock_balance(customer_id)
    made = _made_before(customer_id, wish.request_key)
    return finish(begin(wish)) if made is None else made


def left_to_credit(original: Invoice, lines: Sequence[Line]) -> Totals:
    """What crediting these lines of an invoice would give back, were it done now."""
    return _of_lines(original, lines).totals


def begin(wish: CreditWish) -> Begun:
    """Move the money of a credit note. The balance is locked, the request key was not used before.

    What else the transaction does comes before `finish`, which locks the series of credit notes.
    """
    reason = _reason(wish.reason)
    original = _locked(find(wish.number).customer_id, wish.number)
    customer_id = original.customer_id
    if original.is_request:
        # A credit note names an invoice.
        payment_requests.issue([original])
    if wish.lines:
        content = _of_lines(original, wish.lines)
        if not content.totals.total_cents:
            raise NothingToCredit
    else:
        content = _content(original, _amount_cents(original, wish.amount_micros))
    credit_id = uuid4()
    _post(original, credit_id, content.totals)
    # What is credited is not lost: a write-off of it ends, and its VAT is not asked back twice.
    write_offs.recover(customer_id, [original.number], micros_of_cents(content.totals.total_cents))
    offset_micros = settlement.settle_with_credits(
        customer_id, original.number, at_most_micros=micros_of_cents(content.totals.total_cents)
    )
    original.credited_cents += content.totals.total_cents
    db.session.flush()
    note = _note(original, credit_id, content.totals)
    note.offset_cents = cents_of_micros(offset_micros)
    note.to_credits_cents = note.total_cents - note.offset_cents
    note.reason, note.request_key = reason, wish.request_key
    return Begun(note, content)


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not 1 <= len(reason) <= MAX_REASON or not reason.isprintable():
        raise Invalid(gettext("Say why, in at most %(most)s characters.", most=MAX_REASON), field="reason")
    return reason


def _made_before(customer_id: int, request_key: str) -> Invoice | None:
    return db.session.scalars(
        select(Invoice).where(Invoice.customer_id == customer_id, Invoice.request_key == request_key)
    ).one_or_none()


def _locked(customer_id: int, number: str) -> Invoice:
    return db.session.scalars(
        select(Invoice)
        .where(Invoice.customer_id == customer_id, is_named([number]))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def creditable_cents(original: Invoice) -> int:
    """What of an invoice no credit note has taken back, and no usage of it that was taken back since."""
    if original.kind != INVOICE:
        return 0
    left = sum(one.gross_cents for one in _left(original))
    return max(0, min(left, original.total_cents - original.credited_cents))


def _amount_cents(original: Invoice, amount_micros: int | None) -> int:
    left = creditable_cents(original)
    if left <= 0:
        raise NothingToCredit
    if amount_micros is None:
        return left
    if amount_micros <= 0 or amount_micros % micros_of_cents(1):
        raise Invalid(gettext("Give an amount in whole cents, above zero."), field="amount")
    if amount_micros > micros_of_cents(left):
        raise CreditTooLarge
    return cents_of_micros(amount_micros)


def _content(original: Invoice, amount_cents: int) -> _Content:
    """The original's lines when all of it is credited at once, else one line per tax treatment."""
    if amount_cents == original.total_cents:
        lines = tuple({key: getattr(line, key) for key in _LINE_FACTS} for line in original.lines)
        return _Content(lines, Totals(tuple(map(_tax_total, original.taxes))))
    totals = Totals(shares_of(amount_cents, _left(original)))
    lines = tuple(
        _share_line(original.number, position, share) for position, share in enumerate(totals.taxes)
    )
    return _Content(lines, totals)


def _left(original: Invoice) -> tuple[Left, ...]:
    left = left_of(map(_tax_total, original.taxes), _credited(original))
    if original.close_key is None:
        return left
    return without(left, metered.given_back(original.customer_id, original.period_start))


def _room(original: Invoice) -> tuple[Left, ...]:
    """What can come back of its lines. On a credit note they stand with the sign turned."""
    sign = 1 if original.kind == INVOICE else -1
    lines = (
        (Treatment(line.tax_category, line.tax_percent), sign * line.net_cents) for line in original.lines
    )
    taxes = [
        TaxTotal(Treatment(tax.category, tax.percent), 0, sign * tax.discount_cents, 0)
        for tax in original.taxes
    ]
    return room_for_lines(lines, taxes, _credited(original))


def _credited(original: Invoice) -> list[TaxTotal]:
    """What credit notes that somebody asked for have taken back so far."""
    if not original.credited_cents:
        return []
    earlier = db.session.scalars(
        select(InvoiceTax)
        .join(
            Invoice,
            (Invoice.customer_id == InvoiceTax.customer_id) & (Invoice.invoice_id == InvoiceTax.invoice_id),
        )
        .where(
            Invoice.customer_id == original.customer_id,
            Invoice.original_number == original.number,
            Invoice.request_key.is_not(None),
        )
    )
    return list(map(_tax_total, earlier))


def _of_lines(original: Invoice, lines: Sequence[Line]) -> _Content:
    """These lines, as far as earlier credit notes have left something of what their treatment charged."""
    left = _room(original)
    totals = Totals(of_lines(((line.treatment, line.net_cents) for line in lines), left))
    room = {tax.treatment: tax.lines_cents for tax in totals.taxes}
    rows: list[dict[str, Any]] = []
    for line in lines:
        taken = min(line.net_cents, room.get(line.treatment, 0))
        if taken > 0:
            room[line.treatment] -= taken
            rows.append(_line_of(line, len(rows), taken))
    return _Content(tuple(rows), totals)


def _tax_total(tax: InvoiceTax) -> TaxTotal:
    return TaxTotal(Treatment(tax.category, tax.percent), tax.lines_cents, tax.discount_cents, tax.vat_cents)


def _line_of(line: Line, position: int, net_cents: int) -> dict[str, Any]:
    return dict.fromkeys(_LINE_FACTS) | {
        "position": position,
        "kind": line.kind,
        "meter": line.meter,
        "names": dict(line.names),
        "unit": "",
        "dimensions": {},
        "quantity": 1,
        "unit_price": Decimal(net_cents).scaleb(-2),
        "price_base": 1,
        "net_cents": net_cents,
        "tax_category": line.treatment.category,
        "tax_percent": line.treatment.percent,
        "supplied_from": line.supplied_from,
        "supplied_until": line.supplied_until,
    }


def _share_line(number: str, position: int, share: TaxTotal) -> dict[str, Any]:
    names = {}
    for language in LANGUAGES:
        with in_locale(language):
            names[language] = gettext("Credited on invoice %(number)s", number=number)
    facts = dict.fromkeys(_LINE_FACTS)
    sign = -1 if share.lines_cents < 0 else 1
    return facts | {
        "position": position,
        "kind": "credit",
        "meter": "",
        "names": names,
        "unit": "",
        "dimensions": {},
        "quantity": sign,
        "unit_price": Decimal(abs(share.lines_cents)).scaleb(-2),
        "price_base": 1,
        "net_cents": share.lines_cents,
        "tax_category": share.treatment.category,
        "tax_percent": share.treatment.percent,
    }


def _post(original: Invoice, credit_id: UUID, totals: Totals) -> None:
    """Revenue and VAT become the customer's credits."""
    for side, cents in ((Side.REVENUE, totals.taxable_cents), (Side.VAT, totals.vat_cents)):
        if cents:
            debit, credit = (side, Side.CREDITS) if cents > 0 else (Side.CREDITS, side)
            ledger.post(
                Posting(
                    customer_id=original.customer_id,
                    kind="credit_note",
                    debit=debit,
                    credit=credit,
                    amount_micros=micros_of_cents(abs(cents)),
                    reference=f"credit-{credit_id}-{side.value}",
                )
            )


def _note(original: Invoice, credit_id: UUID, totals: Totals) -> Invoice:
    """The document but for its number and where its money went; parties as they are today."""
    now = utc_now()
    today = local_date(now)
    customer = get_customer(original.customer_id)
    return Invoice(
        customer_id=original.customer_id,
        invoice_id=credit_id,
        kind=CREDIT_NOTE,
        period_start=original.period_start,
        period_end=original.period_end,
        issue_date=today,
        due_date=today,
        issued_at=now,
        currency=original.currency,
        locale=customer.locale,
        seller=seller(),
        buyer=buyer(customer),
        original_number=original.number,
        net_cents=totals.lines_cents,
        discount_cents=totals.discount_cents,
        vat_cents=totals.vat_cents,
        total_cents=totals.total_cents,
        credits_used_cents=0,
        credits_left_cents=0,
        prepaid_cents=0,
        due_cents=0,
        balance={},
        settled_micros=0,
        credited_cents=0,
    )


def finish(begun: Begun) -> Invoice:
    """Write the document; its number is the transaction's last lock."""
    note, content = begun.note, begun.content
    payment_requests.issue_settled()
    note.number = take_numbers(CREDIT_NOTE, note.issue_date.year, 1)[0]
    db.session.add(note)
    db.session.flush()
    key = {"customer_id": note.customer_id, "invoice_id": note.invoice_id}
    _insert_parts(key, content.lines, content.totals.taxes)
    db.session.execute(insert(InvoiceNumber).values(number=note.number, customer_id=note.customer_id))
    enqueue("invoicing.jobs.render_document", note.number, queue="bulk", job_id=f"render-{note.number}")
    return note


def _insert_parts(key: dict[str, Any], lines: Sequence[dict[str, Any]], taxes: Sequence[TaxTotal]) -> None:
    if lines:
        db.session.execute(insert(InvoiceLine), [key | line for line in lines])
    rows = [
        key
        | {
            "position": position,
            "category": tax.treatment.category,
            "percent": tax.treatment.percent,
            "lines_cents": tax.lines_cents,
            "discount_cents": tax.discount_cents,
            "taxable_cents": tax.taxable_cents,
            "vat_cents": tax.vat_cents,
        }
        for position, tax in enumerate(taxes)
    ]
    db.session.execute(insert(InvoiceTax), rows)

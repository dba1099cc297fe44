"""Movements with what lies behind them: how a top-up was paid, which invoice, where to read on."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from flask_babel import gettext

from app.document_names import document_text
from app.i18n import day
from app.ledger.statement import USAGE, Movement
from app.ledger.wording import Described, describe, worth_telling
from app.portal.links import link
from invoicing import service as invoicing
from topups import service as topups
from topups.service import TopUp

TOP_UP: Final = re.compile(r"topup-(tu_[a-z0-9]+_[a-z0-9]+)-(paid|provisional|provisional-reversed)")
INVOICED: Final = (
    "charge",
    "credits_used",
    "invoice_due",
    "invoice_paid",
    "invoice_reopened",
    "rounding",
    "separate_charge",
    "separate_credits",
    "separate_due",
)
LOOKED_UP: Final = 50
# Not as Mollie names them but as they stand within a sentence.


def told(customer_id: int, movements: tuple[Movement, ...]) -> tuple[Described, ...]:
    """Ready for the page. A statement more where top-ups are among them, up to two where invoices are."""
    movements = worth_telling(movements)
    ids = {found[1] for m in movements if (found := TOP_UP.fullmatch(m.reference))}
    known = {t.top_up_id: t for t in topups.top_ups(customer_id, limit=LOOKED_UP)} if ids else {}
    numbers = invoicing.numbers_behind(customer_id, [m.reference for m in movements if m.kind in INVOICED])
    return tuple(_told(movement, known, numbers.get(movement.reference)) for movement in movements)


def _told(movement: Movement, known: dict[str, TopUp], number: str | None) -> Described:
    row = describe(movement)
    if movement.kind == USAGE:
        after = movement.day + timedelta(days=1)
        return replace(row, url=link("usage.export", start=movement.day.isoformat(), end=after.isoformat()))
    if number is not None:
        return replace(row, url=link("invoicing.invoice", number=number), note=number)
    if movement.kind in INVOICED:
        return replace(row, url=link("invoicing.invoices"))
    found = TOP_UP.fullmatch(movement.reference)
    if not found:
        return row
    row = replace(row, url=link("topups.payment", top_up_id=found[1]))
    top_up = known.get(found[1])
    return _with_payment(row, top_up) if top_up else row


def _with_payment(row: Described, top_up: TopUp) -> Described:
    kind = row.movement.kind
    if kind == "provisional":
        expected = top_up.expected_on if top_up.provisional_micros else None
        return replace(
            row,
            label=gettext("Topped up automatically") if top_up.origin == "automatic" else row.label,
            tag=("info", gettext("provisionally credited")) if top_up.provisional_micros else None,
            note=gettext("final around %(day)s", day=day(expected)) if expected else None,
        )
    if kind != "top_up":
        return row
    if top_up.purpose == "invoice":
        return replace(
            row,
            label=gettext("Payment for %(document)s", document=document_text(top_up.invoice_number or "")),
        )
    if top_up.origin == "automatic":
        return replace(row, label=gettext("Topped up automatically"))
    if top_up.method is None:
        return row
    name = topups.name_within(top_up.method) or topups.method_name(top_up.method)
    return replace(row, label=gettext("Topped up with %(method)s", method=name))

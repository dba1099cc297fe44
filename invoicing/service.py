"""Invoicing as other slices, the shell and its own entry points use it. A thin facade over named modules.

`render` calls the PDF program and is called outside a unit of work, as is paying (`invoicing.paying`), which
calls Mollie. All else joins the caller's, but for `start_close`, which opens its own.
"""

import re
from datetime import date
from typing import Any, Final
from uuid import UUID

from app.clock import utc_now
from app.customers.models import Customer
from app.db import in_unit_of_work
from invoicing import documents, metered, references, runs
from invoicing.behind import numbers_behind
from invoicing.crediting import CreditWish, credit, creditable_cents
from invoicing.credits import move_to_balance as move_credits
from invoicing.documents import PAID_PDF, PDF, REQUEST_PDF, XML, filename, held_documents, stored_kinds
from invoicing.errors import InvalidPeriod, PeriodNotEnded
from invoicing.extras import ChargeSource, PendingCharge, add_charge_source
from invoicing.metered import resolve_tax
from invoicing.models import Invoice, InvoiceDocument
from invoicing.notices import check_again, render, send_without_xml
from invoicing.numbering import next_numbers
from invoicing.preview import upcoming
from invoicing.reading import Due, Filters, Listed, due, find, find_all, page, status_now, with_status
from invoicing.references import top_up_reference_of
from invoicing.settlement import money_arrived, money_left
from invoicing.shapes import invoice_json as listed_json
from invoicing.shapes import upcoming_json
from invoicing.status import STATUSES, Status
from invoicing.wording import unit_text

_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def month_of(text: str) -> date:
    """The first day of "2026-10". Raises InvalidPeriod."""
    parts = _MONTH.fullmatch(text)
    if parts is None or not 2000 <= int(parts[1]) < 9999:
        raise InvalidPeriod(field="period")
    return date(int(parts[1]), int(parts[2]), 1)


def is_number(text: str) -> bool:
    """Whether a text has the shape of a document number."""
    return references.is_number(text)


def start_close(month: date, customer: Customer | None = None) -> UUID:
    """Begin a run that closes a month that has ended, for all customers or one. Raises PeriodNotEnded."""
    if not metered.has_ended(month, utc_now()):
        raise PeriodNotEnded(field="period")
    only = None if customer is None else customer.customer_id
    return in_unit_of_work(lambda: runs.start(month, metered.unclosed_in_month(month, only)))


def to_json(invoice: Invoice) -> dict[str, Any]:
    """The API's shape of an invoice as it is now."""
    return listed_json(next(with_status([invoice])))


def document(invoice: Invoice, kind: str = documents.PDF) -> InvoiceDocument:
    """A stored file. Raises Rendering until it is there, Held when it broke a rule."""
    return documents.find(invoice, kind)


__all__ = [
    "PAID_PDF",
    "PDF",
    "REQUEST_PDF",
    "STATUSES",
    "XML",
    "ChargeSource",
    "CreditWish",
    "Due",
    "Filters",
    "Listed",
    "PendingCharge",
    "Status",
    "add_charge_source",
    "check_again",
    "credit",
    "creditable_cents",
    "document",
    "due",
    "filename",
    "find",
    "find_all",
    "held_documents",
    "is_number",
    "listed_json",
    "money_arrived",
    "money_left",
    "month_of",
    "move_credits",
    "next_numbers",
    "numbers_behind",
    "page",
    "render",
    "resolve_tax",
    "send_without_xml",
    "start_close",
    "status_now",
    "stored_kinds",
    "to_json",
    "top_up_reference_of",
    "unit_text",
    "upcoming",
    "upcoming_json",
    "with_status",
]

"""The API's shapes of invoices: money as decimal strings, dates as days, a period without its end day."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from app.i18n import translations_of
from app.money import Money, micros_of_cents, plain_decimal
from invoicing import wording
from invoicing.models import INVOICE, PAYMENT_REQUEST, Invoice, InvoiceLine, InvoiceTax
from invoicing.reading import Listed
from invoicing.references import reference_of
from metering import service as metering


def invoice_json(listed: Listed) -> dict[str, Any]:
    """Design's shape: `amount_due` as issued, `outstanding` now. `period.end` is the day after the last."""
    invoice = listed.invoice
    paid = paid_on(invoice)

    def money(cents: int) -> dict[str, str]:
        return Money(micros_of_cents(cents), invoice.currency).to_json()

    return {
        "number": invoice.number,
        "kind": PAYMENT_REQUEST if invoice.is_request else invoice.kind,
        "request_number": invoice.request_number,
        "status": listed.status,
        "customer": invoice.buyer["reference"],
        "period": {"start": invoice.period_start.isoformat(), "end": invoice.period_end.isoformat()},
        "issue_date": invoice.issue_date.isoformat(),
        "due_date": invoice.due_date.isoformat(),
        "currency": invoice.currency,
        "locale": invoice.locale,
        "lines": [_line_json(line, invoice) for line in invoice.lines],
        "subtotal": money(invoice.net_cents),
        "discount": money(invoice.discount_cents),
        "taxes": [_tax_json(tax, invoice) for tax in invoice.taxes],
        "total": money(invoice.total_cents),
        "credits_used": money(invoice.credits_used_cents),
        "prepaid": money(invoice.prepaid_cents),
        "paid_before_issue": money(invoice.paid_first_cents or 0),
        "amount_due": money(invoice.asked_cents),
        "credited": money(invoice.credited_cents),
        "offset": money(invoice.offset_cents),
        "to_credits": money(invoice.to_credits_cents),
        "late_fee": money(invoice.late_fee_cents or 0),
        "outstanding": Money(invoice.outstanding_micros, invoice.currency).to_json(),
        "balance": {
            row: Money(micros, invoice.currency).to_json() for row, micros in invoice.balance.items()
        },
        "payment_reference": payment_reference(invoice),
        "original_number": invoice.original_number,
        "reason": invoice.reason,
        "paid_at": paid.isoformat() if paid else None,
    }


def upcoming_json(draft: Invoice) -> dict[str, Any]:
    """The coming invoice: the same shape, without a number, neither open nor paid."""
    unissued = {"number": None, "status": "preview", "paid_at": None}
    return invoice_json(Listed(draft, "open")) | unissued


def payment_reference(invoice: Invoice) -> str | None:
    """What a bank transfer for this invoice must say; None where nothing was ever to be paid."""
    if invoice.due_cents <= 0 or not invoice.number:
        return None
    return reference_of(invoice.first_name, str(invoice.buyer["country"]))


def paid_on(invoice: Invoice) -> datetime | None:
    """When the last of it was paid; at its issue when nothing was due."""
    if invoice.outstanding_micros:
        return None
    return invoice.settled_at or invoice.issued_at


def _line_json(line: InvoiceLine, invoice: Invoice) -> dict[str, Any]:
    return {
        "meter": line.meter,
        "kind": line.kind,
        "name": translations_of(line.names, invoice.locale),
        "unit": line.unit,
        "dimensions": line.dimensions,
        "period": _days_json(line),
        "quantity": _decimal(line.quantity),
        "unit_amount": plain_decimal(wording.exact(line.unit_price)),
        "price_per": line.price_base,
        "tier": None
        if line.tier_above is None and line.tier_up_to is None
        else {
            "above": _decimal(line.tier_above) if line.tier_above is not None else "0",
            "up_to": _decimal(line.tier_up_to) if line.tier_up_to is not None else None,
        },
        "tax_category": line.tax_category,
        "tax_rate": f"{line.tax_percent:.2f}",
        "amount": Money(micros_of_cents(line.net_cents), invoice.currency).to_json(),
        "events_url": events_url(line, invoice),
    }


HALF_A_MONTH: Final = 16


def events_of(line: InvoiceLine, invoice: Invoice) -> dict[str, str] | None:
    """How the events behind a line are asked for; None where it bills no usage."""
    if not line.meter or invoice.kind != INVOICE:
        return None
    late = line.correction_of is not None
    period = date.fromisoformat(line.correction_of) if line.correction_of else invoice.period_start
    whole_month = (invoice.period_end - invoice.period_start).days > HALF_A_MONTH
    return metering.filters_of_line(
        period, line.meter, line.dimensions, late=late, whole_month=whole_month and period.day == 1
    )


def events_url(line: InvoiceLine, invoice: Invoice) -> str | None:
    filters = events_of(line, invoice)
    return metering.events_address(invoice.buyer["reference"], filters) if filters else None


def _days_json(line: InvoiceLine) -> dict[str, str] | None:
    """The days of what is no usage, as the invoice's period is given; None for all else."""
    if line.supplied_from is None or line.supplied_until is None:
        return None
    after = line.supplied_until + timedelta(days=1)
    return {"start": line.supplied_from.isoformat(), "end": after.isoformat()}


def _tax_json(tax: InvoiceTax, invoice: Invoice) -> dict[str, Any]:
    return {
        "category": tax.category,
        "rate": f"{tax.percent:.2f}",
        "taxable": Money(micros_of_cents(tax.taxable_cents), invoice.currency).to_json(),
        "amount": Money(micros_of_cents(tax.vat_cents), invoice.currency).to_json(),
    }


def _decimal(value: Decimal) -> str:
    return format(wording.exact(value), "f")

"""A document as it stands in the tables, without a database: for what is printed of it."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from app.config import settings
from invoicing.lines import Line, MeterUsage, Part, lines_of
from invoicing.models import Invoice, InvoiceLine, InvoiceTax
from invoicing.tax import Treatment
from invoicing.totals import totals_of

TEN_MILLION = Decimal(10_000_000)


def _usage(treatment: Treatment, meters: int) -> list[MeterUsage]:
    tokens = [
        Part(TEN_MILLION, Decimal("0.000002"), up_to=TEN_MILLION),
        Part(Decimal(8_059_974), Decimal("0.0000015"), above=TEN_MILLION),
    ]
    usual = [
        MeterUsage("p", {"en": "Prompt tokens", "nl": "Prompttokens"}, "token", treatment, tuple(tokens)),
        MeterUsage(
            "g",
            {"en": "Generated tokens", "nl": "Gegenereerde tokens"},
            "token",
            treatment,
            (Part(Decimal(245_896), Decimal("0.000012")),),
        ),
        MeterUsage(
            "r",
            {"en": "Requests", "nl": "Verzoeken"},
            "request",
            treatment,
            (Part(Decimal(8_819), Decimal("0.001")),),
        ),
    ]
    many = [
        MeterUsage(
            f"m{n}",
            {"en": f"Storage number {n}", "nl": f"Opslag nummer {n}"},
            "GB",
            treatment,
            (Part(Decimal("12.5"), Decimal("0.07")), Part(Decimal(1), Decimal(2), "flat")),
        )
        for n in range(meters)
    ]
    return many or usual


def sample(
    locale: str,
    *,
    category: str = "S",
    buyer: dict[str, Any] | None = None,
    due_cents: int = 1815,
    meters: int = 0,
) -> Invoice:
    """The invoice of the look: €53.07, of which €18.15 is due."""
    treatment = Treatment(category, Decimal(21 if category == "S" else 0))
    lines = lines_of(_usage(treatment, meters))
    totals = totals_of((line.treatment, line.net_cents) for line in lines)
    due_cents = min(due_cents, totals.total_cents)
    usual_buyer = {
        "name": "Grachtwerk Software B.V.",
        "reference": "grachtwerk",
        "country": "NL",
        "vat_number": "NL123456782B90",
        "address_line1": "Prinsengracht 2",
        "postal_code": "1015 DV",
        "city": "Amsterdam",
        "purchase_order": "PO-4471",
    }
    invoice = Invoice(
        customer_id=1000,
        invoice_id=uuid4(),
        number="F2026-000018",
        kind="invoice",
        period_start=date(2026, 10, 1),
        period_end=date(2026, 11, 1),
        issue_date=date(2026, 11, 1),
        due_date=date(2026, 11, 15),
        issued_at=datetime(2026, 11, 1, 5, 2, tzinfo=UTC),
        currency="EUR",
        locale=locale,
        seller=asdict(settings().provider) | {"iban_text": "NL00 BANK 0000 0000 00"},
        buyer=usual_buyer | (buyer or {}),
        net_cents=totals.lines_cents,
        discount_cents=0,
        vat_cents=totals.vat_cents,
        total_cents=totals.total_cents,
        credits_used_cents=0,
        credits_left_cents=0,
        prepaid_cents=totals.total_cents - due_cents,
        due_cents=due_cents,
        balance={"opening": 0, "top_ups": 50_000_000, "usage": -50_000_000, "closing": 0},
        settled_micros=0,
    )
    invoice.lines = [_line(position, line) for position, line in enumerate(lines)]
    invoice.taxes = [
        InvoiceTax(
            position=0,
            category=category,
            percent=treatment.percent,
            lines_cents=totals.lines_cents,
            discount_cents=0,
            taxable_cents=totals.lines_cents,
            vat_cents=totals.vat_cents,
        )
    ]
    return invoice


def _line(position: int, line: Line) -> InvoiceLine:
    return InvoiceLine(
        position=position,
        kind=line.kind,
        meter=line.meter,
        names=dict(line.names),
        unit=line.unit,
        dimensions={},
        quantity=line.quantity,
        unit_price=line.unit_price,
        price_base=line.price_base,
        tier_above=line.above,
        tier_up_to=line.up_to,
        net_cents=line.net_cents,
        tax_category=line.treatment.category,
        tax_percent=line.treatment.percent,
    )

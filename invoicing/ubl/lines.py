"""Lines, allowances and VAT as UBL states them: quantity × price / base quantity = line amount.

Prices below a cent are stated per 1,000 or per million units, as on paper; a tiered price is a line per tier.
"""

from decimal import Decimal
from typing import Final

from invoicing import wording
from invoicing.models import CREDIT_NOTE, Invoice, InvoiceLine, InvoiceTax
from invoicing.tax import EXEMPTION_CODES, Category
from invoicing.ubl.elements import Element, add, add_amount, day, number

# UN/ECE Recommendation 20 codes of units that meters commonly count; any other is "one".
_UNIT_CODES: Final = {
    "second": "SEC", "minute": "MIN", "hour": "HUR", "day": "DAY", "month": "MON", "kwh": "KWH", "m³": "MTQ",
    "m3": "MTQ", "kg": "KGM", "km": "KMT", "mb": "4L", "gb": "E34", "tb": "E35", "gib": "E34",
}  # fmt: skip
_ONE: Final = "C62"
_DISCOUNT: Final = "95"
_MUTUALLY_DEFINED: Final = "ZZZ"


def add_line(parent: Element, invoice: Invoice, line: InvoiceLine) -> None:
    """In the reader's language, which must be in force."""
    is_note = invoice.kind == CREDIT_NOTE
    element = add(parent, "cac:CreditNoteLine" if is_note else "cac:InvoiceLine")
    add(element, "cbc:ID", line.position + 1)
    unit = _UNIT_CODES.get(line.unit.lower(), _ONE)
    add(
        element,
        "cbc:CreditedQuantity" if is_note else "cbc:InvoicedQuantity",
        number(line.quantity),
        unitCode=unit,
    )
    add_amount(element, "cbc:LineExtensionAmount", line.net_cents, invoice.currency)
    if line.supplied_from is not None and line.supplied_until is not None:
        period = add(element, "cac:InvoicePeriod")
        add(period, "cbc:StartDate", day(line.supplied_from))
        add(period, "cbc:EndDate", day(line.supplied_until))
    item = add(element, "cac:Item")
    add(item, "cbc:Name", wording.description(line) or line.meter)
    _tax_category(item, "cac:ClassifiedTaxCategory", line.tax_category, line.tax_percent)
    price = add(element, "cac:Price")
    stated = number(line.unit_price * line.price_base)
    add(price, "cbc:PriceAmount", stated, currencyID=invoice.currency)
    if line.price_base != 1:
        add(price, "cbc:BaseQuantity", line.price_base, unitCode=unit)


def add_allowances(parent: Element, invoice: Invoice) -> None:
    """Promotional credit as a discount per rate, before VAT; given back, it is a charge."""
    for tax in invoice.taxes:
        if not tax.discount_cents:
            continue
        is_charge = tax.discount_cents < 0
        element = add(parent, "cac:AllowanceCharge")
        add(element, "cbc:ChargeIndicator", "true" if is_charge else "false")
        add(element, "cbc:AllowanceChargeReasonCode", _MUTUALLY_DEFINED if is_charge else _DISCOUNT)
        add(
            element,
            "cbc:AllowanceChargeReason",
            wording.gettext("Discount from promotional credit"),
        )
        add_amount(element, "cbc:Amount", abs(tax.discount_cents), invoice.currency)
        _tax_category(element, "cac:TaxCategory", tax.category, tax.percent)


def add_tax_total(parent: Element, invoice: Invoice) -> None:
    total = add(parent, "cac:TaxTotal")
    add_amount(total, "cbc:TaxAmount", invoice.vat_cents, invoice.currency)
    for tax in invoice.taxes:
        subtotal = add(total, "cac:TaxSubtotal")
        add_amount(subtotal, "cbc:TaxableAmount", tax.taxable_cents, invoice.currency)
        add_amount(subtotal, "cbc:TaxAmount", tax.vat_cents, invoice.currency)
        _tax_category(subtotal, "cac:TaxCategory", tax.category, tax.percent, exempted=tax)


def _tax_category(
    parent: Element, name: str, category: str, percent: Decimal, *, exempted: InvoiceTax | None = None
) -> None:
    element = add(parent, name)
    add(element, "cbc:ID", category)
    if category != Category.OUTSIDE_SCOPE:
        add(element, "cbc:Percent", number(percent))
    code = EXEMPTION_CODES.get(Category(category))
    if exempted is not None and code is not None:
        add(element, "cbc:TaxExemptionReasonCode", code)
        add(element, "cbc:TaxExemptionReason", wording.tax_label(exempted))
    add(add(element, "cac:TaxScheme"), "cbc:ID", "VAT")


def charges_cents(invoice: Invoice) -> int:
    """Promotional credit given back: what a document charges again."""
    return -sum(min(0, tax.discount_cents) for tax in invoice.taxes)


def allowances_cents(invoice: Invoice) -> int:
    return sum(max(0, tax.discount_cents) for tax in invoice.taxes)

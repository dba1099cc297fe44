"""One document as UBL, from what is frozen of it and nothing else: twice the same bytes."""

from app.i18n import in_locale
from invoicing import wording
from invoicing.models import CREDIT_NOTE, Invoice
from invoicing.references import reference_of
from invoicing.tax import Category
from invoicing.ubl.elements import Element, add, add_amount, add_if, day, root, to_bytes
from invoicing.ubl.lines import add_allowances, add_line, add_tax_total, allowances_cents, charges_cents
from invoicing.ubl.parties import add_buyer, add_seller
from invoicing.ubl.profiles import PEPPOL_PROCESS, Profile, profile_of

_INVOICE_CODE, _CREDIT_NOTE_CODE = "380", "381"
_SEPA_CREDIT_TRANSFER = "58"
_STANDING_AGREEMENT = "57"


def profile(invoice: Invoice) -> Profile:
    """The specification a document follows."""
    return profile_of(invoice.seller, invoice.buyer, {tax.category for tax in invoice.taxes})


def xml_of(invoice: Invoice) -> bytes:
    """The document in its own language."""
    with in_locale(invoice.locale):
        is_note = invoice.kind == CREDIT_NOTE
        document = root("CreditNote" if is_note else "Invoice")
        _head(document, invoice)
        # Outside the scope of VAT a document may not name VAT numbers (BR-O-02).
        with_vat = Category.OUTSIDE_SCOPE not in {tax.category for tax in invoice.taxes}
        add_seller(document, invoice.seller, with_vat=with_vat)
        add_buyer(document, invoice.buyer, with_vat=with_vat)
        _payment(document, invoice)
        add_allowances(document, invoice)
        add_tax_total(document, invoice)
        _totals(document, invoice)
        for line in invoice.lines:
            add_line(document, invoice, line)
        return to_bytes(document)


def payable_cents(invoice: Invoice) -> int:
    """What the document asks for; of a credit note, what it gives that did not go to the balance already."""
    if invoice.kind == CREDIT_NOTE:
        return invoice.total_cents - invoice.prepaid_cents
    return invoice.asked_cents


def _head(document: Element, invoice: Invoice) -> None:
    is_note = invoice.kind == CREDIT_NOTE
    followed = profile(invoice)
    add(document, "cbc:CustomizationID", followed.value)
    if followed is Profile.PEPPOL:
        add(document, "cbc:ProfileID", PEPPOL_PROCESS)
    add(document, "cbc:ID", invoice.number)
    add(document, "cbc:IssueDate", day(invoice.issue_date))
    if not is_note and payable_cents(invoice) > 0:
        add(document, "cbc:DueDate", day(invoice.due_date))
    type_name = "cbc:CreditNoteTypeCode" if is_note else "cbc:InvoiceTypeCode"
    add(document, type_name, _CREDIT_NOTE_CODE if is_note else _INVOICE_CODE)
    notes = ([invoice.reason] if invoice.reason else []) + wording.tax_notes(invoice)
    add_if(document, "cbc:Note", " ".join(notes))
    add(document, "cbc:DocumentCurrencyCode", invoice.currency)
    add(document, "cbc:BuyerReference", invoice.buyer["reference"])
    period = add(document, "cac:InvoicePeriod")
    # A line's days lie within the document's (PEPPOL-EN16931-R110 and R111).
    first, last = wording.days_covered(invoice)
    add(period, "cbc:StartDate", day(first))
    add(period, "cbc:EndDate", day(last))
    if invoice.buyer.get("purchase_order"):
        add(add(document, "cac:OrderReference"), "cbc:ID", invoice.buyer["purchase_order"])
    if invoice.original_number:
        original = add(add(document, "cac:BillingReference"), "cac:InvoiceDocumentReference")
        add(original, "cbc:ID", invoice.original_number)


def _payment(document: Element, invoice: Invoice) -> None:
    if payable_cents(invoice) <= 0:
        return
    if invoice.kind == CREDIT_NOTE:
        # It is not paid out but settled with what is or will be owed.
        add(add(document, "cac:PaymentMeans"), "cbc:PaymentMeansCode", _STANDING_AGREEMENT)
        add(add(document, "cac:PaymentTerms"), "cbc:Note", wording.credited_sentence(invoice))
        return
    means = add(document, "cac:PaymentMeans")
    add(means, "cbc:PaymentMeansCode", _SEPA_CREDIT_TRANSFER)
    add(means, "cbc:PaymentID", reference_of(invoice.first_name, invoice.buyer["country"]))
    account = add(means, "cac:PayeeFinancialAccount")
    add(account, "cbc:ID", invoice.seller["iban"].replace(" ", ""))
    add(account, "cbc:Name", invoice.seller["legal_name"])
    if invoice.seller.get("bic"):
        add(add(account, "cac:FinancialInstitutionBranch"), "cbc:ID", invoice.seller["bic"])


def _totals(document: Element, invoice: Invoice) -> None:
    totals = add(document, "cac:LegalMonetaryTotal")
    taxable = invoice.net_cents - invoice.discount_cents
    payable = payable_cents(invoice)
    amounts = (
        ("cbc:LineExtensionAmount", invoice.net_cents, True),
        ("cbc:TaxExclusiveAmount", taxable, True),
        ("cbc:TaxInclusiveAmount", invoice.total_cents, True),
        ("cbc:AllowanceTotalAmount", allowances_cents(invoice), False),
        ("cbc:ChargeTotalAmount", charges_cents(invoice), False),
        ("cbc:PrepaidAmount", invoice.total_cents - payable, False),
        ("cbc:PayableAmount", payable, True),
    )
    for name, cents, is_required in amounts:
        if cents or is_required:
            add_amount(totals, name, cents, invoice.currency)

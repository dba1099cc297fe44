"""Each kind of document passes the schemas of UBL 2.1, the rules of EN 16931, and where due Peppol's."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from app.config import Settings
from app.factory import create_app
from invoicing.models import Invoice
from invoicing.ubl.document import profile, xml_of
from invoicing.ubl.elements import CAC, CBC, parse
from invoicing.ubl.profiles import Profile, endpoint_of
from invoicing.ubl.rules import problems_of
from tests.invoicing.documents import sample

ENVIRONMENT = {
    "SECRET_KEY": "a key for tests, of at least thirty-two characters",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1",
    "MOLLIE_API_KEY": "test_none",
}


@pytest.fixture(scope="module", autouse=True)
def _texts() -> Iterator[None]:
    """The application for its texts: a document needs neither database nor Redis."""
    with create_app(Settings.from_env(ENVIRONMENT)).app_context():
        yield


BELGIAN: dict[str, Any] = {
    "country": "BE",
    "vat_number": "BE0403019261",
    "city": "Brussel",
    "postal_code": "1000",
    "address_line1": "Grote Markt 1",
}
CONSUMER: dict[str, Any] = {"kind": "consumer", "vat_number": None, "purchase_order": None}


def discounted(invoice: Invoice, discount_cents: int = 413) -> Invoice:
    """The same invoice after promotional credit, or with promotional credit given back."""
    (tax,) = invoice.taxes
    tax.discount_cents = invoice.discount_cents = discount_cents
    tax.taxable_cents = tax.lines_cents - discount_cents
    tax.vat_cents = invoice.vat_cents = round(tax.taxable_cents * tax.percent / 100)
    invoice.total_cents = tax.taxable_cents + tax.vat_cents
    invoice.prepaid_cents = invoice.total_cents - invoice.due_cents
    return invoice


def credited(invoice: Invoice, **facts: Any) -> Invoice:
    invoice.kind, invoice.number = "credit_note", "C2026-000001"
    invoice.original_number, invoice.reason = "F2026-000018", "Outage"
    invoice.due_cents = invoice.prepaid_cents = invoice.offset_cents = 0
    invoice.to_credits_cents = invoice.total_cents
    for name, value in facts.items():
        setattr(invoice, name, value)
    return invoice


def packaged(invoice: Invoice) -> Invoice:
    """A percentage, a price below a cent with twelve places, a fixed amount, a correction below zero."""
    first = invoice.lines[0]
    first.unit_price, first.price_base = Decimal("0.000000123457"), 1_000_000
    first.quantity, first.net_cents = Decimal(16_200_000_000), 200_000
    second = invoice.lines[1]
    second.kind, second.unit, second.price_base = "correction", "", 1
    second.correction_of, second.tier_above = "2026-09-01", None
    second.quantity, second.unit_price, second.net_cents = Decimal(-1), Decimal("12.094961"), -1209
    third = invoice.lines[2]
    third.kind, third.unit, third.price_base = "value", "", 1
    third.quantity, third.unit_price, third.net_cents = Decimal(118), Decimal("0.025"), 295
    lines = sum(line.net_cents for line in invoice.lines)
    (tax,) = invoice.taxes
    tax.lines_cents = tax.taxable_cents = invoice.net_cents = lines
    tax.vat_cents = invoice.vat_cents = round(lines * Decimal("0.21"))
    invoice.total_cents = lines + invoice.vat_cents
    invoice.prepaid_cents = invoice.total_cents - invoice.due_cents
    return invoice


def oss(invoice: Invoice) -> Invoice:
    """A Finnish consumer: 25.5% is not a whole number."""
    for line in invoice.lines:
        line.tax_percent = Decimal("25.50")
    (tax,) = invoice.taxes
    tax.percent = Decimal("25.50")
    tax.vat_cents = invoice.vat_cents = round(tax.taxable_cents * Decimal("0.255"))
    invoice.total_cents = tax.taxable_cents + tax.vat_cents
    invoice.prepaid_cents = invoice.total_cents - invoice.due_cents
    return invoice


CORPUS: dict[str, tuple[Profile, Callable[[], Invoice]]] = {
    "business": (Profile.PEPPOL, lambda: sample("nl")),
    "business in English": (Profile.PEPPOL, lambda: sample("en")),
    "consumer": (Profile.EN_16931, lambda: sample("nl", buyer=CONSUMER)),
    "consumer abroad": (Profile.EN_16931, lambda: oss(sample("en", buyer=CONSUMER | {"country": "FI"}))),
    "reverse charge": (Profile.PEPPOL, lambda: sample("en", category="AE", buyer=BELGIAN)),
    "reverse charge paid in full": (
        Profile.PEPPOL,
        lambda: sample("en", category="AE", buyer=BELGIAN, due_cents=0),
    ),
    "outside the European Union": (
        Profile.EN_16931,
        lambda: sample("en", category="O", buyer={"country": "US", "vat_number": None}),
    ),
    "credit note": (Profile.PEPPOL, lambda: credited(sample("nl"))),
    "credit note to a consumer": (Profile.EN_16931, lambda: credited(sample("nl", buyer=CONSUMER))),
    "credit note to Belgium": (
        Profile.PEPPOL,
        lambda: credited(sample("nl", category="AE", buyer=BELGIAN)),
    ),
    "credit note whose money went to the balance": (
        Profile.PEPPOL,
        lambda: credited(sample("nl"), to_credits_cents=0, prepaid_cents=5307),
    ),
    "discount": (Profile.PEPPOL, lambda: discounted(sample("nl"))),
    "discount given back": (Profile.PEPPOL, lambda: discounted(sample("nl"), -413)),
    "discount, credited": (Profile.PEPPOL, lambda: credited(discounted(sample("nl")))),
    "paid in full from the balance": (Profile.PEPPOL, lambda: sample("nl", due_cents=0)),
    "nothing paid": (Profile.PEPPOL, lambda: sample("nl", due_cents=5307)),
    "tiers and many meters": (Profile.PEPPOL, lambda: sample("nl", meters=40)),
    "prices far below a cent": (Profile.PEPPOL, lambda: packaged(sample("nl"))),
    "Belgium": (Profile.PEPPOL, lambda: sample("nl", category="AE", buyer=BELGIAN)),
    "a business without an address": (Profile.EN_16931, lambda: sample("nl", buyer={"city": ""})),
    "a business without a VAT number": (Profile.EN_16931, lambda: sample("nl", buyer={"vat_number": None})),
    "a name full of markup": (
        Profile.PEPPOL,
        lambda: sample("nl", buyer={"name": "<!DOCTYPE x> & ]]> \x00\x08\ufffe &xxe; 'quotes\""}),
    ),
}


@pytest.mark.parametrize("case", CORPUS)
def test_a_document_passes_the_rules(case: str) -> None:
    expected, make = CORPUS[case]
    invoice = make()
    assert profile(invoice) is expected
    content = xml_of(invoice)
    assert problems_of(content, expected) == []
    assert xml_of(make()) == content


def texts(content: bytes, path: str) -> list[str | None]:
    names = {"cbc": CBC, "cac": CAC}
    return [element.text for element in parse(content).iterfind(path, names)]


def test_a_document_paid_in_full_asks_for_nothing() -> None:
    content = xml_of(sample("nl", due_cents=0))
    assert texts(content, ".//cbc:PrepaidAmount") == ["53.07"]
    assert texts(content, ".//cbc:PayableAmount") == ["0.00"]
    assert texts(content, "cac:PaymentMeans/cbc:PaymentMeansCode") == []
    assert texts(content, "cbc:DueDate") == []


def test_what_is_due_is_asked_for_with_iban_and_reference() -> None:
    content = xml_of(sample("nl"))
    assert texts(content, ".//cbc:PayableAmount") == ["18.15"]
    assert texts(content, "cac:PaymentMeans/cbc:PaymentMeansCode") == ["58"]
    assert texts(content, "cac:PaymentMeans/cbc:PaymentID") == ["RF11F2026000018"]
    belgian = xml_of(sample("nl", category="AE", buyer=BELGIAN))
    assert texts(belgian, "cac:PaymentMeans/cbc:PaymentID") == ["+++202/6000/01812+++"]


def test_prices_below_a_cent_have_a_base_quantity_and_tiers_are_lines() -> None:
    content = xml_of(sample("en"))
    assert texts(content, "cac:InvoiceLine/cac:Price/cbc:PriceAmount") == ["2", "1.5", "12", "0.001"]
    assert texts(content, "cac:InvoiceLine/cac:Price/cbc:BaseQuantity") == ["1000000", "1000000", "1000000"]
    assert texts(content, "cac:InvoiceLine/cac:Item/cbc:Name") == [
        "Prompt tokens, first 10 million",
        "Prompt tokens, above 10 million",
        "Generated tokens",
        "Requests",
    ]


def test_reverse_charged_vat_names_its_reason() -> None:
    content = xml_of(sample("en", category="AE", buyer=BELGIAN))
    assert texts(content, "cac:TaxTotal//cbc:TaxExemptionReasonCode") == ["VATEX-EU-AE"]


def test_a_credit_note_names_the_original() -> None:
    content = xml_of(credited(sample("nl")))
    assert texts(content, "cbc:CreditNoteTypeCode") == ["381"]
    assert texts(content, "cac:BillingReference//cbc:ID") == ["F2026-000018"]


def test_parties_are_reached_by_the_schemes_of_their_countries() -> None:
    assert endpoint_of({"country": "NL", "kvk_number": "12345678"}) == ("0106", "12345678")
    assert endpoint_of({"country": "NL", "vat_number": "NL123456782B90"}) == ("9944", "NL123456782B90")
    assert endpoint_of({"country": "BE", "vat_number": "BE0403019261"}) == ("0208", "0403019261")
    assert endpoint_of({"country": "DE", "vat_number": "DE136695976"}) == ("9930", "DE136695976")
    assert endpoint_of({"country": "NL"}) is None


def test_a_document_that_breaks_a_rule_is_found_out() -> None:
    right = xml_of(sample("nl"))
    wrong = right.replace(b">53.07<", b">53.08<", 1)
    assert any("BR-CO-15" in problem for problem in problems_of(wrong, Profile.PEPPOL))
    without = right.replace(b"<cbc:BuyerReference>grachtwerk</cbc:BuyerReference>", b"").replace(
        b"<cbc:ID>PO-4471</cbc:ID>", b"<cbc:ID>x</cbc:ID>"
    )
    assert problems_of(without, Profile.EN_16931) == []
    assert any(
        "schema" in problem or "UBL" in problem
        for problem in problems_of(right.replace(b"IssueDate", b"IssuedDate"), Profile.PEPPOL)
    )


@pytest.mark.parametrize(
    "attack",
    [
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Invoice>&e;</Invoice>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><Invoice/>',
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Invoice>&b;</Invoice>',
        b"<Invoice>",
        b"\x00",
    ],
)
def test_xml_that_reaches_out_is_not_read(attack: bytes) -> None:
    (problem,) = problems_of(attack, Profile.EN_16931)
    assert "root:" not in problem
    with pytest.raises(ValueError, match=r"XML|document type"):
        parse(attack)

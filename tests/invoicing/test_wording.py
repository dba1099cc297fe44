"""Lines in words: every kind of line, in both languages."""

from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from app.i18n import in_locale
from invoicing import wording
from invoicing.models import InvoiceLine
from tests.invoicing.documents import sample

MILLION = Decimal(1_000_000)


def line(**facts: Any) -> InvoiceLine:
    usual = {
        "kind": "units",
        "names": {"en": "Storage", "nl": "Opslag"},
        "unit": "GB",
        "dimensions": {},
        "quantity": Decimal("12.500000000000"),
        "unit_price": Decimal("0.070000000000"),
        "price_base": 1,
        "tax_category": "S",
        "tax_percent": Decimal("21.00"),
    }
    return InvoiceLine(**(usual | facts))


@pytest.mark.parametrize(
    ("facts", "english", "dutch"),
    [
        ({}, "Storage", "Opslag"),
        ({"dimensions": {"model": "large"}}, "Storage (large)", "Opslag (large)"),
        ({"tier_up_to": 10 * MILLION}, "Storage, first 10 million", "Opslag, eerste 10 miljoen"),
        ({"tier_above": Decimal(1000)}, "Storage, above 1,000", "Opslag, boven 1.000"),
        (
            {"tier_above": MILLION, "tier_up_to": Decimal(1_500_000)},
            "Storage, from 1 million to 1,500,000",
            "Opslag, van 1 miljoen tot 1.500.000",
        ),
        ({"kind": "flat"}, "Storage, fixed amount", "Opslag, vast bedrag"),
        ({"kind": "events"}, "Storage, fixed amount each", "Opslag, vast bedrag per keer"),
        ({"kind": "packages"}, "Storage, packages", "Opslag, pakketten"),
        (
            {"kind": "correction", "correction_of": "2026-09-01"},
            "Storage, correction of September 2026",
            "Opslag, correctie over september 2026",
        ),
    ],
)
def test_a_line_says_what_it_is_for(app: Flask, facts: dict[str, Any], english: str, dutch: str) -> None:
    for language, expected in (("en", english), ("nl", dutch)):
        with in_locale(language):
            assert wording.description(line(**facts)) == expected


@pytest.mark.parametrize(
    ("facts", "english", "dutch"),
    [
        ({}, ("12.5", "€0.07", "at €0.07"), ("12,5", "€ 0,07", "à € 0,07")),
        (
            {"quantity": MILLION, "unit_price": Decimal("0.000012"), "price_base": 1_000_000},
            ("1,000,000", "€12.00 / million", "at €12.00 per million"),
            ("1.000.000", "€ 12,00 / mln", "à € 12,00 per mln"),
        ),
        (
            {"quantity": Decimal(1), "unit_price": Decimal("0.0005"), "price_base": 1000},
            ("1", "€0.50 / 1,000", "at €0.50 per 1,000"),
            ("1", "€ 0,50 / 1.000", "à € 0,50 per 1.000"),
        ),
        (
            {"kind": "value", "quantity": Decimal("199.95"), "unit_price": Decimal("0.015")},
            ("€199.95", "1.5%", "at 1.5%"),
            ("€ 199,95", "1,5%", "à 1,5%"),
        ),
    ],
)
def test_quantities_and_prices_are_written_as_the_reader_writes_them(
    app: Flask, facts: dict[str, Any], english: tuple[str, ...], dutch: tuple[str, ...]
) -> None:
    for language, expected in (("en", english), ("nl", dutch)):
        with in_locale(language):
            one = line(**facts)
            said = (wording.quantity_text(one), wording.price_text(one), wording.price_sentence(one))
            assert tuple(text.replace("\xa0", " ") for text in said) == expected


def test_units_are_counted_in_words_where_people_do(app: Flask) -> None:
    with in_locale("nl"):
        said = [
            wording.unit_text(unit, Decimal(count))
            for unit, count in (("request", 1), ("request", 2), ("GB", 2))
        ]
    assert said == ["verzoek", "verzoeken", "GB"]


@pytest.mark.parametrize(
    ("category", "country", "note"),
    [
        ("AE", "BE", "VAT reverse-charged to the buyer, VAT number BE0403019261"),
        ("O", "US", "Service supplied outside the European Union"),
        ("S", "BE", "One-Stop Shop"),
    ],
)
def test_the_law_s_sentences_are_there(app: Flask, category: str, country: str, note: str) -> None:
    with in_locale("en"):
        buyer = {"country": country, "vat_number": "BE0403019261"}
        (sentence,) = wording.tax_notes(sample("en", category=category, buyer=buyer))
    assert note in sentence


def test_what_paid_for_it_is_said_in_one_sentence(app: Flask) -> None:
    invoice = sample("en", due_cents=0)
    with in_locale("en"):
        invoice.credits_used_cents, invoice.prepaid_cents = 1000, 4307
        assert wording.settled_sentence(invoice) == "€53.07 has been paid from your balance and credits."
        invoice.credits_used_cents, invoice.prepaid_cents = 5307, 0
        assert wording.settled_sentence(invoice) == "€53.07 has been paid with your credits."

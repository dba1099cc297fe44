"""Several rates on one invoice: what a meter counts has a tax category, frozen with the period."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.i18n import in_locale
from app.ledger.sides import Side
from invoicing import wording
from invoicing.exports.declarations import icp, oss, vat_return
from invoicing.exports.quarters import Quarter
from invoicing.models import Invoice
from invoicing.tax import Buyer, Treatment, treatment_of
from invoicing.tax_rates import RATES, percent_of
from invoicing.ubl.document import profile, xml_of
from invoicing.ubl.rules import problems_of
from tests.fixtures.shop import AFTER_OCTOBER, EURO, IN_OCTOBER, Shop

Q4 = Quarter(2026, 4)
VAT_NUMBER = "NL123456782B90"
AFTER_NOVEMBER = datetime(2026, 12, 1, 5, tzinfo=UTC)


@pytest.fixture
def library(shop: Shop) -> Shop:
    """Beside tokens at 21%: pages at 9%, exports at 0%, call minutes that are telecom; €0.10 each."""
    for code, facts in (
        ("pages", {"tax_category": "reduced"}),
        ("exports", {"tax_category": "zero"}),
        ("minutes", {"is_telecom": True}),
    ):
        put_meter(shop, code, **facts)
        price = {"currency": "EUR", "model": "per_unit", "unit_amount": "0.10"}
        assert shop.api.post(f"/v1/meters/{code}/prices", json=price).status_code == 201
    return shop


def put_meter(shop: Shop, code: str, **facts: object) -> dict[str, Any]:
    body = {
        "event_type": f"count.{code}",
        "aggregation": "sum",
        "value_property": "number",
        "unit": "unit",
        "dimensions": [],
        "name": {"en": code.title(), "nl": code.title()},
    }
    answer = shop.api.put(f"/v1/meters/{code}", json=body | facts)
    assert answer.status_code in {200, 201}, answer.text
    found = answer.get_json()
    assert isinstance(found, dict)
    return found


def count(shop: Shop, reference: str, code: str, number: int, at: datetime = IN_OCTOBER) -> dict[str, Any]:
    shop.sent += 1
    event = {
        "specversion": "1.0",
        "id": f"count-{shop.sent}",
        "source": "test",
        "type": f"count.{code}",
        "subject": reference,
        "time": at.isoformat(),
        "data": {"number": number},
    }
    answer = shop.api.post("/v1/events", json=event)
    assert answer.status_code == 200, answer.text
    return event


def taxes(invoice: Invoice) -> list[tuple[str, int, int, int, int]]:
    return [
        (one.category, int(one.percent), one.lines_cents, one.discount_cents, one.vat_cents)
        for one in invoice.taxes
    ]


def check(shop: Shop, reference: str, invoice: Invoice) -> None:
    """The document is valid, adds up, and leaves nothing unbilled."""
    assert problems_of(xml_of(invoice), profile(invoice)) == []
    assert invoice.total_cents == sum(
        tax.lines_cents - tax.discount_cents + tax.vat_cents for tax in invoice.taxes
    )
    assert shop.side(reference, Side.UNBILLED_USAGE) == 0
    assert shop.side(reference, Side.VAT) == invoice.vat_cents * 10_000


def test_each_rate_is_debited_and_billed_as_its_own(library: Shop) -> None:
    library.customer("acme", vat_number=VAT_NUMBER, address={"line1": "A 1", "postal_code": "1", "city": "B"})
    library.top_up("acme", 100)
    for code in ("pages", "exports", "minutes"):
        count(library, "acme", code, 100)
    assert library.balance("acme").prepaid_micros == 100 * EURO - 10_900_000 - 10 * EURO - 12_100_000
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    invoice = library.invoice("acme")
    assert taxes(invoice) == [("S", 21, 1000, 0, 210), ("S", 9, 1000, 0, 90), ("Z", 0, 1000, 0, 0)]
    assert library.balance("acme").prepaid_micros == 67 * EURO
    check(library, "acme", invoice)
    declared = vat_return(Q4).splitlines()[1:]
    assert [(row.split(",")[1], row.rsplit(",", 2)[1:]) for row in declared] == [
        ("1a", ["10.00", "2.10"]),
        ("1b", ["10.00", "0.90"]),
        ("1e", ["10.00", "0.00"]),
    ]


def test_telecom_is_reverse_charged_to_a_dutch_business_that_resells_it_and_nothing_else_is(
    library: Shop,
) -> None:
    library.customer("acme", vat_number=VAT_NUMBER, resells_telecom=True)
    library.customer("bravo", resells_telecom=True)
    for reference in ("acme", "bravo"):
        count(library, reference, "minutes", 100)
        count(library, reference, "pages", 100)
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    invoice = library.invoice("acme")
    assert taxes(invoice) == [("S", 9, 1000, 0, 90), ("AE", 0, 1000, 0, 0)]
    check(library, "acme", invoice)
    with in_locale("nl"):
        (note,) = wording.tax_notes(invoice)
        assert note.startswith("Btw verlegd naar de afnemer, btw-nummer NL123456782B90 (binnenlandse")
        assert [wording.line_rate(line) for line in invoice.lines] == ["9%", "verlegd"]
    # Without a VAT number nothing can be reverse-charged.
    assert taxes(library.invoice("bravo")) == [("S", 21, 1000, 0, 210), ("S", 9, 1000, 0, 90)]
    boxes = {row.split(",")[1] for row in vat_return(Q4).splitlines()[1:]}
    assert boxes == {"1a", "1b", "1e"}
    assert icp(Q4).splitlines()[1:] == []


def test_a_consumer_abroad_pays_the_reduced_rate_of_the_own_country(library: Shop) -> None:
    library.customer("anna", kind="consumer", country="DE", locale="en")
    for code in ("pages", "exports"):
        count(library, "anna", code, 100)
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    invoice = library.invoice("anna")
    # Germany knows no zero rate for this: its standard rate holds.
    assert taxes(invoice) == [("S", 19, 1000, 0, 190), ("S", 7, 1000, 0, 70)]
    check(library, "anna", invoice)
    rows = oss(Q4).splitlines()[1:]
    assert len(rows) == 2
    assert {row.rsplit(",", 2)[1] for row in rows} == {"1.90", "0.70"}


def test_businesses_abroad_and_customers_outside_the_union_have_one_treatment_whatever_is_counted(
    library: Shop,
) -> None:
    library.customer("belge", country="BE", vat_number="BE0403170701", locale="en")
    library.customer("usa", country="US", locale="en")
    for reference in ("belge", "usa"):
        for code in ("pages", "exports", "minutes"):
            count(library, reference, code, 10)
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    assert taxes(library.invoice("belge")) == [("AE", 0, 300, 0, 0)]
    assert taxes(library.invoice("usa")) == [("O", 0, 300, 0, 0)]
    for reference in ("belge", "usa"):
        check(library, reference, library.invoice(reference))


def test_promotional_credit_is_a_discount_per_rate(library: Shop) -> None:
    library.customer("acme")
    library.top_up("acme", 100)
    library.grant("acme", 20)
    count(library, "acme", "pages", 100)
    count(library, "acme", "minutes", 100)
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    invoice = library.invoice("acme")
    # € 20 of € 23 were paid by the grant: first what bears the usual rate, then the other.
    assert taxes(invoice) == [("S", 21, 1000, 1000, 0), ("S", 9, 1000, 725, 25)]
    assert (invoice.total_cents, library.balance("acme").prepaid_micros) == (300, 97 * EURO)
    check(library, "acme", invoice)


def test_a_grant_and_credits_together_leave_what_is_due(library: Shop) -> None:
    library.customer("acme")
    library.grant("acme", 5)
    library.post("acme", "credit_note", Side.REVENUE, Side.CREDITS, 4, name="credit-1")
    count(library, "acme", "pages", 100)
    count(library, "acme", "minutes", 100)
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    invoice = library.invoice("acme")
    assert invoice.discount_cents == 413
    assert (invoice.total_cents, invoice.credits_used_cents, invoice.due_cents) == (1800, 400, 1400)
    balance = library.balance("acme")
    assert (balance.prepaid_micros, balance.credits_micros, balance.receivable_micros) == (0, 0, 14 * EURO)
    assert problems_of(xml_of(invoice), profile(invoice)) == []


def test_a_changed_category_holds_from_the_next_period_also_for_corrections(library: Shop) -> None:
    library.customer("acme")
    count(library, "acme", "pages", 100)
    changed = put_meter(library, "pages", tax_category="standard")
    assert (changed["tax_category"], changed["is_telecom"]) == ("standard", False)
    count(library, "acme", "pages", 100)
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    assert taxes(library.invoice("acme")) == [("S", 9, 2000, 0, 180)]
    november = AFTER_OCTOBER + timedelta(days=2)
    library.clock.travel_to(november)
    count(library, "acme", "pages", 100, at=november - timedelta(hours=1))
    count(library, "acme", "pages", 50)
    library.clock.travel_to(AFTER_NOVEMBER)
    library.close("2026-11")
    later = library.invoices("acme")[1]
    assert taxes(later) == [("S", 21, 1000, 0, 210), ("S", 9, 500, 0, 45)]
    assert problems_of(xml_of(later), profile(later)) == []


def test_promotional_credit_given_back_at_another_rate_never_becomes_cash(library: Shop) -> None:
    library.customer("acme")
    library.grant("acme", 20)
    event = count(library, "acme", "pages", 100)
    library.clock.travel_to(AFTER_OCTOBER)
    library.close()
    assert library.invoice("acme").total_cents == 0
    library.api.post("/v1/customers/acme/events/void", json={"source": event["source"], "id": event["id"]})
    count(library, "acme", "minutes", 10, at=AFTER_OCTOBER)
    library.clock.travel_to(AFTER_NOVEMBER)
    library.close("2026-11")
    balance = library.balance("acme")
    # € 1.21 of the grant paid for the minutes; the rest is promotional credit again.
    assert (balance.prepaid_micros, balance.promo_micros) == (0, 20 * EURO - 1_210_000)
    assert library.side("acme", Side.UNBILLED_USAGE) == 0


def test_a_new_meter_joins_a_period_that_has_begun_with_its_own_category(library: Shop) -> None:
    library.customer("acme")
    count(library, "acme", "minutes", 100)
    put_meter(library, "maps", tax_category="reduced")
    price = {"currency": "EUR", "model": "per_unit", "unit_amount": "0.10"}
    library.api.post("/v1/meters/maps/prices", json=price)
    count(library, "acme", "maps", 100)
    assert library.balance("acme").prepaid_micros == -12_100_000 - 10_900_000


def test_a_hold_reserves_at_the_rate_of_the_meter(library: Shop) -> None:
    library.customer("acme")
    library.top_up("acme", 100)

    def held(key: str) -> str:
        answer = library.api.post(
            "/v1/customers/acme/holds",
            json={"meter": "pages", "quantity": "100", "expires_in": 600},
            headers={"Idempotency-Key": key},
        )
        return str(answer.get_json()["amount"]["value"])

    assert Decimal(held("before")) == Decimal("10.90")
    count(library, "acme", "pages", 1)
    assert Decimal(held("begun")) == Decimal("10.90")


def test_meters_say_how_they_are_taxed_and_keep_what_is_left_out(library: Shop) -> None:
    assert put_meter(library, "pages")["tax_category"] == "reduced"
    assert put_meter(library, "minutes")["is_telecom"] is True
    refused = library.api.put("/v1/meters/pages", json={"tax_category": "luxury"})
    assert refused.status_code == 422


def test_every_country_of_the_union_has_a_rate_for_every_category() -> None:
    buyers = {rate.country for rate in RATES}
    for country in buyers - {"NL"}:
        consumer = Buyer(country, is_business=False)
        standard = treatment_of(consumer, date(2026, 10, 1)).percent
        reduced = treatment_of(consumer, date(2026, 10, 1), product="reduced").percent
        assert treatment_of(consumer, date(2026, 10, 1), product="zero").percent == standard
        assert 0 < reduced <= standard, country
    assert percent_of("DE", date(2020, 8, 1), "reduced") == 5
    assert treatment_of(Buyer("DK", is_business=False), date(2026, 1, 1), product="reduced") == Treatment(
        "S", Decimal(25)
    )
